// Funnel takes readings of sensors over HTTP, in large numbers, and keeps them in
// a time-series store. "funnel load" sends them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/go-databuffer/databuffer/examples/funnel/service"
	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end. A second one has its usual effect.
	context.AfterFunc(ctx, stop)
	os.Exit(command(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// command is the whole program, apart from the process around it.
func command(ctx context.Context, args []string, env settings.Lookup, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "load" {
		return loadCommand(ctx, args[1:], env, stdout, stderr)
	}
	if len(args) > 0 && args[0] == "health" {
		return healthCommand(ctx, args[1:], env, stdout, stderr)
	}
	if len(args) > 0 && args[0] == "-settings" {
		fmt.Fprint(stdout, settings.Table(settings.Flags(new(settings.Settings)), settings.Prefix))
		return exitOK
	}
	set, err := settings.Parse(args, env)
	if errors.Is(err, flag.ErrHelp) {
		usage(stdout, settings.Flags(new(settings.Settings)),
			"funnel takes readings over HTTP and keeps them in a store. funnel load sends them; funnel health asks whether it is ready.\nEach flag is also a variable: -max-body is FUNNEL_MAX_BODY. funnel -settings prints them as a table.")
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "funnel: %v\nSee funnel -help.\n", err)
		return exitUsage
	}
	if err := run(ctx, set, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "funnel: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// run serves until ctx ends.
func run(ctx context.Context, set settings.Settings, stdout, stderr io.Writer) error {
	logger := newLogger(set, stderr)
	s, err := service.Start(ctx, set, version(), logger)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "funnel: the page is at %s\n", s.URL())
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-s.Failed():
	}
	return errors.Join(failed, s.Stop(context.WithoutCancel(ctx)))
}

func newLogger(set settings.Settings, to io.Writer) *slog.Logger {
	level, err := set.Level()
	if err != nil {
		level = slog.LevelInfo // Parse allows no other
	}
	options := &slog.HandlerOptions{Level: level}
	if set.LogStyle == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}

func usage(to io.Writer, set *flag.FlagSet, text string) {
	fmt.Fprintln(to, text+"\n\nFlags:")
	set.SetOutput(to)
	set.PrintDefaults()
}

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
