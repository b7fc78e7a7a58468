package buffer_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here Flush, SyncFlush, and calls from
// inside the Flusher.

func TestPromiseFlushWhileFlushing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buf, g, s := stuff(t, 1, func(c *buffer.Config[int]) { c.MaxSize = 4 })
		require.NoError(t, buf.Flush(t.Context()))
		require.NoError(t, buf.Flush(t.Context()))
		var results []flusher.Result
		done := make(chan error, 1)
		go func() {
			var err error
			results, err = buf.SyncFlush(t.Context())
			done <- err
		}()
		synctest.Wait()
		assert.Len(t, s.seen(), 1, "behind what is running")
		close(g.open)
		require.NoError(t, <-done)
		assert.Equal(t, []flusher.Result{{Partition: 0, Items: 8, Delivered: 8}}, results)
		assert.Equal(t, [][]int{{1, 2, 3, 4}, {5, 6, 7, 8}}, s.batches(), "never a second flush of the same items")
	})
	t.Run("Flush does not wait, and closes the batch as it is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: takes(time.Minute, nil)}
			cfg := config(s)
			cfg.Partitions = 2
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			start := time.Now()
			require.NoError(t, buf.Flush(t.Context()))
			insert(t, buf, 4)
			assert.Zero(t, time.Since(start))
			synctest.Wait()
			assert.ElementsMatch(t, [][]int{{1, 3}, {2}}, s.batches())
			assert.Equal(t, flusher.Manual, s.seen()[0].Trigger)
			assert.ErrorIs(t, buf.Flush(ended(errSink)), errSink)
		})
	})
	t.Run("SyncFlush is a barrier, retries included", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(errSink), fails(errSink), takes(time.Second, nil))}
			cfg := config(s)
			cfg.Partitions = 3
			buf := open(t, cfg)
			insert(t, buf, 1, 2)
			results, err := buf.SyncFlush(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []flusher.Result{{Partition: 0, Items: 1, Delivered: 1}, {Partition: 1, Items: 1, Delivered: 1}, {Partition: 2}}, results)
			assert.Equal(t, 2, lawful(t, buf).Delivered)
		})
	})
	t.Run("SyncFlush joins the failures", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(flusher.Partial(flusher.Permanent(errSink), 0)))}
			buf := open(t, config(s))
			insert(t, buf, 1, 2)
			results, err := buf.SyncFlush(t.Context())
			require.ErrorIs(t, err, errSink)
			assert.Equal(t, 2, results[0].Items)
			assert.Equal(t, 1, results[0].Delivered)
			assert.ErrorIs(t, results[0].Err, errSink)
		})
	})
	t.Run("SyncFlush knows what a batch in flight has behind it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(errors.Join(
				flusher.Partial(flusher.RetryAfter(errSink, time.Minute), 0), flusher.Partial(flusher.Permanent(errSink), 1))))}
			buf := open(t, config(s))
			insert(t, buf, 1, 2, 3)
			synctest.Wait() // 3 delivered, 2 dropped, 1 waits for its retry
			results, err := buf.SyncFlush(t.Context())
			assert.ErrorIs(t, err, errSink)
			assert.Equal(t, 3, results[0].Items)
			assert.Equal(t, 2, results[0].Delivered)
			assert.ErrorIs(t, results[0].Err, errSink)
		})
	})
	t.Run("at ctx's end the results so far come back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: func(_ context.Context, b flusher.Batch[int]) error {
				if b.Partition == 1 {
					return flusher.Partial(errSink, 0)
				}
				return nil
			}}
			cfg := config(s)
			cfg.Partitions = 2
			buf := open(t, cfg)
			insert(t, buf, upTo(4)...)
			cause := errors.New("no patience")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, cause)
			defer cancel()
			results, err := buf.SyncFlush(ctx)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorIs(t, err, cause)
			assert.Equal(t, flusher.Result{Partition: 0, Items: 2, Delivered: 2}, results[0])
			assert.Equal(t, 2, results[1].Items)
			assert.Equal(t, 1, results[1].Delivered)
			assert.ErrorIs(t, results[1].Err, cause)
			assert.ErrorIs(t, results[1].Err, errSink, "why there is no outcome yet")
			s.mu.Lock()
			s.answer = nil
			s.mu.Unlock()
		})
	})
}

func TestPromiseInsideTheFlusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf, other *buffer.Buffer[int]
		inner := &sink{}
		cfg := config(inner)
		cfg.Name = "other"
		other = open(t, cfg)
		var full, sync, shutdown, flush, elsewhere error
		var once onlyOnce
		s := &sink{}
		s.answer = func(ctx context.Context, b flusher.Batch[int]) error {
			once.Do(func() {
				for range 10 {
					if full = buf.Insert(context.WithoutCancel(ctx), 100); full != nil {
						break
					}
				}
				flush = buf.Flush(ctx)
				_, sync = buf.SyncFlush(ctx)
				shutdown = buf.Shutdown(ctx)
				elsewhere = other.Insert(ctx, 1)
				if _, err := other.SyncFlush(ctx); err != nil {
					elsewhere = err
				}
			})
			return nil
		}
		buf = open(t, config(s))
		insert(t, buf, 1, 2, 3)
		synctest.Wait()
		assert.ErrorIs(t, full, buffer.ErrFull)
		assert.ErrorIs(t, sync, buffer.ErrReentrant)
		assert.ErrorIs(t, shutdown, buffer.ErrReentrant)
		assert.NoError(t, flush)
		assert.NoError(t, elsewhere, "other buffers behave as always")
		assert.Equal(t, []int{1}, inner.items())
		assert.Equal(t, []int{1, 2, 3, 100, 100, 100}, s.items())
	})
}
