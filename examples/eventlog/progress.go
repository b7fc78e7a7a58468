package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// progressEvery is how often the progress line is drawn.
const progressEvery = 200 * time.Millisecond

// showProgress draws one line of progress on a terminal, again and again, until
// the function that it returns is called: that clears the line. When w is not a
// terminal it draws nothing.
func showProgress(w *os.File, done *counts) (stop func()) {
	if !isTerminal(w) {
		return func() {}
	}
	end := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() { drawProgress(w, done, end) })
	return func() {
		close(end)
		drawing.Wait()
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// drawProgress draws until end is closed.
func drawProgress(w io.Writer, done *counts, end <-chan struct{}) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	width := 0
	last, lastLines := time.Now(), int64(0)
	for {
		select {
		case now := <-tick.C:
			lines := done.lines.Load()
			speed := float64(lines-lastLines) / now.Sub(last).Seconds()
			last, lastLines = now, lines
			line := progressLine(done, speed)
			// Spaces cover what a longer line before has left. Terminals that know
			// no escape sequences can do that, too.
			fmt.Fprintf(w, "\r%-*s", width, line)
			width = len(line)
		case <-end:
			fmt.Fprintf(w, "\r%s\r", strings.Repeat(" ", width))
			return
		}
	}
}

// progressColumns is what fits on a line of a small terminal. A longer one would
// not be overwritten, but scroll.
const progressColumns = 79

// progressLine is what is drawn.
func progressLine(done *counts, speed float64) string {
	line := fmt.Sprintf("files %d/%d  lines %d  %.0f lines/s  held %d  flushed %d",
		done.files.Load(), done.inputs.Load(), done.lines.Load(), speed, done.held(), done.flushed.Load())
	return line[:min(len(line), progressColumns)]
}
