package aggregate_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

func TestPromiseTheIntervalCountsFromTheFirstKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var flushed []time.Duration
		var triggers []flusher.Trigger
		to := &sink[string, int]{answer: func(_ context.Context, batch flusher.Batch[entry]) error {
			flushed = append(flushed, time.Since(start))
			triggers = append(triggers, batch.Trigger)
			return nil
		}}
		cfg := config(to)
		cfg.FlushInterval, cfg.FlushJitter = 10*time.Second, -1
		a := open(t, sum, cfg)
		for range 25 { // merging does not put it off
			add(t, a, "a")
			time.Sleep(700 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, []time.Duration{10 * time.Second, 20*time.Second + 500*time.Millisecond}, flushed, "and nothing that is empty")
		assert.Equal(t, []flusher.Trigger{flusher.Interval, flusher.Interval}, triggers)
		assert.EqualValues(t, 25, counts(to.delivered()))
	})
}

func TestPromiseSyncFlushCoversWhatWasMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		to := &sink[string, int]{answer: g.answer}
		a := open(t, sum, config(to))
		add(t, a, "a", "b", "c")
		synctest.Wait()
		add(t, a, "a", "a", "a")
		time.AfterFunc(time.Second, func() { close(g.open) })
		results, err := a.SyncFlush(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []flusher.Result{{Items: 4, Delivered: 4}}, results, "entries")
		assert.EqualValues(t, 6, counts(to.delivered()))
	})
}

func TestPromiseARetriedEntryStaysAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		to := &sink[string, int]{answer: func(context.Context, flusher.Batch[entry]) error {
			if attempts++; attempts < 4 {
				return errSink
			}
			return nil
		}}
		a := open(t, sum, config(to))
		add(t, a, "a", "a", "b", "c")
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			add(t, a, "a")
		}
		require.NoError(t, a.Shutdown(t.Context()))
		for _, batch := range to.batches()[:4] {
			assert.Equal(t, []entry{{"a", 2, 2}, {"b", 1, 1}, {"c", 1, 1}}, batch)
		}
		assert.Equal(t, []entry{{"a", 100, 100}}, to.batches()[4])
	})
}

func TestPromiseWhatIsGivenUpIsEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &sink[string, int]{}
		to := &sink[string, int]{answer: func(_ context.Context, batch flusher.Batch[entry]) error {
			return flusher.Partial(flusher.Permanent(errSink), 1)
		}}
		cfg := config(to)
		cfg.DeadLetter, cfg.MaxSize = dead, 10 // the barrier is what flushes
		a := open(t, sum, cfg)
		add(t, a, "a", "b", "b", "c")
		_, err := a.SyncFlush(t.Context())
		require.ErrorIs(t, err, errSink)
		assert.Equal(t, []entry{{"b", 2, 2}}, dead.delivered())
		c := lawful(t, a)
		assert.Equal(t, 2, c.Delivered)
		assert.Equal(t, 1, c.DeadLettered)
	})
}

func TestPromiseShutdownGivesEntriesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &sink[string, int]{answer: func(context.Context, flusher.Batch[entry]) error {
			time.Sleep(time.Hour)
			return errSink
		}}
		a := open(t, sum, config(to))
		fillUp(t, a, synctest.Wait)
		add(t, a, "e", "e")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var left *buffer.ShutdownError[entry]
		require.ErrorAs(t, a.Shutdown(ctx), &left)
		require.ErrorIs(t, left, context.DeadlineExceeded)
		assert.Equal(t, []entry{{"a", 1, 1}, {"b", 1, 1}, {"c", 1, 1}}, left.InDoubt)
		assert.Equal(t, []entry{{"d", 1, 1}, {"e", 3, 3}, {"f", 1, 1}}, left.Undelivered)
		assert.Equal(t, 6, lawful(t, a).Returned)
		time.Sleep(2 * time.Hour) // until the Flusher has returned
	})
}

// Chan hands the entries on one by one. A full channel is backpressure: once the
// batches are filled, new keys wait, and nothing is lost.
func TestPromiseAFullChannelIsBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := make(chan entry, 2)
		cfg := config[string, int](flusher.Chan(out))
		cfg.FlushInterval, cfg.FlushTimeout = time.Second, 5*time.Second // it is cut off now and then
		a := open(t, sum, cfg)
		var producers sync.WaitGroup
		for g := range 4 {
			producers.Go(func() {
				for i := range 250 {
					assert.NoError(t, a.Add(context.Background(), strconv.Itoa((g+i)%20), 1))
				}
			})
		}
		synctest.Wait()
		info := a.Info()
		assert.Equal(t, 4, info.Waiting)
		assert.LessOrEqual(t, info.Total.Buffered+info.Total.InFlight, 6)

		var consumer sync.WaitGroup
		var total uint64
		consumer.Go(func() {
			for e := range out {
				time.Sleep(3 * time.Second) // slow
				assert.EqualValues(t, e.Count, e.Value)
				total += e.Count
			}
		})
		producers.Wait()
		require.NoError(t, a.Shutdown(t.Context()))
		close(out)
		consumer.Wait()
		assert.EqualValues(t, 1000, total)
		assert.Zero(t, lawful(t, a).Dropped)
	})
}

// Without a FlushTimeout a receiver that pauses is waited for, and nothing of it
// goes to the dead letter.
func TestPromiseAChannelWithoutATimeoutIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := make(chan entry)
		cfg := config[string, int](flusher.Chan(out))
		cfg.FlushTimeout, cfg.Retry.MaxAttempts = -1, 1
		cfg.DeadLetter = flusher.Items(func(context.Context, []entry) error {
			assert.Fail(t, "an entry was given up")
			return nil
		})
		a := open(t, sum, cfg)
		for i := range 20 {
			require.NoError(t, a.Add(t.Context(), strconv.Itoa(i%2), 1))
		}
		require.NoError(t, a.Flush(t.Context()))
		var total uint64
		for range 2 {
			time.Sleep(24 * time.Hour)
			total += (<-out).Count
		}
		assert.EqualValues(t, 20, total)
		require.NoError(t, a.Shutdown(t.Context()))
		assert.Equal(t, 2, lawful(t, a).Delivered)
	})
}

// A struct of several fields needs no atomics: merge runs under a lock.
func TestPromiseAStructIsMergedAsAWhole(t *testing.T) {
	type stats struct{ n, sum, least, most int }
	to := &sink[string, stats]{}
	cfg := config(to)
	cfg.MaxSize, cfg.Partitions = 100, 2
	a := open(t, func(stored *stats, value stats) {
		stored.n += value.n
		stored.sum += value.sum
		stored.least = min(stored.least, value.least)
		stored.most = max(stored.most, value.most)
	}, cfg)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				v := g*1000 + i
				if err := a.Add(context.Background(), "sensor", stats{1, v, v, v}); err != nil {
					t.Error(errors.Unwrap(err))
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, a.Shutdown(context.Background()))
	assert.Equal(t, []aggregate.Entry[string, stats]{{Key: "sensor", Value: stats{8000, 7999 * 4000, 0, 7999}, Count: 8000}}, to.delivered())
}
