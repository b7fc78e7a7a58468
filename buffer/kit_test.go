package buffer_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// The kit of the tests in this package: a destination that records what it is
// given and answers as it is told, and the check of the law.

// errSink is how a destination fails here.
var errSink = errors.New("sink failed")

// call is one attempt that a sink has seen. Its Items are a copy.
type call struct {
	flusher.Batch[int]
	at  time.Time
	err error // what it was answered
}

// sink is a Flusher that records its calls. Answer, where it is set, decides
// what becomes of each; it is called without a lock.
type sink struct {
	answer func(ctx context.Context, batch flusher.Batch[int]) error

	mu    sync.Mutex
	calls []call
}

func (s *sink) Flush(ctx context.Context, batch flusher.Batch[int]) error {
	c := call{Batch: batch, at: time.Now()}
	c.Items = slices.Clone(batch.Items)
	s.mu.Lock()
	s.calls = append(s.calls, c)
	n := len(s.calls) - 1
	s.mu.Unlock()
	if s.answer == nil {
		return nil
	}
	err := s.answer(ctx, batch)
	s.mu.Lock()
	s.calls[n].err = err
	s.mu.Unlock()
	return err
}

// seen are the calls so far.
func (s *sink) seen() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// batches are the items of each call so far.
func (s *sink) batches() [][]int {
	var batches [][]int
	for _, c := range s.seen() {
		batches = append(batches, c.Items)
	}
	return batches
}

// items are those of all calls so far.
func (s *sink) items() []int { return slices.Concat(s.batches()...) }

// script answers the first calls in turn, and all further ones with nil.
func script(answers ...func(ctx context.Context, batch flusher.Batch[int]) error) func(context.Context, flusher.Batch[int]) error {
	var mu sync.Mutex
	return func(ctx context.Context, batch flusher.Batch[int]) error {
		mu.Lock()
		if len(answers) == 0 {
			mu.Unlock()
			return nil
		}
		answer := answers[0]
		answers = answers[1:]
		mu.Unlock()
		return answer(ctx, batch)
	}
}

type answer = func(context.Context, flusher.Batch[int]) error

func fails(err error) answer {
	return func(context.Context, flusher.Batch[int]) error { return err }
}

// untilDone waits for the end of the context, and answers with its error.
func untilDone(ctx context.Context, _ flusher.Batch[int]) error {
	<-ctx.Done()
	return ctx.Err()
}

// takes blocks for d, whatever the context says, and then answers err. In a bubble
// d is virtual.
func takes(d time.Duration, err error) answer {
	return func(context.Context, flusher.Batch[int]) error {
		time.Sleep(d)
		return err
	}
}

// gate is an answer that holds every call until it is opened.
type gate struct{ open chan struct{} }

func newGate() *gate { return &gate{make(chan struct{})} }

func (g *gate) answer(ctx context.Context, _ flusher.Batch[int]) error {
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// config is a plain one partition over the Flusher, where nothing is due by
// itself: no interval, no timeout.
func config(f flusher.Flusher[int]) buffer.Config[int] {
	return buffer.Config[int]{
		Name: "test", Flusher: f, MaxSize: 3, FlushInterval: -1, FlushTimeout: -1,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// open makes a buffer and shuts it down at the end of the test, where the test
// has not done so itself; the law is checked before and after.
func open(t testing.TB, cfg buffer.Config[int]) *buffer.Buffer[int] {
	t.Helper()
	buf, err := buffer.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		lawful(t, buf)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		_ = buf.Shutdown(ctx)
		lawful(t, buf)
	})
	return buf
}

// lawful checks the conservation law in each partition and in total, and
// returns the total.
func lawful[T any](t testing.TB, buf *buffer.Buffer[T]) partition.Counts {
	t.Helper()
	info := buf.Info()
	buffertest.Check(t, info)
	return info.Total
}

// insert accepts the items one by one.
func insert(t testing.TB, buf *buffer.Buffer[int], items ...int) {
	t.Helper()
	for _, item := range items {
		require.NoError(t, buf.Insert(t.Context(), item))
	}
}

// upTo is 1 to n.
func upTo(n int) []int {
	items := make([]int, n)
	for i := range items {
		items[i] = i + 1
	}
	return items
}

// sorted is a sorted copy.
func sorted(items []int) []int {
	items = slices.Clone(items)
	slices.Sort(items)
	return items
}

// background is a context that never ends, for what must not hang.
func background() context.Context { return context.Background() }

// ended is a context that has ended with the cause.
func ended(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx
}
