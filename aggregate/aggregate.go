package aggregate

import (
	"context"
	"sync/atomic"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// Entry is what is held for a key, and what the Flusher is given.
type Entry[K comparable, V any] struct {
	Key   K
	Value V
	Count uint64 // how many values are in Value: those of as many Adds
}

// Config is a buffer's, of entries. MaxSize counts distinct keys. Key, Routing,
// SizeOf and MaxBytes must be unset: a key's values always meet in one
// partition, and an entry has no size that stays.
type Config[K comparable, V any] = buffer.Config[Entry[K, V]]

// Aggregator merges values by key, and hands the entries to a Flusher in
// batches. Make it with New and end it with Shutdown. Its methods may be called
// from any goroutine.
type Aggregator[K comparable, V any] struct {
	// Fixed by New.
	partitions []*partition.Partition[Entry[K, V]]
	tracing    *atomic.Bool // the buffer's: an SDK wants spans
	stores     []*store[K, V]
	producers  []*buffer.Producer[Entry[K, V]] // one for each partition
	buffer     *buffer.Buffer[Entry[K, V]]
}

// New makes an Aggregator and starts one goroutine for each partition. It does
// not block. The error joins one for every bad setting, each with its field, its
// value and what is allowed; nothing is started then.
//
// merge merges a value into the one that is stored for its key; the first value
// of a key is stored as it is. It is called by Add, under the lock of the key's
// partition, so that it needs no atomics and no lock of its own, and what it does
// holds up whoever adds to that partition: it must not block, and must not call
// the Aggregator. It may keep value, and what that points to, but
// not stored, which is used again.
func New[K comparable, V any](merge func(stored *V, value V), cfg Config[K, V]) (*Aggregator[K, V], error) {
	if err := check(merge, cfg); err != nil {
		return nil, err
	}
	a := &Aggregator[K, V]{}
	b, err := buffer.NewStored(cfg, func(p *partition.Config[Entry[K, V]]) {
		s := newStore[K](merge)
		a.stores = append(a.stores, s) // in the order of the partitions
		p.Store = s
	})
	if err != nil {
		return nil, err
	}
	a.buffer = b
	a.partitions, a.tracing = b.Inside()
	for range a.partitions { // given out in turn, from the first
		a.producers = append(a.producers, b.Producer())
	}
	return a, nil
}

// Flush marks what every partition holds due, and does not wait: what is being
// flushed already goes first. An empty partition flushes nothing. Its errors are
// the end of ctx, and buffer.ErrClosed after Shutdown was called.
func (a *Aggregator[K, V]) Flush(ctx context.Context) error { return a.buffer.Flush(ctx) }

// SyncFlush flushes what every partition holds and blocks until all that was
// added before the call has its outcome, with all its retries, or ctx ends, or
// Shutdown gives up. There is one Result for each partition, in entries.
//
// The error joins the failures in the results, the end of ctx, and
// buffer.ErrClosed; at the end of ctx the results tell what is known by then.
// After Shutdown was called there are no results, and the error is
// buffer.ErrClosed; with the ctx of the Aggregator's own Flusher it is
// buffer.ErrReentrant.
func (a *Aggregator[K, V]) SyncFlush(ctx context.Context) ([]flusher.Result, error) {
	return a.buffer.SyncFlush(ctx)
}

// Info takes a snapshot, of which each partition's part is consistent in itself.
// All its counts are entries, but Rejected: those are Adds, and so is Waiting. It
// takes each partition's lock for a moment, and can be called after Shutdown.
func (a *Aggregator[K, V]) Info() buffer.Info { return a.buffer.Info() }

// Shutdown ends the Aggregator. From the call on Add returns buffer.ErrClosed,
// also those that wait. Everything that was added is flushed, with Trigger
// Shutdown.
//
// It blocks until everything has its outcome, and returns nil then. When ctx
// ends before, or that of anybody else who has called Shutdown, the attempts are
// cancelled and get FlushGrace to return; the entries that are left are given
// back in a *buffer.ShutdownError[Entry[K, V]]. It may be called several times
// and at once, and has the same answer for all. With the ctx of the Aggregator's
// own Flusher it is buffer.ErrReentrant, and does nothing.
func (a *Aggregator[K, V]) Shutdown(ctx context.Context) error { return a.buffer.Shutdown(ctx) }
