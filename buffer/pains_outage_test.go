package buffer_test

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// What hurts users elsewhere, row by row of the matrix in matrix_test.go: here
// a destination that is down, and one that panics.

func TestPainMemoryGrowsDuringAnOutage(t *testing.T) {
	// Hours of an outage, and callers of every kind that come again and again: at
	// its end the heap holds what the bound of items allows, and nothing else.
	type item = *[1 << 10]byte
	const partitions, size, excess = 4, 25, 50
	const most = partitions * (2*size + size + excess) // filled and in flight, an abandoned batch, an InsertBatch
	for _, overflow := range []buffer.Overflow{buffer.Block, buffer.Reject, buffer.DropOldest} {
		t.Run(overflow.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				heap := func() int64 {
					var m runtime.MemStats
					runtime.GC()
					runtime.ReadMemStats(&m)
					return int64(m.HeapAlloc)
				}
				down := errSink
				var mu sync.Mutex
				turn := 0
				buf, err := buffer.New(buffer.Config[item]{
					Name: "outage", Partitions: partitions, MaxSize: size, Overflow: overflow,
					FlushInterval: time.Second, FlushTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
					Flusher: flusher.Items(func(ctx context.Context, items []item) error {
						mu.Lock()
						defer mu.Unlock()
						turn++
						switch {
						case down == nil:
							return nil
						case turn%2 == 0:
							return flusher.Partial(down, 0, len(items)-1)
						}
						return down
					}),
				})
				require.NoError(t, err)
				before := heap()
				producer := buf.Producer()
				hour := func() {
					for range 1000 {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						_ = buf.Flush(ctx)
						_ = buf.Insert(ctx, new([1 << 10]byte))
						_ = producer.Insert(ctx, new([1 << 10]byte))
						batch := make([]item, excess)
						for i := range batch {
							batch[i] = new([1 << 10]byte)
						}
						_ = buf.InsertBatch(ctx, batch)
						cancel()
						ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
						_, _ = buf.SyncFlush(ctx)
						cancel()
						counts := buf.Info().Total
						require.LessOrEqual(t, counts.Buffered+counts.InFlight, most)
					}
				}
				for range 3 {
					hour()
					assert.LessOrEqual(t, heap()-before, int64(most*(1<<10)+256<<10), "bytes")
				}
				mu.Lock()
				down = nil
				mu.Unlock()
				require.NoError(t, buf.Shutdown(t.Context()))
				counts := lawful(t, buf)
				assert.Equal(t, counts.Accepted, counts.Delivered+counts.Dropped)
				if overflow != buffer.DropOldest {
					assert.Zero(t, counts.Dropped)
				}
			})
		})
	}
}

func TestPainRetryStorms(t *testing.T) {
	// 64 partitions fail in the same moment, for an hour: their retries become
	// rare, and do not come together.
	synctest.Test(t, func(t *testing.T) {
		const partitions = 64
		start := time.Now()
		s := &sink{answer: func(context.Context, flusher.Batch[int]) error {
			if time.Since(start) < time.Hour {
				return errSink
			}
			return nil
		}}
		cfg := config(s)
		cfg.Partitions, cfg.MaxSize = partitions, 1
		buf := open(t, cfg)
		insert(t, buf, upTo(partitions)...)
		time.Sleep(2 * time.Hour)
		calls := s.seen()
		// Full jitter over at most 30 s is 15 s in the mean: 240 an hour. A few more
		// are from the beginning, where it doubles from 100 ms.
		assert.InDelta(t, 1, float64(len(calls))/(partitions*(240+16)), 0.1)
		seconds := map[int]int{}
		peak := 0
		for _, c := range calls {
			second := int(c.at.Sub(start) / time.Second)
			seconds[second]++
			if second > 60 {
				peak = max(peak, seconds[second])
			}
		}
		assert.Less(t, peak, partitions/2, "in one second; were they in step, it would be all")
		assert.Equal(t, partitions, lawful(t, buf).Delivered)
	})
}

func TestPainAPanicHangsWaiters(t *testing.T) {
	// Everybody who waits for a Flusher that panics, or ends its goroutine, hears
	// of it; what it had is dropped, and the rest goes on.
	for name, fail := range map[string]answer{"panic": panics, "Goexit": exits} {
		for _, deadLetter := range []flusher.Flusher[int]{nil, &sink{answer: fail}} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := newGate()
					cfg := config(&sink{answer: func(ctx context.Context, b flusher.Batch[int]) error {
						if err := g.answer(ctx, b); err != nil {
							return err
						}
						return fail(ctx, b)
					}})
					cfg.MaxSize, cfg.Partitions, cfg.DeadLetter = 1, 2, deadLetter
					buf := open(t, cfg)
					insert(t, buf, upTo(4)...)
					var wg sync.WaitGroup
					for item := range 20 {
						wg.Go(func() { assert.NoError(t, buf.Insert(t.Context(), item)) })
						wg.Go(func() {
							results, err := buf.SyncFlush(t.Context())
							assert.Error(t, err)
							assert.Len(t, results, 2)
							for _, r := range results {
								assert.Zero(t, r.Delivered)
								assert.Error(t, r.Err)
							}
						})
					}
					synctest.Wait()
					assert.Equal(t, 20, buf.Info().Waiting)
					start := time.Now()
					close(g.open)
					wg.Wait()
					require.NoError(t, buf.Shutdown(t.Context()))
					assert.Zero(t, time.Since(start))
					assert.Equal(t, 24, lawful(t, buf).Dropped)
				})
			})
		}
	}
}
