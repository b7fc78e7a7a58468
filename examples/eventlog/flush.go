package main

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/go-databuffer/databuffer/flusher"
)

// partitions is how many batches can be written at the same time.
const partitions = 4

// A sink is the buffer's destination: its Flusher appends each chunk of a batch
// to the file of its group.
//
// A partition's batches come one after another, and a group always comes to the
// same partition. So each partition has files of its own here, and they need no
// lock.
type sink struct {
	files [partitions]*openFiles
	done  *counts
	stop  context.CancelCauseFunc // ends the reading

	mu  sync.Mutex // protects err
	err error      // the first failure
}

// newSink returns a sink that opens its files with open. It calls stop with the
// error when it fails.
func newSink(open openFunc, done *counts, stop context.CancelCauseFunc) *sink {
	s := &sink{done: done, stop: stop}
	for i := range s.files {
		s.files[i] = &openFiles{open: open, limit: maxOpenOutputs / partitions}
	}
	return s
}

// Flush writes a batch whole or leaves no trace of it, so that one that is tried
// again is not written twice.
//
// What makes a write fail, such as a full disk, does not go away by itself, so
// no batch is tried again, and after the first that failed none is tried at all:
// every file then ends with the last batch that was whole.
func (s *sink) Flush(_ context.Context, batch flusher.Batch[chunk]) error {
	if err := s.failure(); err != nil {
		return flusher.Permanent(err)
	}

	// Sorted by group, with the order within one kept, each file is opened once
	// and its small chunks make one write. Items is read-only: sort a copy.
	chunks := slices.Clone(batch.Items)
	slices.SortStableFunc(chunks, func(a, b chunk) int { return cmp.Compare(a.group, b.group) })
	files := s.files[batch.Partition]
	if err := files.appendAll(chunks); err != nil {
		s.fail(err)
		return flusher.Permanent(err)
	}

	for _, c := range chunks {
		s.done.flushed.Add(int64(c.lines))
		s.done.bytesFlushed.Add(int64(len(c.json)))
	}
	s.done.groups.Add(files.begun())
	return nil
}

// giveUp is the buffer's dead letter: it ends the run as well where Flush had no
// time to do so, in a panic. The output cannot become whole any more.
func (s *sink) giveUp(_ context.Context, batch flusher.Batch[chunk]) error {
	s.fail(batch.Cause)
	return nil
}

// fail keeps the first error, and ends the reading.
func (s *sink) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.stop(err)
}

// failure returns the error that all batches are refused with, if there is one.
func (s *sink) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// close closes the files, after the last Flush, and returns the first failure
// of all.
func (s *sink) close() error {
	for _, files := range s.files {
		if err := files.close(); err != nil {
			s.fail(err)
		}
	}
	return s.failure()
}
