package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// batchBytes is how much a partition flushes at once, or one chunk if that is
// larger.
const batchBytes = 1 << 20

// group is the main job: it reads every input file, and puts each line into the
// file of its group. It counts what it does in done.
//
// When ctx ends, or something fails, what was read until then is written all
// the same, but keeps its partial name.
func group(ctx context.Context, set settings, done *counts) error {
	paths, err := findInputs(set.in)
	if err != nil {
		return err
	}
	out, err := openOutput(set.out)
	if err != nil {
		return err
	}
	defer out.close()
	err = transfer(ctx, set, paths, out.openGroup, done)
	if err == nil {
		return out.publish(done.bytesFlushed.Load())
	}
	if errors.Is(err, context.Canceled) {
		err = fmt.Errorf("stopped reading: %w", err)
	}
	return fmt.Errorf("%w; of %d lines read, %d are flushed to %s; the output of an earlier run is as it was",
		err, done.lines.Load(), done.flushed.Load(), out.path("*"+partialSuffix))
}

// transfer takes every line of the files at paths to the file of its group:
//
//	readers → blocks → workers → buffer → sink
//
// Each stage ends when the one before it has. It returns nil only if every line
// was written.
func transfer(ctx context.Context, set settings, paths []string, open openFunc, done *counts) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	out := newSink(open, done, stop)
	lines, err := buffer.New(buffer.Config[chunk]{
		Name:          "eventlog",
		Flusher:       out,
		DeadLetter:    flusher.Func[chunk](out.giveUp),
		Partitions:    partitions,
		Key:           func(c chunk) uint64 { return uint64(c.group) },
		MaxBytes:      max(batchBytes, maxChunk(set.maxLine)),
		SizeOf:        func(c chunk) int { return len(c.json) },
		FlushInterval: time.Second,
		FlushTimeout:  -1,                            // a disk may be slow; two attempts at once would mix their lines
		Logger:        slog.New(slog.DiscardHandler), // the dead letter has its failures reported, once
	})
	if err != nil {
		return err
	}

	done.inputs.Store(int64(len(paths)))
	in := inputs{paths: paths, maxLine: set.maxLine, done: done}
	in.pool = newBlocks(in.readers()+set.workers, set.maxLine)
	blocks := make(chan *block)
	var workers sync.WaitGroup
	insertErrs := make([]error, set.workers)
	for i := range set.workers {
		workers.Go(func() {
			w := worker{maxLine: set.maxLine, done: done, buffer: lines}
			insertErrs[i] = w.run(blocks, in.pool)
		})
	}

	readErr := in.read(ctx, blocks)
	close(blocks)
	workers.Wait()
	shutdownErr := lines.Shutdown(context.Background())
	sinkErr := out.close()

	// The first thing that went wrong comes first; what followed from it is left
	// out.
	for _, err := range []error{sinkErr, errors.Join(insertErrs...), shutdownErr, readErr} {
		if err != nil {
			return err
		}
	}
	if held := done.held(); held != 0 {
		return fmt.Errorf("%d lines were read and not written: this is a bug", held)
	}
	return nil
}
