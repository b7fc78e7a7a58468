package buffer_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here the end.

func TestPromiseShutdown(t *testing.T) {
	t.Run("everything is flushed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: takes(time.Second, nil)}
			cfg := config(s)
			cfg.Partitions = 2
			buf := open(t, cfg)
			insert(t, buf, upTo(11)...)
			require.NoError(t, buf.InsertBatch(t.Context(), []int{12, 13, 14, 15, 16}))
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Equal(t, upTo(16), sorted(s.items()))
			assert.Equal(t, 16, lawful(t, buf).Delivered)
			triggers := map[flusher.Trigger]int{}
			for _, c := range s.seen() {
				triggers[c.Trigger]++
				if len(c.Items) < 3 {
					assert.Equal(t, flusher.Shutdown, c.Trigger)
				}
			}
			assert.Positive(t, triggers[flusher.Shutdown])
		})
	})
	t.Run("inserts end with ErrClosed, waiting ones at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf, g, s := stuff(t, 2, nil)
			producer := buf.Producer()
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() { assert.ErrorIs(t, buf.Insert(t.Context(), 1), buffer.ErrClosed) })
				wg.Go(func() { assert.ErrorIs(t, producer.Insert(t.Context(), 1), buffer.ErrClosed) })
				wg.Go(func() { assert.ErrorIs(t, buf.InsertBatch(t.Context(), upTo(9)), buffer.ErrClosed) })
			}
			synctest.Wait()
			assert.Equal(t, 30, buf.Info().Waiting)
			start := time.Now()
			done := make(chan error)
			go func() { done <- buf.Shutdown(t.Context()) }()
			wg.Wait()
			assert.Zero(t, time.Since(start))
			assert.ErrorIs(t, buf.Insert(t.Context(), 1), buffer.ErrClosed)
			assert.Equal(t, 10+10+90+1, lawful(t, buf).Rejected)
			close(g.open)
			require.NoError(t, <-done)
			assert.Len(t, s.items(), 12)
			for name, err := range map[string]error{
				"Insert": buf.Insert(t.Context(), 1), "InsertBatch": buf.InsertBatch(t.Context(), upTo(2)),
				"Producer": producer.Insert(t.Context(), 1), "Flush": buf.Flush(t.Context()),
				"SyncFlush": func() error { _, err := buf.SyncFlush(t.Context()); return err }(),
			} {
				assert.ErrorIs(t, err, buffer.ErrClosed, name)
			}
			assert.Empty(t, buf.Dump())
			assert.Zero(t, buf.Size())
		})
	})
	t.Run("running backoffs end: one more attempt at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(flusher.RetryAfter(errSink, time.Hour)))}
			buf := open(t, config(s))
			insert(t, buf, upTo(5)...)
			time.Sleep(time.Second)
			start := time.Now()
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Zero(t, time.Since(start))
			assert.Equal(t, [][]int{{1, 2, 3}, {1, 2, 3}, {4, 5}}, s.batches())
			assert.Equal(t, flusher.Size, s.seen()[1].Trigger)
			assert.Equal(t, flusher.Shutdown, s.seen()[2].Trigger)
		})
	})
	t.Run("at ctx's end what is left comes back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
				<-ctx.Done()
				assert.ErrorIs(t, context.Cause(ctx), buffer.ErrClosed)
				if b.Items[0] == 1 {
					time.Sleep(time.Hour) // past the grace
				}
				return ctx.Err()
			}}
			cfg := config(s)
			cfg.FlushGrace, cfg.MaxInFlight = 2*time.Second, 2
			buf := open(t, cfg)
			insert(t, buf, upTo(8)...)
			synctest.Wait()
			why := errors.New("the process must go")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, why)
			defer cancel()
			start := time.Now()
			err := buf.Shutdown(ctx)
			assert.Equal(t, time.Minute+2*time.Second, time.Since(start))
			var left *buffer.ShutdownError[int]
			require.ErrorAs(t, err, &left)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorIs(t, err, why)
			assert.Equal(t, []int{1, 2, 3}, left.InDoubt)
			assert.Equal(t, []int{4, 5, 6, 7, 8}, left.Undelivered)
			counts := lawful(t, buf)
			assert.Equal(t, 8, counts.Returned)
			assert.Zero(t, counts.InFlight+counts.Buffered)
			before := buf.Info()
			time.Sleep(2 * time.Hour)
			assert.Equal(t, before, buf.Info(), "no count changes after it returned")
			assert.Len(t, s.seen(), 2, "and no attempt starts")
			assert.Same(t, err, buf.Shutdown(background()), "the same answer for all")
			assert.ErrorIs(t, buf.Insert(t.Context(), 1), buffer.ErrClosed)
			assert.Equal(t, before, buf.Info())
		})
	})
	t.Run("what succeeds within the grace is delivered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
				<-ctx.Done()
				time.Sleep(time.Second / 2)
				return flusher.Partial(ctx.Err(), 1)
			}}
			buf := open(t, config(s))
			insert(t, buf, 1, 2, 3)
			synctest.Wait()
			start := time.Now()
			var left *buffer.ShutdownError[int]
			require.ErrorAs(t, buf.Shutdown(ended(errSink)), &left)
			assert.Equal(t, time.Second/2, time.Since(start), "no longer than the attempts need")
			assert.Equal(t, []int{2}, left.Undelivered)
			assert.Empty(t, left.InDoubt)
			assert.Equal(t, 2, lawful(t, buf).Delivered)
		})
	})
	t.Run("an abandoned attempt leaves its items in doubt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(takes(time.Minute, nil), fails(flusher.RetryAfter(errSink, time.Hour)))}
			cfg := config(s)
			cfg.FlushTimeout = time.Second
			buf := open(t, cfg)
			insert(t, buf, upTo(4)...)
			time.Sleep(10 * time.Second)
			var left *buffer.ShutdownError[int]
			start := time.Now()
			require.ErrorAs(t, buf.Shutdown(ended(errSink)), &left)
			assert.Equal(t, time.Second, time.Since(start), "it got the grace")
			assert.Equal(t, []int{1, 2, 3}, left.InDoubt)
			assert.Equal(t, []int{4}, left.Undelivered)
			time.Sleep(time.Hour)
			assert.Zero(t, lawful(t, buf).Delivered, "returned: a late nil changes nothing")
		})
	})
	t.Run("the earliest end of any caller's ctx, one answer for all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf := open(t, config(&sink{answer: untilDone}))
			insert(t, buf, 1, 2, 3)
			var wg sync.WaitGroup
			errs := make([]error, 20)
			start := time.Now()
			for i := range errs {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Minute)
					defer cancel()
					errs[i] = buf.Shutdown(ctx)
				})
			}
			wg.Wait()
			assert.Equal(t, time.Minute, time.Since(start))
			for _, err := range errs {
				assert.Error(t, err)
				assert.Same(t, errs[0], err)
			}
		})
	})
	t.Run("nil means that nothing is left", func(t *testing.T) {
		buf := open(t, config(&sink{}))
		assert.NoError(t, buf.Shutdown(ended(errSink)), "even with a ctx that has ended")
		assert.NoError(t, buf.Shutdown(background()))
	})
	t.Run("a SyncFlush that it overtakes returns", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: fails(flusher.Partial(errSink, 0))}
			buf := open(t, config(s))
			insert(t, buf, 1, 2, 3, 4)
			var results []flusher.Result
			var err error
			done := make(chan struct{})
			go func() {
				results, err = buf.SyncFlush(background())
				close(done)
			}()
			synctest.Wait()
			assert.Error(t, buf.Shutdown(ended(errSink)))
			<-done
			assert.ErrorIs(t, err, buffer.ErrClosed)
			require.Len(t, results, 1)
			assert.Equal(t, 4, results[0].Items)
			assert.Equal(t, 2, results[0].Delivered)
		})
	})
	t.Run("concurrent with everything else, nothing accepted is lost", func(t *testing.T) {
		for round := range 50 {
			s := &sink{}
			cfg := config(s)
			cfg.Partitions, cfg.MaxSize = 4, 7
			if round%2 == 1 {
				cfg.Routing = buffer.Sticky
			}
			buf := open(t, cfg)
			var accepted atomic.Int64
			var wg sync.WaitGroup
			for g := range 16 {
				wg.Go(func() {
					producer := buf.Producer()
					for i := 0; ; i++ {
						var err error
						n := int64(1)
						switch (g + i) % 4 {
						case 0:
							n = 5
							err = buf.InsertBatch(background(), upTo(5))
						case 1:
							err = producer.Insert(background(), i)
						default:
							err = buf.Insert(background(), i)
						}
						if err != nil {
							assert.ErrorIs(t, err, buffer.ErrClosed)
							return
						}
						accepted.Add(n)
					}
				})
			}
			time.AfterFunc(time.Millisecond, func() { _ = buf.Flush(background()) })
			<-time.After(2 * time.Millisecond)
			require.NoError(t, buf.Shutdown(background()))
			wg.Wait()
			assert.EqualValues(t, accepted.Load(), lawful(t, buf).Delivered)
			assert.Len(t, s.items(), int(accepted.Load()))
		}
	})
}
