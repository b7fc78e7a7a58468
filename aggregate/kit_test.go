package aggregate_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// The kit of the tests in this package: a destination that records what it is
// given and answers as it is told, and the check of the law.

// errSink is how a destination fails here.
var errSink = errors.New("sink failed")

// entry is what most tests aggregate: sums by name.
type entry = aggregate.Entry[string, int]

// sink is a Flusher that records what it is given. Answer, where it is set,
// decides what becomes of it; it is called without a lock.
type sink[K comparable, V any] struct {
	answer func(ctx context.Context, batch flusher.Batch[aggregate.Entry[K, V]]) error

	mu    sync.Mutex
	calls [][]aggregate.Entry[K, V]
	took  [][]aggregate.Entry[K, V] // those answered with nil
}

func (s *sink[K, V]) Flush(ctx context.Context, batch flusher.Batch[aggregate.Entry[K, V]]) error {
	items := slices.Clone(batch.Items)
	s.mu.Lock()
	s.calls = append(s.calls, items)
	s.mu.Unlock()
	if s.answer != nil {
		if err := s.answer(ctx, batch); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, items)
	return nil
}

// batches are the calls so far.
func (s *sink[K, V]) batches() [][]aggregate.Entry[K, V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// delivered are the entries that were taken.
func (s *sink[K, V]) delivered() []aggregate.Entry[K, V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.took...)
}

// gate is an answer that holds every call until it is opened.
type gate struct{ open chan struct{} }

func newGate() *gate { return &gate{make(chan struct{})} }

func (g *gate) answer(ctx context.Context, _ flusher.Batch[entry]) error {
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// config is one partition over the Flusher, where nothing is due by itself.
func config[K comparable, V any](f flusher.Flusher[aggregate.Entry[K, V]]) aggregate.Config[K, V] {
	return aggregate.Config[K, V]{
		Name: "test", Flusher: f, MaxSize: 3, FlushInterval: -1, FlushTimeout: -1,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// open makes an Aggregator, and shuts it down at the end of the test, where the
// test has not done so itself; the law is checked before and after.
func open[K comparable, V any](t testing.TB, merge func(*V, V), cfg aggregate.Config[K, V]) *aggregate.Aggregator[K, V] {
	t.Helper()
	a, err := aggregate.New(merge, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		lawful(t, a)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		_ = a.Shutdown(ctx)
		lawful(t, a)
	})
	return a
}

// lawful checks the conservation law, and returns the total.
func lawful[K comparable, V any](t testing.TB, a *aggregate.Aggregator[K, V]) partition.Counts {
	t.Helper()
	info := a.Info()
	buffertest.Check(t, info)
	return info.Total
}

// add adds 1 to each of the keys in turn.
func add[K comparable](t testing.TB, a *aggregate.Aggregator[K, int], keys ...K) {
	t.Helper()
	for _, key := range keys {
		require.NoError(t, a.Add(context.Background(), key, 1))
	}
}

// fillUp makes the only partition of an Aggregator with MaxSize 3 full: a, b and
// c are in flight, d, e and f held.
func fillUp(t testing.TB, a *aggregate.Aggregator[string, int], settle func()) {
	t.Helper()
	add(t, a, "a", "b", "c")
	settle()
	add(t, a, "d", "e", "f")
}

// held is All as a map.
func held[K comparable, V any](a *aggregate.Aggregator[K, V]) map[K]V { return maps.Collect(a.All()) }

// counts is the sum of Count.
func counts[K comparable, V any](entries []aggregate.Entry[K, V]) (n uint64) {
	for _, e := range entries {
		n += e.Count
	}
	return n
}

// ended is a context that has ended with the cause.
func ended(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx
}
