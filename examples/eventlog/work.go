package main

import (
	"bytes"
	"context"
	"fmt"
)

// inserter is what a worker needs of the buffer.
type inserter interface {
	InsertBatch(ctx context.Context, chunks []chunk) error
}

// A worker takes blocks, makes chunks of their lines, and puts these into the
// buffer.
type worker struct {
	maxLine int
	done    *counts
	buffer  inserter
	failed  error // the buffer did not take some lines

	byReason [reasons]int64 // lines of the piece
}

// run takes blocks until there are no more, and puts each back into pool. When
// the buffer fails it takes and drops the others, as the readers wait for that.
func (w *worker) run(blocks <-chan *block, pool chan<- *block) error {
	for b := range blocks {
		w.work(b)
		close(b.done)
		pool <- b
	}
	return w.failed
}

// work turns a block into chunks, piece by piece: the shortest lines make so
// much more JSON than they have bytes that a whole block of them at once would
// take too much memory.
func (w *worker) work(b *block) {
	var r record
	number := b.first
	b.chunker.reset()
	for rest := b.lines; len(rest) > 0; number++ {
		end := bytes.IndexByte(rest, '\n')
		line := rest[:end]
		if end > 0 && line[end-1] == '\r' {
			line = line[:end-1]
		}
		rest = rest[end+1:]

		json, group := b.chunker.json, int64(rejectedGroup)
		why := r.parse(line, w.maxLine)
		if why == accepted {
			json, group = appendRecord(json, &r), r.group.n
		} else {
			json = appendRejected(json, b.file, number, why, line)
		}
		w.byReason[why]++
		b.chunker.add(group, json)
		if b.chunker.full() || len(rest) == 0 {
			w.count()
			w.insert(b)
			b.chunker.reset()
		}
	}
}

// count counts the lines of a piece: before they are inserted, so that no line
// is ever seen as flushed and not yet as read.
func (w *worker) count() {
	for why, n := range w.byReason {
		w.done.byReason[why].Add(n)
		w.done.lines.Add(n)
	}
	clear(w.byReason[:])
}

// insert puts a piece's chunks into the buffer, once it is the block's turn and
// there is room. It heeds no end of the run's context: what was read is still to
// be flushed then.
func (w *worker) insert(b *block) {
	chunks := b.chunker.gather()
	<-b.turn
	if w.failed != nil {
		return
	}
	if err := w.buffer.InsertBatch(context.Background(), chunks); err != nil {
		w.failed = fmt.Errorf("handing lines to the buffer: %w", err)
	}
}
