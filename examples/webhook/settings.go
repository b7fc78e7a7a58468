package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
)

// What the flags allow.
const (
	maxEvents = 1_000_000_000
	minRate   = 0.1 // fewer calls would not be through before an attempt, or a Shutdown, times out
	maxRate   = 1_000_000
)

// settings are what the flags say.
type settings struct {
	url       string // empty: an API of this program's own
	events    int
	perSecond float64
}

// parseSettings reads the command line. It joins everything that is wrong with
// it into one error. -help writes the usage, and is flag.ErrHelp.
func parseSettings(args []string, usage io.Writer) (settings, error) {
	var set settings
	flags := flag.NewFlagSet("webhook", flag.ContinueOnError)
	flags.StringVar(&set.url, "url", "", "where to send the events; empty: to an API that this program starts itself")
	flags.IntVar(&set.events, "events", 1000, fmt.Sprintf("how many events to send, 1 to %d", maxEvents))
	flags.Float64Var(&set.perSecond, "rate", 8, fmt.Sprintf("calls per second, %v to %d", minRate, maxRate))
	flags.SetOutput(io.Discard) // the usage is for those who ask for it
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(usage, "webhook sends events to an HTTP API in batches.\n\nFlags:")
		flags.SetOutput(usage)
		flags.PrintDefaults()
	}
	if err != nil {
		return set, err
	}
	return set, set.check(flags.Args())
}

// check returns one error that joins a message for each bad setting: its name,
// its value and what is allowed. A call that can never succeed would be tried
// again for ever.
func (set settings) check(rest []string) error {
	var bad []error
	if len(rest) > 0 {
		bad = append(bad, fmt.Errorf("%q: there are no arguments beside the flags", rest))
	}
	to, err := url.Parse(set.url)
	if set.url != "" && (err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "") {
		bad = append(bad, fmt.Errorf("-url is %q: give a whole one, such as https://example.com/events", set.url))
	}
	if set.events < 1 || set.events > maxEvents {
		bad = append(bad, fmt.Errorf("-events is %d: allowed are 1 to %d", set.events, maxEvents))
	}
	if !(set.perSecond >= minRate && set.perSecond <= maxRate) { // not <: a NaN is neither
		bad = append(bad, fmt.Errorf("-rate is %v: allowed are %v to %d calls per second", set.perSecond, minRate, maxRate))
	}
	return errors.Join(bad...)
}
