package buffer_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// hookTracers calls hooks from the partition's goroutine, as an SDK with a
// synchronous span processor does.
type hookTracers struct {
	tracenoop.TracerProvider
	event func() // at AddEvent
	end   func() // at End of a flush span
	ids   atomic.Uint64
}

func (t *hookTracers) ForceFlush(context.Context) error { return nil }
func (t *hookTracers) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return hookTracer{p: t}
}

type hookTracer struct {
	tracenoop.Tracer
	p *hookTracers
}

func (t hookTracer) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	n := t.p.ids.Add(1)
	s := hookSpan{p: t.p, flush: len(name) > 5 && name[:5] == "flush", sc: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{byte(n), byte(n >> 8), byte(n >> 16), 1}})}
	return trace.ContextWithSpan(ctx, s), s
}

type hookSpan struct {
	tracenoop.Span
	p     *hookTracers
	flush bool
	sc    trace.SpanContext
}

func (s hookSpan) SpanContext() trace.SpanContext { return s.sc }
func (s hookSpan) IsRecording() bool              { return true }
func (s hookSpan) AddEvent(string, ...trace.EventOption) {
	if s.p.event != nil {
		s.p.event()
	}
}

func (s hookSpan) End(...trace.SpanEndOption) {
	if s.flush && s.p.end != nil {
		s.p.end()
	}
}

// The deadline of an attempt's grace is taken from the step's beginning; the
// context's from when the attempt is started. What the step did in between (a
// synchronous span exporter) is taken off the grace.
func TestGraceBeginsWithTheEndOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracers := &hookTracers{end: func() { time.Sleep(2 * time.Second) }}
		var calls atomic.Int64
		cfg := config(flusher.Func[int](func(ctx context.Context, b flusher.Batch[int]) error {
			switch calls.Add(1) {
			case 1:
				time.Sleep(time.Second) // so that the next batch is ready when this lands
				return nil
			case 2:
				<-ctx.Done() // obeys at once
				return ctx.Err()
			}
			return nil
		}))
		cfg.MaxSize = 1
		cfg.FlushTimeout, cfg.FlushGrace = 10*time.Second, time.Second
		cfg.TracerProvider, cfg.InsertSpans = tracers, buffer.SpanNever
		buf := open(t, cfg)
		insert(t, buf, 1, 2)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		assert.Zero(t, lawful(t, buf).Abandoned, "the Flusher returned as soon as its context ended")
	})
}

// A partition that was kept by a slow exporter of spans sets its timer by the time
// that it is then.
func TestIntervalIsKeptBehindASlowExporter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracers := &hookTracers{end: func() { time.Sleep(2 * time.Second) }}
		var late atomic.Int64
		var calls atomic.Int64
		cfg := config(flusher.Func[int](func(ctx context.Context, b flusher.Batch[int]) error {
			if b.Trigger == flusher.Interval {
				late.Store(int64(time.Since(b.Oldest)))
				return nil
			}
			if calls.Add(1) == 1 {
				time.Sleep(time.Second)
				return nil
			}
			time.Sleep(10500 * time.Millisecond)
			return nil
		}))
		cfg.MaxSize, cfg.MaxInFlight = 2, 2
		cfg.FlushInterval, cfg.FlushJitter = 9*time.Second, -1
		cfg.FlushTimeout, cfg.FlushGrace = 10*time.Second, time.Second
		cfg.TracerProvider, cfg.InsertSpans = tracers, buffer.SpanNever
		cfg.Retry.MaxAttempts = 1
		buf := open(t, cfg)
		require.NoError(t, buf.InsertBatch(background(), []int{1, 2}))
		time.Sleep(2 * time.Second) // the first batch lands; its span ends until 3s
		require.NoError(t, buf.InsertBatch(background(), []int{3, 4}))
		time.Sleep(1500 * time.Millisecond)
		insert(t, buf, 5) // at 3.5s: due at 12.5s, half a second after the alarm
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.Equal(t, 9*time.Second, time.Duration(late.Load()))
	})
}

