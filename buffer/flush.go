package buffer

import (
	"context"
	"errors"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// Flush marks what every partition holds due, and does not wait: what is being
// flushed already goes first. An empty partition flushes nothing. Its errors are
// the end of ctx, and ErrClosed after Shutdown was called.
func (b *Buffer[T]) Flush(ctx context.Context) error {
	if b.closed.Load() {
		return ErrClosed
	}
	if err := partition.ContextError(ctx, "databuffer: Flush: nothing was marked: "); err != nil {
		return err
	}
	var errs error
	for _, p := range b.partitions {
		if err := p.Flush(); err != nil {
			errs = err
		}
	}
	return errs
}

// SyncFlush flushes what every partition holds and blocks until all that was
// accepted before the call has its outcome, with all its retries, or ctx ends,
// or Shutdown gives up. It is a barrier: what is inserted meanwhile is not
// waited for, unless it joins a batch that is.
//
// There is one Result for each partition. The error joins the failures in them,
// the end of ctx, and ErrClosed; at the end of ctx the results tell what is known
// by then, and why the rest is not: the newest failure of an attempt. There are no
// results where nothing was begun: with a ctx that has ended already, after
// Shutdown was called (ErrClosed), and with the ctx of the buffer's own Flusher
// (ErrReentrant).
//
// A Flusher of another buffer may return the error: errors.Is and errors.As find
// everything in it, and it says nothing of that buffer's items.
func (b *Buffer[T]) SyncFlush(ctx context.Context) ([]flusher.Result, error) {
	if b.reentrant(ctx) {
		return nil, ErrReentrant
	}
	if b.closed.Load() {
		return nil, ErrClosed
	}
	if err := partition.ContextError(ctx, "databuffer: SyncFlush: nothing was begun: "); err != nil {
		return nil, err
	}
	results := make([]flusher.Result, len(b.partitions))
	barriers := make([]*partition.Barrier, len(b.partitions))
	var errs []error
	for i, p := range b.partitions { // all of them first, so that they flush at once
		barrier, err := p.Sync()
		if err != nil { // Shutdown began in between
			results[i] = flusher.Result{Partition: i, Err: err}
			errs = []error{err}
		}
		barriers[i] = barrier
	}
	var ended error
	for i, barrier := range barriers {
		if barrier == nil {
			continue
		}
		result, reached := b.partitions[i].Wait(ctx, barrier)
		if result.Err != nil {
			errs = append(errs, result.Err)
		}
		if !reached {
			ended = partition.ContextEnd(ctx, "databuffer: SyncFlush: some items have no outcome yet: ")
			result.Err = errors.Join(result.Err, ended)
		}
		results[i] = result
	}
	return results, errors.Join(append(errs, ended)...)
}
