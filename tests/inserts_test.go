package tests

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// caller starts a span as an application has one around its inserts.
func (s *sdk) caller(ctx context.Context) (context.Context, trace.Span) {
	return s.tracers.Tracer("application").Start(ctx, "request")
}

// links are the span contexts that a span links to.
func links(span sdktrace.ReadOnlySpan) []trace.SpanContext {
	var all []trace.SpanContext
	for _, link := range span.Links() {
		all = append(all, link.SpanContext)
	}
	return all
}

func contexts(spans []sdktrace.ReadOnlySpan) []trace.SpanContext {
	var all []trace.SpanContext
	for _, span := range spans {
		all = append(all, span.SpanContext())
	}
	return all
}

// flushed shuts down and returns the only flush span.
func flushed(t testing.TB, s *sdk, buf *buffer.Buffer[int]) sdktrace.ReadOnlySpan {
	t.Helper()
	shutdown(t, buf)
	spans := s.ended("flush")
	require.Len(t, spans, 1)
	return spans[0]
}

func TestInsertSpanModes(t *testing.T) {
	t.Run("always: a span for each, linked by the flush", func(t *testing.T) {
		s := newSDK()
		cfg := s.config(answers(nil))
		cfg.MaxSize = 100
		buf := open(t, cfg)
		ctx, request := s.caller(t.Context())
		require.NoError(t, buf.Insert(ctx, 1))
		require.NoError(t, buf.Insert(t.Context(), 2))
		require.NoError(t, buf.InsertBatch(ctx, []int{3, 4, 5}))
		flush := flushed(t, s, buf)
		spans := s.ended("insert")
		require.Len(t, spans, 3)
		assert.Equal(t, contexts(spans), links(flush))
		assert.Equal(t, request.SpanContext().SpanID(), spans[0].Parent().SpanID())
		assert.False(t, spans[1].Parent().IsValid())
		assert.Equal(t, map[string]any{
			"databuffer.name": bufferName, "databuffer.partition": int64(0), "databuffer.item.count": int64(3),
		}, plain(spans[2].Attributes()))
		assert.Equal(t, int64(5), plain(flush.Attributes())["databuffer.item.count"])
		assert.False(t, flush.Parent().IsValid(), "a batch is nobody's child")
	})

	t.Run("child: only within a recording span", func(t *testing.T) {
		s := newSDK()
		cfg := s.config(answers(nil))
		cfg.InsertSpans, cfg.MaxSize = buffer.SpanChild, 100
		buf := open(t, cfg)
		ctx, _ := s.caller(t.Context())
		require.NoError(t, buf.Insert(ctx, 1))
		require.NoError(t, buf.Insert(t.Context(), 2))
		require.NoError(t, buf.Insert(trace.ContextWithRemoteSpanContext(t.Context(), remote(1)), 3))
		flush := flushed(t, s, buf)
		assert.Len(t, s.ended("insert"), 1)
		assert.Equal(t, contexts(s.ended("insert")), links(flush))
	})

	t.Run("never: the flush links the callers", func(t *testing.T) {
		s := newSDK()
		cfg := s.config(answers(nil))
		cfg.InsertSpans, cfg.MaxSize = buffer.SpanNever, 100
		buf := open(t, cfg)
		first, a := s.caller(t.Context())
		second, b := s.caller(t.Context())
		for range 3 {
			require.NoError(t, buf.Insert(first, 1))
			require.NoError(t, buf.Insert(second, 2))
			require.NoError(t, buf.Insert(t.Context(), 3))
		}
		flush := flushed(t, s, buf)
		assert.Empty(t, s.ended("insert"))
		assert.Equal(t, []trace.SpanContext{a.SpanContext(), b.SpanContext()}, links(flush))
		assert.NotContains(t, plain(flush.Attributes()), "databuffer.link.dropped")
	})

	t.Run("unsampled inserts are not linked", func(t *testing.T) {
		s := newSDK() // parent-based: what the caller does not sample is not
		cfg := s.config(answers(nil))
		cfg.MaxSize = 100
		buf := open(t, cfg)
		unsampled := trace.ContextWithSpanContext(t.Context(), remote(1).WithTraceFlags(0))
		require.NoError(t, buf.Insert(unsampled, 1))
		require.NoError(t, buf.Insert(t.Context(), 2))
		flush := flushed(t, s, buf)
		assert.Len(t, s.ended("insert"), 1)
		assert.Equal(t, contexts(s.ended("insert")), links(flush))
	})
}

func TestAFlushLinksAtMost128Inserts(t *testing.T) {
	s := newSDK()
	cfg := s.config(answers(nil))
	cfg.MaxSize = 1000
	buf := open(t, cfg)
	for i := range 150 {
		insert(t, buf, i)
	}
	flush := flushed(t, s, buf)
	assert.Equal(t, contexts(s.ended("insert"))[:128], links(flush))
	assert.Equal(t, int64(22), plain(flush.Attributes())["databuffer.link.dropped"])
}

