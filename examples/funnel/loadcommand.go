package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/go-databuffer/databuffer/examples/funnel/load"
	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

// loadCommand is "funnel load".
func loadCommand(ctx context.Context, args []string, env settings.Lookup, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "-settings" {
		fmt.Fprint(stdout, settings.Table(load.Flags(new(load.Settings)), load.Prefix))
		return exitOK
	}
	set, err := load.Parse(args, env)
	if errors.Is(err, flag.ErrHelp) {
		usage(stdout, load.Flags(new(load.Settings)),
			"funnel load sends readings to a funnel, asks it for aggregates, and checks at the end that these are right to the last reading.\nEach flag is also a variable: -users is FUNNEL_LOAD_USERS.")
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "funnel load: %v\nSee funnel load -help.\n", err)
		return exitUsage
	}
	if err := load.Run(ctx, set, stdout); err != nil {
		fmt.Fprintf(stderr, "funnel load: %v\n", err)
		return exitFailed
	}
	return exitOK
}
