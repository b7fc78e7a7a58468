package buffer_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

// What a deliberate fault went unnoticed with: here what is tried again, and used
// again. Each test is named for what it proves.

func TestLateErrorDuringABackoffDeliversNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: script(takes(15*time.Second, errSink), fails(flusher.RetryAfter(errSink, time.Hour)))}
		cfg := config(s)
		cfg.FlushTimeout = 10 * time.Second
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3)
		time.Sleep(time.Minute)
		require.Len(t, s.seen(), 2)
		counts := lawful(t, buf)
		assert.Zero(t, counts.Delivered)
		assert.Equal(t, 3, counts.InFlight)
		time.Sleep(2 * time.Hour)
		assert.Len(t, s.seen(), 3)
		assert.Equal(t, 3, lawful(t, buf).Delivered)
	})
}

func TestBackoffGrowsWithTheAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: fails(errSink)}
		cfg := config(s)
		cfg.Retry = flusher.Retry{MaxAttempts: 20, MinBackoff: time.Second, MaxBackoff: 24 * time.Hour}
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3)
		time.Sleep(1000 * time.Hour)
		calls := s.seen()
		require.Len(t, calls, 20)
		var longest time.Duration
		for i := 1; i < len(calls); i++ {
			wait := calls[i].at.Sub(calls[i-1].at)
			longest = max(longest, wait)
			assert.LessOrEqual(t, wait, min(time.Second<<(i-1), 24*time.Hour))
		}
		// That all of them are short by chance has odds of less than 1 in 2^100.
		assert.Greater(t, longest, time.Minute)
	})
}

func TestUsedBatchForgetsWhatBecameOfIt(t *testing.T) {
	// The third batch is in the slice of the first, which failed.
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := &sink{answer: script(fails(flusher.Permanent(errSink)), fails(nil), g.answer, g.answer)}
		buf := open(t, config(s))
		for range 3 {
			insert(t, buf, 1, 2, 3)
			synctest.Wait()
		}
		var results []flusher.Result
		done := make(chan error)
		go func() {
			var err error
			results, err = buf.SyncFlush(background())
			done <- err
		}()
		synctest.Wait()
		close(g.open)
		require.NoError(t, <-done)
		assert.Equal(t, []flusher.Result{{Items: 3, Delivered: 3}}, results)
		counts := lawful(t, buf)
		assert.Equal(t, 6, counts.Delivered)
		assert.Equal(t, 3, counts.Dropped)
	})
}

func TestExcessOfAnInsertBatchIsNotKept(t *testing.T) {
	const items = 1 << 20 // 8 MB, in a thousand batches
	synctest.Test(t, func(t *testing.T) {
		cfg := config(flusher.Items(func(context.Context, []int) error { return nil }))
		cfg.MaxSize = 1024
		buf := open(t, cfg)
		heap := func() uint64 {
			var now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&now)
			return now.HeapAlloc
		}
		before := heap()
		require.NoError(t, buf.InsertBatch(t.Context(), make([]int, items)))
		synctest.Wait()
		require.Equal(t, items, lawful(t, buf).Delivered)
		assert.Less(t, int64(heap())-int64(before), int64(1<<20), "bytes, of what has all been delivered")
	})
}