// One InsertBatch may fill several batches, and several partitions: each batch
// links it.
func TestEachBatchOfAnInsertBatchLinksIt(t *testing.T) {
	s := newSDK()
	buf := open(t, s.config(answers(nil)))
	require.NoError(t, buf.InsertBatch(t.Context(), []int{1, 2, 3, 4, 5, 6, 7}))
	shutdown(t, buf)
	inserts := s.ended("insert")
	require.Len(t, inserts, 1)
	flushes := s.ended("flush")
	require.Len(t, flushes, 3)
	for _, flush := range flushes {
		assert.Equal(t, contexts(inserts), links(flush))
	}

	keyed := newSDK()
	cfg := keyed.config(answers(nil))
	cfg.Partitions, cfg.Key = 4, func(item int) uint64 { return uint64(item) }
	buf = open(t, cfg)
	require.NoError(t, buf.InsertBatch(t.Context(), []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}))
	shutdown(t, buf)
	inserts = keyed.ended("insert")
	require.Len(t, inserts, 1)
	assert.Equal(t, map[string]any{"databuffer.name": bufferName, "databuffer.item.count": int64(12)},
		plain(inserts[0].Attributes()), "of no single partition")
	for _, flush := range keyed.ended("flush") {
		assert.Equal(t, contexts(inserts), links(flush))
	}
}

// A refused insert is not in the batch, and not among its links.
func TestRefusedInsertsAreNotLinked(t *testing.T) {
	s := newSDK()
	cfg := s.config(answers(nil))
	cfg.MaxSize, cfg.SizeOf, cfg.MaxBytes = 100, func(item int) int { return item }, 10
	buf := open(t, cfg)
	insert(t, buf, 1)
	require.ErrorIs(t, buf.Insert(t.Context(), 11), buffer.ErrTooLarge)
	insert(t, buf, 2)
	flush := flushed(t, s, buf)
	spans := s.ended("insert")
	require.Len(t, spans, 3)
	assert.Equal(t, []trace.SpanContext{spans[0].SpanContext(), spans[2].SpanContext()}, links(flush))
}

// The Flusher's context carries the flush span on every attempt, so that what a
// database does nests under it; and the dead letter's too.
func TestFlusherSpansNestUnderTheFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		database := func(err error) answer {
			return func(ctx context.Context, batch flusher.Batch[int]) error {
				_, span := s.tracers.Tracer("database").Start(ctx, "INSERT")
				defer span.End()
				assert.True(t, trace.SpanFromContext(ctx).IsRecording())
				return err
			}
		}
		cfg := s.config(script(database(errSink), database(flusher.Permanent(errSink))))
		cfg.DeadLetter = database(nil)
		buf := open(t, cfg)
		ctx, request := s.caller(t.Context())
		require.NoError(t, buf.InsertBatch(ctx, []int{1, 2, 3}))
		time.Sleep(time.Minute)
		flush := flushed(t, s, buf)
		children := s.ended("INSERT")
		require.Len(t, children, 3)
		for _, child := range children {
			assert.Equal(t, flush.SpanContext().SpanID(), child.Parent().SpanID())
			assert.Equal(t, flush.SpanContext().TraceID(), child.SpanContext().TraceID())
		}
		assert.NotEqual(t, request.SpanContext().TraceID(), flush.SpanContext().TraceID())
	})
}

// The ID on the span is the one that the Flusher gets.
func TestBatchIDOnTheSpan(t *testing.T) {
	s := newSDK()
	var mu sync.Mutex
	ids := make(map[any]bool)
	buf := open(t, s.config(answer(func(_ context.Context, batch flusher.Batch[int]) error {
		mu.Lock()
		defer mu.Unlock()
		ids[batch.ID.String()] = true
		return nil
	})))
	insert(t, buf, 1, 2, 3, 4, 5, 6, 7)
	shutdown(t, buf)
	spans := s.ended("flush")
	assert.Len(t, spans, 3)
	assert.Len(t, ids, 3)
	for _, span := range spans {
		assert.Contains(t, ids, plain(span.Attributes())["databuffer.batch.id"])
	}
}

// Every started span has ended once Shutdown returned.
func TestEverySpanEnds(t *testing.T) {
	s := newSDK()
	cfg := s.config(script(answers(flusher.Permanent(errSink)), panics, exits))
	cfg.Partitions = 2
	buf := open(t, cfg)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				_ = buf.Insert(context.Background(), i)
			}
		})
	}
	wg.Wait()
	shutdown(t, buf)
	assert.Len(t, s.spans.Ended(), len(s.spans.Started()))
	assert.Len(t, s.ended("insert"), 400)
}

// Whatever the user's code does to the goroutine of an insert, its span ends.
func TestTheSpanOfAnInsertWhoseGoroutineEnds(t *testing.T) {
	s := newSDK()
	cfg := s.config(answers(nil))
	cfg.SizeOf = func(item int) int {
		if item == 13 {
			runtime.Goexit()
		}
		return 1
	}
	keyed := cfg
	keyed.Key = func(item int) uint64 { return uint64(item) }
	for _, cfg := range []buffer.Config[int]{cfg, keyed} {
		buf := open(t, cfg)
		for _, insert := range []func(){
			func() { _ = buf.Insert(t.Context(), 13) },
			func() { _ = buf.InsertBatch(t.Context(), []int{1, 13}) },
		} {
			var wait sync.WaitGroup
			wait.Go(insert)
			wait.Wait()
		}
		shutdown(t, buf)
	}
	assert.Len(t, s.ended("insert"), len(s.spans.Started()))
}

// An insert that nobody samples is appended the short way, beside its span.
func TestInsertsThatNobodySamplesGoTheShortWay(t *testing.T) {
	s := newSDK(neverSampled())
	cfg := s.config(answers(nil))
	cfg.MaxSize = 100
	buf := open(t, cfg)
	insert(t, buf, 1, 2, 3, 4, 5)
	partitions, _ := buf.Inside()
	item := 6
	assert.True(t, partitions[0].Append(&item))
	shutdown(t, buf)
}