// slowValues takes its time to tell the cause.
type slowValues struct {
	context.Context
	takes time.Duration
}

func (c slowValues) Value(key any) any {
	time.Sleep(c.takes)
	return c.Context.Value(key)
}

// An insert whose context has ended asks that context for the cause, which may
// take long, after it has left the queue: it takes no other's wake-up with it.
func TestInsertLeavesTheQueueBeforeItAsksWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := &sink{answer: script(g.answer, takes(30*time.Second, nil))}
		cfg := config(s)
		cfg.MaxSize = 1
		buf := open(t, cfg)
		insert(t, buf, 1)
		synctest.Wait()
		insert(t, buf, 2) // full
		began := time.Now()
		go func() {
			ctx, cancel := context.WithTimeout(background(), time.Second)
			defer cancel()
			_ = buf.Insert(slowValues{ctx, 10 * time.Second}, 3) // joins at 10 s, and asks for the cause until 20 s
		}()
		time.Sleep(11 * time.Second)
		var took time.Duration
		done := make(chan struct{})
		go func() {
			_ = buf.Insert(background(), 4)
			took = time.Since(began)
			close(done)
		}()
		time.Sleep(time.Second)
		close(g.open) // room at 12 s
		<-done
		time.Sleep(time.Minute)
		require.Equal(t, 12*time.Second, took)
	})
}

func TestTooLargeOfAKeyedBatchNamesTheCallersIndex(t *testing.T) {
	cfg := config(&sink{})
	cfg.Partitions, cfg.MaxBytes, cfg.FlushInterval = 4, 10, -1
	cfg.SizeOf = func(n int) int { return n }
	cfg.Key = func(n int) uint64 { return uint64(n) }
	err := open(t, cfg).InsertBatch(background(), []int{1, 2, 3, 4, 5, 6, 7, 8, 99})
	require.ErrorIs(t, err, buffer.ErrTooLarge)
	require.ErrorContains(t, err, "item 8 ")
}

func TestOneReasonIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		cfg := config(flusher.Func[int](g.answer))
		cfg.Partitions, cfg.MaxSize = 8, 1
		cfg.Key = func(n int) uint64 { return uint64(n) }
		buf := open(t, cfg)
		defer close(g.open)
		for n := range 200 { // all of them are full then
			ctx, cancel := context.WithTimeout(background(), time.Millisecond)
			_ = buf.Insert(ctx, n)
			cancel()
		}
		why := errors.New("the request was given up")
		ctx, cancel := context.WithCancelCause(background())
		time.AfterFunc(time.Second, func() { cancel(why) })
		err := buf.InsertBatch(ctx, upTo(100))
		var partial *buffer.PartialInsertError
		require.ErrorAs(t, err, &partial)
		require.Equal(t, 1, strings.Count(partial.Error(), why.Error()), partial.Error())
	})
}

// oddCause is a context's cause that panics where it is compared.
type oddCause struct{ v any }

func (oddCause) Error() string        { return "odd" }
func (oddCause) Is(target error) bool { return target == context.Canceled }

func TestCauseThatCannotBeCompared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		cfg := config(flusher.Func[int](g.answer))
		cfg.Partitions, cfg.MaxSize = 4, 1
		cfg.Key = func(n int) uint64 { return uint64(n) }
		buf := open(t, cfg)
		defer close(g.open)
		for n := range 100 {
			ctx, cancel := context.WithTimeout(background(), time.Millisecond)
			_ = buf.Insert(ctx, n)
			cancel()
		}
		ctx, cancel := context.WithCancelCause(background())
		time.AfterFunc(time.Second, func() { cancel(oddCause{[]int{1}}) })
		before := buf.Info().Total.Rejected
		require.NotPanics(t, func() {
			err := buf.InsertBatch(ctx, upTo(100))
			require.Error(t, err)
		})
		require.Equal(t, 100, buf.Info().Total.Rejected-before)
	})
}
