package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// The exit codes. An interrupted run has the shell's code for SIGINT.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end. Signals then have their usual
	// effect again, so that a second one ends a run whose disk hangs.
	context.AfterFunc(ctx, stop)
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command is the whole program, apart from the process around it: it runs until
// the work is done or ctx is, and returns the exit code.
func command(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) int {
	set, err := parseSettings(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "eventlog: %v\nSee eventlog -help.\n", err)
		return exitUsage
	}

	err = profiled(set, func() error {
		if set.generate > 0 {
			return generateFile(ctx, set, stdout)
		}
		return groupAndReport(ctx, set, stdout, stderr)
	})
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "eventlog: %v\n", err)
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "eventlog: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// groupAndReport groups the input and shows, also of a run that was cut short,
// the table of what was done.
func groupAndReport(ctx context.Context, set settings, stdout io.Writer, stderr *os.File) error {
	var done counts
	begin := time.Now()
	stopProgress := showProgress(stderr, &done)
	err := group(ctx, set, &done)
	stopProgress()
	took := time.Since(begin)
	if err != nil && done.lines.Load() == 0 {
		return err
	}
	shown := table(&done, took)
	if err == nil {
		shown += fmt.Sprintf("\nThe groups are in %s, the rejected lines in %s.\n",
			filepath.Join(set.out, groupPrefix+"*"+groupSuffix), filepath.Join(set.out, rejectedName))
	}
	_, showErr := io.WriteString(stdout, shown)
	return errors.Join(err, showErr)
}
