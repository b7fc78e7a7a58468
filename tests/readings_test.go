package tests

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

// Histograms of batches: their size, how long they waited, and over all
// attempts with the backoff how long they took.
func TestBatchHistograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		slow := func(context.Context, flusher.Batch[int]) error {
			time.Sleep(2 * time.Second)
			return nil
		}
		cfg := s.config(answer(slow))
		cfg.FlushInterval, cfg.FlushJitter = 10*time.Second, -1
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3)
		time.Sleep(5 * time.Second)
		insert(t, buf, 4, 5)
		time.Sleep(20 * time.Second)
		insert(t, buf, 6)
		time.Sleep(3 * time.Second)
		_, err := buf.SyncFlush(t.Context())
		require.NoError(t, err)
		insert(t, buf, 7)
		shutdown(t, buf)

		by := func(trigger string) string { return "databuffer.flush.trigger=" + trigger }
		m := s.collect(t)
		assert.Equal(t, map[string]recorded{
			by("size"): {1, 3}, by("interval"): {1, 2}, by("manual"): {1, 1}, by("shutdown"): {1, 1},
		}, m.histogram(t, "databuffer.batch.size"))
		assert.Equal(t, map[string]recorded{
			by("size"): {1, 0}, by("interval"): {1, 10}, by("manual"): {1, 3}, by("shutdown"): {1, 0},
		}, m.histogram(t, "databuffer.batch.age"))
		assert.Equal(t, map[string]recorded{
			by("size"): {1, 2}, by("interval"): {1, 2}, by("manual"): {1, 2}, by("shutdown"): {1, 2},
		}, m.histogram(t, "databuffer.flush.duration"))
		assert.Equal(t, map[string]recorded{"": {4, 8}}, m.histogram(t, "databuffer.attempt.duration"))
	})
}

// The duration of a flush has the backoff in it, that of its attempts has not.
func TestFlushDurationSpansTheAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		start := time.Now()
		var delivered time.Duration
		buf := open(t, s.config(script(
			answers(flusher.RetryAfter(errSink, 30*time.Second)),
			func(context.Context, flusher.Batch[int]) error {
				delivered = time.Since(start)
				return nil
			},
		)))
		insert(t, buf, 1, 2, 3)
		time.Sleep(time.Hour)
		m := s.collect(t)
		flush := m.histogram(t, "databuffer.flush.duration")["databuffer.flush.trigger=size"]
		assert.GreaterOrEqual(t, delivered, 30*time.Second)
		assert.InDelta(t, delivered.Seconds(), flush.sum, 1e-9)
		assert.Equal(t, map[string]recorded{"": {1, 0}, "error.type=_OTHER": {1, 0}}, m.histogram(t, "databuffer.attempt.duration"))
		shutdown(t, buf)
	})
}

// The oldest item's age includes what is in flight, and the gauges of an
// abandoned attempt go back once it has returned.
func TestGaugesWhileAFlushHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		cfg := s.config(script(stuck))
		cfg.Partitions, cfg.FlushTimeout, cfg.SizeOf = 2, time.Minute, func(int) int { return 100 }
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3, 4, 5) // three in flight, two wait in the other partition
		time.Sleep(30 * time.Second)
		agree(t, s, buf)
		m := s.collect(t)
		assert.InDelta(t, 30, m.value(t, "databuffer.item.oldest.age"), 0)
		assert.InDelta(t, 3, m.value(t, "databuffer.item.inflight"), 0)
		assert.InDelta(t, 1, m.value(t, "databuffer.flush.inflight"), 0)
		assert.InDelta(t, 2, m.value(t, "databuffer.queue.size"), 0)
		assert.InDelta(t, 6, m.value(t, "databuffer.queue.capacity"), 0)
		assert.InDelta(t, 200, m.value(t, "databuffer.queue.memory.usage"), 0)
		assert.Zero(t, m.value(t, "databuffer.flush.abandoned"))

		time.Sleep(time.Minute)
		agree(t, s, buf)
		m = s.collect(t)
		assert.InDelta(t, 1, m.value(t, "databuffer.flush.abandoned"), 0)
		assert.InDelta(t, 3, m.values(t, "databuffer.item.processed")["databuffer.outcome=delivered"], 0)
		assert.InDelta(t, 90, m.value(t, "databuffer.item.oldest.age"), 0, "the two that wait")

		time.Sleep(2 * time.Hour)
		assert.Zero(t, s.collect(t).value(t, "databuffer.flush.abandoned"))
		shutdown(t, buf)
		m = s.collect(t)
		assert.Zero(t, m.value(t, "databuffer.item.oldest.age"))
		assert.Zero(t, m.value(t, "databuffer.queue.memory.usage"))
		agree(t, s, buf)
	})
}

