package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here attempts, and what they answer.

func TestPromiseAttempt(t *testing.T) {
	t.Run("its own goroutine, context and deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			type key struct{}
			var got context.Context
			var deadline time.Time
			s := &sink{answer: func(ctx context.Context, _ flusher.Batch[int]) error {
				got = ctx
				deadline, _ = ctx.Deadline()
				assert.NoError(t, ctx.Err())
				return nil
			}}
			cfg := config(s)
			cfg.MaxSize, cfg.FlushTimeout, cfg.FlushMeta = 1, time.Minute, "meta"
			buf := open(t, cfg)
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "the inserter's"))
			require.NoError(t, buf.Insert(ctx, 1))
			cancel() // one caller's end does not kill the batch of all
			synctest.Wait()
			assert.Nil(t, got.Value(key{}))
			assert.Equal(t, time.Now().Add(time.Minute), deadline)
			assert.Error(t, got.Err(), "ended once the attempt is over")
			assert.Equal(t, "meta", s.seen()[0].Meta)
		})
	})
	for _, most := range []int{1, 3} {
		t.Run(fmt.Sprintf("at most MaxInFlight %d running", most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var running, peak atomic.Int64
				s := &sink{answer: func(context.Context, flusher.Batch[int]) error {
					n := running.Add(1)
					peak.Store(max(peak.Load(), n))
					time.Sleep(time.Millisecond)
					running.Add(-1)
					return nil
				}}
				cfg := config(s)
				cfg.MaxInFlight = most
				buf := open(t, cfg)
				insert(t, buf, upTo(99)...)
				require.NoError(t, buf.Shutdown(t.Context()))
				assert.EqualValues(t, most, peak.Load())
				assert.Equal(t, upTo(99), sorted(s.items()))
			})
		})
	}
}

func TestPromiseNil(t *testing.T) {
	t.Run("delivered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			buf := open(t, config(&sink{}))
			insert(t, buf, 1, 2, 3)
			synctest.Wait()
			assert.Equal(t, 3, lawful(t, buf).Delivered)
		})
	})
	t.Run("also after the timeout, within the grace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: takes(1500*time.Millisecond, nil)}
			cfg := config(s)
			cfg.FlushTimeout, cfg.FlushGrace = time.Second, time.Second
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Delivered)
			assert.Zero(t, counts.Abandoned)
			assert.Len(t, s.seen(), 1)
		})
	})
}

func TestPromiseError(t *testing.T) {
	t.Run("retried with backoff, without end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(slices.Repeat([]answer{fails(errSink)}, 50)...)}
			cfg := config(s)
			cfg.Overflow = buffer.Reject
			buf := open(t, cfg)
			insert(t, buf, upTo(6)...)
			synctest.Wait()
			assert.ErrorIs(t, buf.Insert(t.Context(), 7), buffer.ErrFull, "the slot stays taken: backpressure, not loss")
			time.Sleep(time.Hour)
			calls := s.seen()
			require.Len(t, calls, 52)
			for i, c := range calls[:51] {
				assert.Equal(t, i+1, c.Attempt)
				assert.Equal(t, []int{1, 2, 3}, c.Items)
				assert.Equal(t, calls[0].ID, c.ID, "one ID, one content")
				if i > 0 {
					wait := c.at.Sub(calls[i-1].at)
					most := 30 * time.Second
					if i < 9 {
						most = 100 * time.Millisecond << (i - 1)
					}
					assert.LessOrEqual(t, wait, most, "attempt %d", i+1)
				}
			}
			assert.Equal(t, []int{4, 5, 6}, calls[51].Items)
			assert.NotEqual(t, calls[0].ID, calls[51].ID)
			counts := lawful(t, buf)
			assert.Equal(t, 6, counts.Delivered)
			assert.Equal(t, 150, counts.Retried)
		})
	})
	t.Run("RetryAfter is kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(fmt.Errorf("busy: %w", flusher.RetryAfter(errSink, time.Hour))))}
			buf := open(t, config(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(2 * time.Hour)
			calls := s.seen()
			require.Len(t, calls, 2)
			assert.Equal(t, time.Hour, calls[1].at.Sub(calls[0].at))
		})
	})
	t.Run("MaxAttempts", func(t *testing.T) {
		for most, want := range map[int]int{1: 1, 3: 3} {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{answer: fails(errSink)}
				cfg := config(s)
				cfg.Retry.MaxAttempts = most
				buf := open(t, cfg)
				insert(t, buf, 1, 2, 3)
				time.Sleep(time.Hour)
				assert.Len(t, s.seen(), want)
				assert.Equal(t, 3, lawful(t, buf).Dropped)
			})
		}
	})
}

func TestPromisePartial(t *testing.T) {
	t.Run("each index by its own class", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			errBad := errors.New("bad")
			s := &sink{answer: script(fails(fmt.Errorf("bulk: %w", errors.Join(
				flusher.Partial(flusher.RetryAfter(errSink, time.Minute), 0, 4),
				flusher.Partial(flusher.Permanent(errBad), 2),
			))))}
			dead := &sink{}
			cfg := config(s)
			cfg.MaxSize, cfg.DeadLetter = 5, dead
			buf := open(t, cfg)
			insert(t, buf, 10, 11, 12, 13, 14)
			synctest.Wait()
			counts := lawful(t, buf)
			assert.Equal(t, 2, counts.Delivered)
			assert.Equal(t, 1, counts.DeadLettered, "it does not wait for the others' backoff")
			assert.Equal(t, 2, counts.InFlight)
			time.Sleep(time.Hour)
			calls := s.seen()
			require.Len(t, calls, 2)
			assert.Equal(t, []int{10, 14}, calls[1].Items)
			assert.Equal(t, 2, calls[1].Attempt, "what a Partial leaves keeps counting")
			assert.NotEqual(t, calls[0].ID, calls[1].ID, "a new content has a new ID")
			assert.Equal(t, time.Minute, calls[1].at.Sub(calls[0].at))
			require.Len(t, dead.seen(), 1)
			assert.Equal(t, []int{12}, dead.items())
			assert.ErrorIs(t, dead.seen()[0].Cause, errBad)
			assert.Equal(t, 4, lawful(t, buf).Delivered)
		})
	})
	t.Run("MaxAttempts bounds the attempts of an item", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: fails(flusher.Partial(errSink, 0))}
			cfg := config(s)
			cfg.Retry.MaxAttempts = 4
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			assert.Equal(t, [][]int{{1, 2, 3}, {1}, {1}, {1}}, s.batches())
			counts := lawful(t, buf)
			assert.Equal(t, 2, counts.Delivered)
			assert.Equal(t, 1, counts.Dropped)
			assert.Equal(t, 3, counts.Retried)
		})
	})
	t.Run("an index out of range fails the whole batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(flusher.Partial(errSink, 0, 3)))}
			buf := open(t, config(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			assert.Equal(t, [][]int{{1, 2, 3}, {1, 2, 3}}, s.batches())
		})
	})
}
