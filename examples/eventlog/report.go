package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// counts are what a run has done so far. All goroutines of it add to them, a
// block or a batch at a time, and the progress line reads them meanwhile.
type counts struct {
	inputs       atomic.Int64 // files that there are to read
	files        atomic.Int64 // read to their end
	bytesRead    atomic.Int64
	lines        atomic.Int64 // the sum of byReason
	byReason     [reasons]atomic.Int64
	flushed      atomic.Int64 // lines of all output files
	bytesFlushed atomic.Int64
	groups       atomic.Int64
}

func (c *counts) valid() int64    { return c.byReason[accepted].Load() }
func (c *counts) rejected() int64 { return c.lines.Load() - c.valid() }

// held is how many lines were parsed and wait to be written.
func (c *counts) held() int64 { return c.lines.Load() - c.flushed.Load() }

// table is what is shown at the end of a run.
func table(c *counts, took time.Duration) string {
	var text strings.Builder
	row := func(name string, value any) { fmt.Fprintf(&text, "%-24s%14v\n", name, value) }
	row("files", c.files.Load())
	row("lines", c.lines.Load())
	row("valid", c.valid())
	row("rejected", c.rejected())
	for why := accepted + 1; why < reasons; why++ {
		if n := c.byReason[why].Load(); n > 0 {
			row("  "+why.String(), n)
		}
	}
	row("groups", c.groups.Load())
	row("bytes read", c.bytesRead.Load())
	row("bytes written", c.bytesFlushed.Load())
	row("seconds", fmt.Sprintf("%.3f", took.Seconds()))
	row("lines per second", fmt.Sprintf("%.0f", float64(c.lines.Load())/took.Seconds()))
	return text.String()
}
