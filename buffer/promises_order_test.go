package buffer_test

import (
	"context"
	"fmt"
	"runtime"
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

// The promises of the design, row by row: here order, memory and slices.

// onlyOnce is sync.Once, for where a variable shadows the package.
type onlyOnce = sync.Once

func TestPromiseOrdering(t *testing.T) {
	// Whatever fails as a whole batch, and however often, the order of a producer
	// and of a key is kept with MaxInFlight 1.
	unreliable := func() *sink {
		var n atomic.Int64
		s := &sink{}
		s.answer = func(ctx context.Context, b flusher.Batch[int]) error {
			switch n.Add(1) % 3 {
			case 0:
				return errSink
			case 1:
				time.Sleep(time.Millisecond)
			}
			return nil
		}
		return s
	}
	delivered := func(s *sink) []int {
		var items []int
		for _, c := range s.seen() {
			if c.err == nil {
				items = append(items, c.Items...)
			}
		}
		return items
	}
	t.Run("per Producer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := unreliable()
			cfg := config(s)
			cfg.Partitions = 3
			buf := open(t, cfg)
			var wg sync.WaitGroup
			for g := range 5 {
				producer := buf.Producer()
				wg.Go(func() {
					for i := range 60 {
						if i%7 == 0 {
							assert.NoError(t, producer.InsertBatch(t.Context(), []int{g*1000 + 2*i, g*1000 + 2*i + 1}))
						} else {
							assert.NoError(t, producer.Insert(t.Context(), g*1000+2*i))
						}
					}
				})
			}
			wg.Wait()
			require.NoError(t, buf.Shutdown(t.Context()))
			last := map[int]int{}
			for _, item := range delivered(s) {
				assert.GreaterOrEqual(t, item%1000, last[item/1000], "producer %d", item/1000)
				last[item/1000] = item % 1000
			}
			assert.Len(t, last, 5)
		})
	})
	t.Run("per key", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := unreliable()
			cfg := config(s)
			cfg.Partitions, cfg.Key = 4, func(i int) uint64 { return uint64(i % 10) }
			buf := open(t, cfg)
			for i := range 50 {
				require.NoError(t, buf.InsertBatch(t.Context(), []int{20 * i, 20*i + 1, 20*i + 2, 20*i + 10}))
				require.NoError(t, buf.Insert(t.Context(), 20*i+11))
			}
			require.NoError(t, buf.Shutdown(t.Context()))
			last, partition := map[int]int{}, map[int]int{}
			for _, c := range s.seen() {
				for _, item := range c.Items {
					if p, ok := partition[item%10]; ok {
						assert.Equal(t, p, c.Partition, "one partition a key")
					}
					partition[item%10] = c.Partition
					if c.err == nil {
						assert.GreaterOrEqual(t, item, last[item%10])
						last[item%10] = item
					}
				}
			}
			assert.Len(t, last, 3)
		})
	})
	t.Run("bisection keeps it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int64
			s := &sink{answer: func(_ context.Context, b flusher.Batch[int]) error {
				if len(b.Items) > 3 {
					return flusher.Permanent(errSink)
				}
				if n.Add(1)%2 == 1 {
					return errSink
				}
				return nil
			}}
			cfg := config(s)
			cfg.MaxSize, cfg.Retry.Bisect = 12, true
			buf := open(t, cfg)
			insert(t, buf, upTo(24)...)
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Equal(t, upTo(24), delivered(s))
		})
	})
	t.Run("round robin goes exactly in turn", func(t *testing.T) {
		buf := open(t, func() buffer.Config[int] { c := config(&sink{}); c.Partitions = 3; return c }())
		for i := range 7 {
			assert.Equal(t, i%3, at(t, buf, i))
		}
	})
}

func TestPromiseMemory(t *testing.T) {
	for _, inFlight := range []int{1, 3} {
		t.Run(fmt.Sprintf("MaxInFlight %d", inFlight), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				cfg := config(&sink{answer: g.answer})
				cfg.Partitions, cfg.MaxSize, cfg.MaxSizeJitter, cfg.MaxInFlight, cfg.Overflow = 4, 10, 5, inFlight, buffer.Reject
				buf := open(t, cfg)
				most := cfg.Partitions * (cfg.MaxSize + cfg.MaxSizeJitter) * (1 + inFlight)
				for i := range 10 * most {
					_ = buf.Insert(t.Context(), i)
					_ = buf.Producer().Insert(t.Context(), i)
					if i%50 == 0 {
						synctest.Wait()
						require.NoError(t, buf.Flush(t.Context()))
					}
					counts := buf.Info().Total
					require.LessOrEqual(t, counts.Buffered+counts.InFlight, most)
				}
				lawful(t, buf)
				close(g.open)
			})
		})
	}
}

func TestPromiseSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrays := map[*int]int{}
		s := flusher.Items(func(_ context.Context, items []int) error {
			arrays[&items[0]]++
			return nil
		})
		buf := open(t, config(s))
		for i := range 300 {
			insert(t, buf, i)
			synctest.Wait()
		}
		assert.LessOrEqual(t, len(arrays), 2, "reused after Flush returns")
	})
	t.Run("what a used slice held is let go", func(t *testing.T) {
		var collected atomic.Bool
		buf, err := buffer.New(buffer.Config[*[64]byte]{Name: "t", MaxSize: 1, Flusher: flusher.Items(func(context.Context, []*[64]byte) error { return nil })})
		require.NoError(t, err)
		func() {
			item := new([64]byte)
			runtime.AddCleanup(item, func(struct{}) { collected.Store(true) }, struct{}{})
			require.NoError(t, buf.Insert(t.Context(), item))
		}()
		require.Eventually(t, func() bool { runtime.GC(); return collected.Load() }, 10*time.Second, time.Millisecond)
		require.NoError(t, buf.Shutdown(t.Context()))
	})
}
