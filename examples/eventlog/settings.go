package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// What the flags allow.
const (
	maxWorkers   = 1000
	minLineLimit = 64
	maxLineLimit = 256 << 10
	maxGenerate  = 1_000_000_000
)

// settings are what the flags say.
type settings struct {
	in, out string
	workers int
	maxLine int // bytes of a line, without its ending

	generate int // lines; 0: group instead
	groups   int
	seed     uint64

	cpuProfile, memProfile, trace string // file names; empty: off
}

// parseSettings reads the command line. It joins everything that is wrong with
// it into one error. -help writes the usage, and is flag.ErrHelp.
func parseSettings(args []string, usage io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("eventlog", flag.ContinueOnError)
	flags.StringVar(&set.in, "in", "examples/eventlog/testdata/input", "read every *.log file of this `folder`")
	flags.StringVar(&set.out, "out", "examples/eventlog/out", "write one NDJSON file per group into this `folder`")
	flags.IntVar(&set.workers, "worker-number", 1, fmt.Sprintf("parse with this `number` of workers, 1 to %d", maxWorkers))
	flags.IntVar(&set.maxLine, "max-line", 64<<10, fmt.Sprintf("reject lines of more than this number of `bytes`, %d to %d", minLineLimit, maxLineLimit))
	flags.IntVar(&set.generate, "generate", 0, "instead of grouping, write an input file of this `number` of random lines into -in")
	flags.IntVar(&set.groups, "groups", 3, "with -generate: the `number` of groups")
	flags.Uint64Var(&set.seed, "seed", 1, "with -generate: the same `number` gives the same file")
	flags.StringVar(&set.cpuProfile, "cpu-profile", "", "write a CPU profile to this `file`, for go tool pprof")
	flags.StringVar(&set.memProfile, "mem-profile", "", "write a memory profile to this `file`, for go tool pprof")
	flags.StringVar(&set.trace, "trace", "", "write an execution trace to this `file`, for go tool trace")

	// The usage is for those who ask for it. After an error it would only bury
	// that, so Parse is to print nothing.
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(usage, "eventlog groups the lines of log files by their groupId, one NDJSON file a group.\n\nFlags:")
		flags.SetOutput(usage)
		flags.PrintDefaults()
	}
	if err != nil {
		if strings.HasPrefix(err.Error(), "invalid value") {
			err = fmt.Errorf("%w: it takes a whole number, in digits, such as 500000", err)
		}
		return set, err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return set, set.check(flags.Args(), given)
}

// check returns one error that joins a message for each bad setting: its name,
// its value and what is allowed.
func (set settings) check(rest []string, given map[string]bool) error {
	var bad []error
	reject := func(wrong bool, format string, args ...any) {
		if wrong {
			bad = append(bad, fmt.Errorf(format, args...))
		}
	}
	generating := given["generate"]
	reject(len(rest) > 0, "%q: there are no arguments beside the flags", rest)
	reject(set.in == "", `-in is "": give the folder that holds the *.log files`)
	reject(set.out == "" && !generating, `-out is "": give the folder for the groups' files`)
	reject(set.workers < 1 || set.workers > maxWorkers, "-worker-number is %d: allowed are 1 to %d", set.workers, maxWorkers)
	reject(set.maxLine < minLineLimit || set.maxLine > maxLineLimit,
		"-max-line is %d: allowed are %d to %d bytes", set.maxLine, minLineLimit, maxLineLimit)
	reject(generating && (set.generate < 1 || set.generate > maxGenerate),
		"-generate is %d: allowed are 1 to %d lines", set.generate, maxGenerate)
	reject(set.groups < 1, "-groups is %d: allowed are 1 and more", set.groups)
	for _, name := range []string{"groups", "seed"} {
		reject(given[name] && !generating, "-%s does nothing without -generate", name)
	}
	for _, name := range []string{"out", "worker-number", "max-line"} {
		reject(given[name] && generating, "-%s does nothing with -generate, which writes into -in", name)
	}
	profiles := []struct{ name, path string }{{"-cpu-profile", set.cpuProfile}, {"-mem-profile", set.memProfile}, {"-trace", set.trace}}
	for i, one := range profiles {
		for _, other := range profiles[:i] {
			reject(one.path != "" && filepath.Clean(one.path) == filepath.Clean(other.path),
				"%s and %s are both %q: give each a file of its own", other.name, one.name, one.path)
		}
	}
	return errors.Join(bad...)
}
