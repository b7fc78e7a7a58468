package buffer_test

import (
	"context"
	"log/slog"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// What hurts users elsewhere, row by row of the matrix in matrix_test.go: here
// the end of a buffer, and what it leaves behind.

// handlerFunc is what a Logger does with each line. Unlike slog's own it holds no
// mutex meanwhile, on which virtual time would stand still.
type handlerFunc func() error

func (handlerFunc) Enabled(context.Context, slog.Level) bool    { return true }
func (f handlerFunc) Handle(context.Context, slog.Record) error { return f() }
func (f handlerFunc) WithAttrs([]slog.Attr) slog.Handler        { return f }
func (f handlerFunc) WithGroup(string) slog.Handler             { return f }

func TestPainCloseBlocksForEver(t *testing.T) {
	// Whatever is stuck, Shutdown takes its ctx's minute and the grace at most.
	var buf *buffer.Buffer[int] // that of the scenario which runs
	for name, change := range map[string]func(cfg *buffer.Config[int], stuck answer){
		"a Flusher that does not return": func(c *buffer.Config[int], stuck answer) { c.Flusher = flusher.Func[int](stuck) },
		"one that has a timeout": func(c *buffer.Config[int], stuck answer) {
			c.Flusher, c.FlushTimeout = flusher.Func[int](stuck), time.Second
		},
		"a destination that is down": func(c *buffer.Config[int], _ answer) { c.Flusher = &sink{answer: fails(errSink)} },
		"one that says when to come back": func(c *buffer.Config[int], _ answer) {
			c.Flusher = &sink{answer: fails(flusher.RetryAfter(errSink, math.MaxInt64))}
		},
		"a dead letter that does not return": func(c *buffer.Config[int], stuck answer) {
			c.Flusher, c.DeadLetter = &sink{answer: fails(flusher.Permanent(errSink))}, flusher.Func[int](stuck)
		},
		"a Flusher that inserts what it is given": func(c *buffer.Config[int], _ answer) {
			c.Flusher = flusher.Items(func(ctx context.Context, items []int) error {
				time.Sleep(time.Second)
				_ = buf.InsertBatch(ctx, items)
				return errSink
			})
		},
		"a Flusher that shuts the buffer down, on a context of its own": func(c *buffer.Config[int], _ answer) {
			c.Flusher = flusher.Items(func(context.Context, []int) error { return buf.Shutdown(background()) })
		},
		"a Flusher that waits for a barrier, on a context of its own": func(c *buffer.Config[int], _ answer) {
			c.Flusher = flusher.Items(func(context.Context, []int) error {
				_, err := buf.SyncFlush(background())
				return err
			})
		},
		"a Logger that does not return": func(c *buffer.Config[int], stuck answer) {
			c.Flusher = &sink{answer: panics}
			c.Logger = slog.New(handlerFunc(func() error { return stuck(background(), flusher.Batch[int]{}) }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			standstill(t)
			synctest.Test(t, func(t *testing.T) {
				letGo := make(chan struct{})
				defer close(letGo)
				cfg := config(nil)
				cfg.Partitions, cfg.MaxInFlight = 2, 2
				change(&cfg, func(context.Context, flusher.Batch[int]) error { <-letGo; return nil })
				var err error
				buf, err = buffer.New(cfg)
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				for buf.Insert(ctx, 1) == nil && lawful(t, buf).Accepted < 40 { // until it is full
					synctest.Wait()
				}
				start := time.Now()
				ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_ = buf.Shutdown(ctx)
				assert.LessOrEqual(t, time.Since(start), time.Minute+2*time.Second)
				counts := lawful(t, buf)
				assert.Zero(t, counts.Buffered+counts.InFlight)
			})
		})
	}
}

func TestPainTimerAgainstStop(t *testing.T) {
	// The interval, a backoff and a timeout end in the very moment of Shutdown, or
	// next to it.
	const interval = time.Second
	for _, off := range []time.Duration{-1, 0, 1} {
		synctest.Test(t, func(t *testing.T) {
			for range 100 {
				s := &sink{answer: script(fails(flusher.RetryAfter(errSink, interval)), untilDone)}
				cfg := config(s)
				cfg.Partitions, cfg.FlushInterval, cfg.FlushJitter, cfg.FlushTimeout = 3, interval, -1, interval
				buf, err := buffer.New(cfg)
				require.NoError(t, err)
				insert(t, buf, upTo(9)...)
				insert(t, buf, 10, 11)
				time.Sleep(interval + off)
				require.NoError(t, buf.Shutdown(t.Context()))
				assert.Equal(t, 11, lawful(t, buf).Delivered)
				var delivered []int
				for _, c := range s.seen() {
					if c.err == nil {
						delivered = append(delivered, c.Items...)
					}
				}
				assert.Equal(t, upTo(11), sorted(delivered), "each once")
			}
		})
	}
}

func TestPainGoroutineLeaks(t *testing.T) {
	// Nobody's patience leaves a goroutine behind, and the buffer none either.
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		g := newGate()
		cfg := config(&sink{answer: g.answer})
		cfg.Partitions = 4
		buf, err := buffer.New(cfg)
		require.NoError(t, err)
		insert(t, buf, upTo(24)...)
		synctest.Wait()
		running := runtime.NumGoroutine()
		assert.LessOrEqual(t, running-before, 2*cfg.Partitions, "one each, and one for its attempt")
		producer := buf.Producer()
		for range 2000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			require.NoError(t, buf.Flush(ctx))
			_, err := buf.SyncFlush(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
			require.Error(t, buf.Insert(ctx, 1))
			require.Error(t, buf.InsertBatch(ctx, upTo(2)))
			require.Error(t, producer.Insert(ctx, 1))
			cancel()
		}
		synctest.Wait()
		assert.LessOrEqual(t, runtime.NumGoroutine(), running)
		close(g.open)
		require.NoError(t, buf.Shutdown(t.Context()))
		synctest.Wait()
		assert.LessOrEqual(t, runtime.NumGoroutine(), before)
	})
}