// One buffer, everything at once.
func TestMixedOutcomesAgreeWithInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		fails := []answer{
			answers(nil), answers(errSink), answers(flusher.Permanent(errSink)), panics, exits, untilDone,
			answers(flusher.Partial(errSink, 0)), answers(flusher.Partial(flusher.Permanent(errSink), 1)), stuck,
		}
		var turn atomic.Int64
		cfg := s.config(answer(func(ctx context.Context, batch flusher.Batch[int]) error {
			return fails[int(turn.Add(1))%len(fails)](ctx, batch)
		}))
		cfg.Partitions, cfg.MaxSizeJitter, cfg.FlushTimeout, cfg.FlushInterval = 3, 4, time.Second, time.Minute
		cfg.SizeOf = func(item int) int { return item % 7 }
		cfg.Retry.MaxAttempts = 2
		cfg.DeadLetter = answer(func(_ context.Context, batch flusher.Batch[int]) error {
			if batch.Items[0]%2 == 0 {
				return flusher.Permanent(errSink)
			}
			return nil
		})
		buf := open(t, cfg)
		for i := range 300 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_ = buf.Insert(ctx, i)
			cancel()
			if i%10 == 0 {
				time.Sleep(time.Second)
				synctest.Wait()
				agree(t, s, buf)
				capacity := 0
				for _, p := range buf.Info().Partitions {
					capacity += p.FlushSize
				}
				assert.InDelta(t, capacity, s.collect(t).value(t, "databuffer.queue.capacity"), 0)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_ = buf.Shutdown(ctx)
		agree(t, s, buf)
		info := buf.Info().Total
		assert.Equal(t, info.Accepted, info.Delivered+info.DeadLettered+info.Dropped+info.Returned)
		assert.Equal(t, 300, info.Accepted+info.Rejected)
		for _, n := range []int{info.Delivered, info.DeadLettered, info.Dropped, info.Rejected, info.Retried, info.Abandoned} {
			assert.Positive(t, n, "%+v", info)
		}

		// What the batch sizes add up to is what was flushed.
		items, spans := 0.0, 0
		for _, batches := range s.collect(t).histogram(t, "databuffer.batch.size") {
			items += batches.sum
			spans += int(batches.count)
		}
		assert.LessOrEqual(t, int(items), info.Accepted)
		assert.Len(t, s.ended("flush"), spans)
		time.Sleep(2 * time.Hour) // for what is stuck
	})
}

// Each partition has its own spans under its own number.
func TestSpansTellThePartition(t *testing.T) {
	s := newSDK()
	cfg := s.config(answers(nil))
	cfg.Partitions = 3
	buf := open(t, cfg)
	insert(t, buf, 0, 1, 2)
	shutdown(t, buf)
	for _, word := range []string{"insert", "flush"} {
		seen := make(map[string]int)
		for _, span := range s.ended(word) {
			partition := plain(span.Attributes())["databuffer.partition"].(int64)
			seen[strconv.FormatInt(partition, 10)]++
		}
		assert.Equal(t, map[string]int{"0": 1, "1": 1, "2": 1}, seen, word)
	}
}
