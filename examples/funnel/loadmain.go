package main

import (
	"context"
	"io"

	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

func loadCommand(ctx context.Context, args []string, env settings.Lookup, stdout, stderr io.Writer) int {
	return 2
}
