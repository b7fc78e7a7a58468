// Benchmarks measures databuffer beside what one would take instead: other
// libraries, and what is quickly written by hand. It prints tables, and writes
// them and a plot where it is told to.
//
//	go run . -results RESULTS.md -plot ../docs/benchmarks.svg
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/benchmarks/report"
)

// options are the flags.
type options struct {
	set           measure.Settings
	patience      time.Duration
	only          *regexp.Regexp
	results, plot string
}

func main() {
	var opts options
	flag.IntVar(&opts.set.Rounds, "rounds", 7, "rounds of each scenario; at least 5 for figures to be shown")
	flag.DurationVar(&opts.set.Sample, "sample", 30*time.Millisecond, "about how long each contender runs in a round")
	flag.IntVar(&opts.set.Again, "again", 2, "how often a sample is taken again that did not run in parallel")
	flag.DurationVar(&opts.patience, "patience", 2*time.Minute, "how long the whole run waits, at most, for a machine that is busy otherwise")
	only := flag.String("only", "", "regular expression of the sections to run, by their ids; all where it is empty")
	flag.StringVar(&opts.results, "results", "", "file to write the tables to")
	flag.StringVar(&opts.plot, "plot", "", "file to write the plot to, where all that is in it was run")
	flag.Parse()
	var err error
	if opts.only, err = regexp.Compile(*only); err == nil {
		err = run(opts, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

// run runs everything, and shows it.
func run(opts options, stdout, progress io.Writer) error {
	r := &runner{options: opts, progress: progress, start: time.Now(), done: make(outcomes)}
	if err := r.throughput(); err != nil {
		return err
	}
	if err := r.others(); err != nil {
		return err
	}
	text := r.text()
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	if opts.results != "" {
		if err := os.WriteFile(opts.results, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if opts.plot == "" {
		return nil
	}
	panels := r.panels()
	if len(panels) == 0 {
		return fmt.Errorf("-plot %s: the sections that it shows were not run", opts.plot)
	}
	return os.WriteFile(opts.plot, []byte(report.Plot(plotTitle, plotSubtitle(r.set.Rounds), producers(plotMany), panels)), 0o644)
}

// runner runs the sections in turn.
type runner struct {
	options
	progress io.Writer
	start    time.Time
	done     outcomes
	extra    []extra
	probes   []float64 // the share of the machine that there was, before each round
}

// extra is a table that is not about throughput.
type extra struct {
	id, title, intro string
	measure          func() (report.Table, error)
	table            report.Table
}

// free is the share of the machine that is enough to measure.
const free = 0.9

// probe waits until the machine is free, while there is patience left, and notes
// the share of it that there was at last.
func (r *runner) probe() {
	start, share := time.Now(), measure.Probe()
	for ; share < free && time.Since(start) < r.patience; share = measure.Probe() {
		time.Sleep(20 * time.Millisecond)
	}
	if share < free || time.Since(start) > 20*time.Millisecond {
		r.patience -= min(time.Since(start), r.patience)
	}
	r.probes = append(r.probes, share)
}

func (r *runner) say(what string) {
	fmt.Fprintf(r.progress, "%4.0f s  %s\n", time.Since(r.start).Seconds(), what)
}

func (r *runner) throughput() error {
	for _, s := range sections() {
		if !r.only.MatchString(s.id) {
			continue
		}
		r.say(s.title)
		o, err := s.run(r.set, r.probe)
		if err != nil {
			return err
		}
		r.done[s.id] = o
	}
	return nil
}

func (r *runner) others() error {
	// A run lasts so long that the interval ends, and the stall is over.
	lasting, ticks := 250*time.Millisecond, stallTicks
	if r.set.Sample < 10*time.Millisecond {
		lasting, ticks = 50*time.Millisecond, 20
	}
	for _, e := range []extra{
		{
			id: "stall", title: "Insert, a sink that stalls",
			intro:   fmt.Sprintf("8 producers insert %d items a millisecond in all; the sink holds one batch of 1000 for %v, and takes the others at once.", stallProducers*stallPerTick, stallFor),
			measure: func() (report.Table, error) { return stalls(r.set, ticks, r.probe) },
		},
		{
			id: "held", title: "As the items held grow",
			intro:   "1 producer, 1 partition, 32-byte values or pointers to them, nothing handed over: the bytes held for an item, the time of an insert, how long a collection takes, and for how much of it nothing runs. Growing slices are part of an insert here.",
			measure: func() (report.Table, error) { return held(r.set, r.probe) },
		},
		{
			id: "latency", title: "From the insert to the sink",
			intro:   fmt.Sprintf("1 producer, %d items a second, 8 partitions, batches of 1000 or after %v. elastic's BulkIndexer and the BatchSpanProcessor take no item that could carry its time. gocloud.dev has no interval, and hands over what there is as soon as a handler is free.", latencyRate, latencyInterval),
			measure: func() (report.Table, error) { return latencies(r.set, lasting, r.probe) },
		},
	} {
		if !r.only.MatchString(e.id) {
			continue
		}
		r.say(e.title)
		var err error
		if e.table, err = e.measure(); err != nil {
			return fmt.Errorf("%s: %w", e.title, err)
		}
		r.extra = append(r.extra, e)
	}
	r.say("done")
	return nil
}
