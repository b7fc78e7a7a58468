package buffer_test

import (
	"context"
	"errors"
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

// The promises of the design, row by row: here timeouts and abandonment.

func TestPromiseTimeout(t *testing.T) {
	timed := func(s *sink) buffer.Config[int] {
		cfg := config(s)
		cfg.FlushTimeout, cfg.FlushGrace = 10*time.Second, time.Second
		return cfg
	}
	t.Run("cancelled with ErrTimeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var cause error
			s := &sink{answer: script(func(ctx context.Context, b flusher.Batch[int]) error {
				defer func() { cause = context.Cause(ctx) }()
				return untilDone(ctx, b)
			})}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.ErrorIs(t, cause, flusher.ErrTimeout)
			assert.ErrorIs(t, cause, context.DeadlineExceeded)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Delivered)
			assert.Equal(t, 3, counts.Retried)
			assert.Zero(t, counts.Abandoned)
		})
	})
	t.Run("abandoned after the grace, and retried beside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var read []int
			s := &sink{}
			s.answer = script(func(_ context.Context, b flusher.Batch[int]) error {
				time.Sleep(time.Hour)
				read = slices.Clone(b.Items)
				return errSink
			})
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(20 * time.Second)
			calls := s.seen()
			require.Len(t, calls, 2)
			wait := calls[1].at.Sub(calls[0].at)
			assert.GreaterOrEqual(t, wait, 11*time.Second)
			assert.LessOrEqual(t, wait, 11*time.Second+100*time.Millisecond)
			assert.Equal(t, calls[0].ID, calls[1].ID)
			insert(t, buf, upTo(300)...) // would fill the slice, were it reused
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			assert.Equal(t, []int{1, 2, 3}, read, "its slice was not reused until it returned")
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Abandoned)
			assert.Equal(t, 303, counts.Delivered)
		})
	})
	t.Run("with one already abandoned the partition waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var running, peak atomic.Int64
			s := &sink{}
			s.answer = func(_ context.Context, b flusher.Batch[int]) error {
				peak.Store(max(peak.Load(), running.Add(1)))
				defer running.Add(-1)
				if b.Attempt < 4 {
					time.Sleep(time.Hour)
					return errSink
				}
				return nil
			}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(50 * time.Minute)
			require.NoError(t, buf.Flush(t.Context())) // has the partition look at what is overdue
			synctest.Wait()
			assert.Len(t, s.seen(), 2)
			time.Sleep(10 * time.Hour)
			assert.EqualValues(t, 2, peak.Load(), "MaxInFlight and one abandoned")
			assert.Equal(t, 3, lawful(t, buf).Delivered)
		})
	})
	t.Run("a nil after the grace, while another is abandoned, is delivered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(takes(time.Hour, errSink), takes(time.Minute, nil))}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(2 * time.Minute)
			assert.Len(t, s.seen(), 2)
			assert.Equal(t, 3, lawful(t, buf).Delivered)
			assert.Equal(t, 3, lawful(t, buf).Abandoned)
			time.Sleep(time.Hour)
		})
	})
	t.Run("a late nil ends a backoff", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(takes(time.Minute, nil), fails(flusher.RetryAfter(errSink, time.Hour)))}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(2 * time.Minute)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Delivered)
			assert.Zero(t, counts.InFlight)
			assert.Zero(t, buf.Info().Partitions[0].Batches)
			time.Sleep(2 * time.Hour)
			assert.Len(t, s.seen(), 2)
		})
	})
	t.Run("a late nil settles its items that have no outcome yet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(
				takes(time.Minute, nil),
				fails(errors.Join(flusher.Partial(flusher.RetryAfter(errSink, time.Hour), 0), flusher.Partial(flusher.Permanent(errSink), 1))),
			)}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(2 * time.Minute)
			counts := lawful(t, buf)
			assert.Equal(t, 2, counts.Delivered, "3 by the Partial, 1 by the late nil")
			assert.Equal(t, 1, counts.Dropped, "what was given up stays so")
			assert.Zero(t, counts.InFlight)
		})
	})
	for name, end := range map[string]error{"fails": flusher.Permanent(errSink), "succeeds too": nil} {
		t.Run("a late nil while the next attempt runs, which "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{answer: script(takes(15*time.Second, nil), takes(9*time.Second, end))}
				buf := open(t, timed(s))
				insert(t, buf, upTo(6)...)
				time.Sleep(16 * time.Second)
				counts := lawful(t, buf)
				assert.Equal(t, 3, counts.Delivered)
				assert.Zero(t, counts.InFlight)
				assert.Equal(t, 1, buf.Info().Partitions[0].Batches, "the slot is taken while the attempt runs")
				assert.Len(t, s.seen(), 2)
				time.Sleep(time.Minute)
				counts = lawful(t, buf)
				assert.Equal(t, 6, counts.Delivered, "its end changes nothing")
				assert.Zero(t, counts.Dropped)
			})
		})
	}
	t.Run("a late error changes nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(takes(time.Minute, flusher.Permanent(errSink)))}
			buf := open(t, timed(s))
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			assert.Equal(t, 3, lawful(t, buf).Delivered)
		})
	})
	t.Run("an abandoned attempt is one of MaxAttempts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: takes(time.Minute, nil)}
			cfg := timed(s)
			cfg.Retry.MaxAttempts = 1
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(12 * time.Second)
			assert.Equal(t, 3, lawful(t, buf).Dropped)
			time.Sleep(time.Hour)
			counts := lawful(t, buf)
			assert.Equal(t, 3, counts.Dropped, "given up: the late nil changes nothing")
			assert.Zero(t, counts.Delivered)
		})
	})
}
