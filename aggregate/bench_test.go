package aggregate_test

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/flusher"
)

// block is the least that a partitioned aggregator can be: a mutex, a map and a
// slice, padded as a partition is.
type block struct {
	_     [128]byte
	mu    sync.Mutex
	index map[string]int
	items []aggregate.Entry[string, int]
	_     [128]byte
}

func (b *block) add(key string, value int, merge func(*int, int)) {
	b.mu.Lock()
	if i, ok := b.index[key]; ok {
		merge(&b.items[i].Value, value)
		b.items[i].Count++
	} else {
		b.index[key] = len(b.items)
		b.items = append(b.items, aggregate.Entry[string, int]{Key: key, Value: value, Count: 1})
	}
	b.mu.Unlock()
}

var benchSeed = maphash.MakeSeed()

// bare is some of them, the key's by its hash.
type bare []block

func newBare(n int) bare {
	b := make(bare, n)
	for i := range b {
		b[i].index = make(map[string]int)
	}
	return b
}

func (b bare) add(key string, value int, merge func(*int, int)) {
	i := uint64(0)
	if len(b) > 1 {
		i, _ = bits.Mul64(maphash.String(benchSeed, key), uint64(len(b)))
	}
	b[i].add(key, value, merge)
}

// benchKeys are as many keys as those of an HTTP service might be.
func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "/api/v1/endpoint/" + strconv.Itoa(i)
	}
	return keys
}

func sum(stored *int, value int) { *stored += value }

func benchAggregator[K comparable](b *testing.B, partitions, size int) *aggregate.Aggregator[K, int] {
	a, err := aggregate.New(sum, aggregate.Config[K, int]{
		Name: "bench", Partitions: partitions, MaxSize: size,
		Flusher: flusher.Items(func(context.Context, []aggregate.Entry[K, int]) error { return nil }),
	})
	require.NoError(b, err)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(b, a.Shutdown(ctx))
	})
	return a
}

// goroutines runs work in n goroutines, b.N times in all.
func goroutines(b *testing.B, n int, work func(g, times int)) {
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range n {
		times := b.N / n
		if g == 0 {
			times += b.N % n
		}
		wg.Go(func() { work(g, times) })
	}
	wg.Wait()
}

// BenchmarkAdd merges into 1000 string keys, beside the bare minimum and a
// sync.Map of atomics, which can do no more than count.
func BenchmarkAdd(b *testing.B) {
	ctx := context.Background()
	keys := benchKeys(1000)
	for _, n := range []int{1, 2, 8} {
		each := func(b *testing.B, add func(key string)) {
			goroutines(b, n, func(g, times int) {
				k := g * len(keys) / n
				for range times {
					add(keys[k])
					if k++; k == len(keys) {
						k = 0
					}
				}
			})
		}
		for _, partitions := range []int{1, 8} {
			at := fmt.Sprintf("/partitions=%d/goroutines=%d", partitions, n)
			b.Run("bare"+at, func(b *testing.B) {
				blocks := newBare(partitions)
				each(b, func(key string) { blocks.add(key, 1, sum) })
			})
			b.Run("Add"+at, func(b *testing.B) {
				a := benchAggregator[string](b, partitions, 5000)
				each(b, func(key string) { _ = a.Add(ctx, key, 1) })
			})
		}
		b.Run("sync.Map/goroutines="+strconv.Itoa(n), func(b *testing.B) {
			var m sync.Map
			each(b, func(key string) {
				count, ok := m.Load(key)
				if !ok {
					count, _ = m.LoadOrStore(key, new(atomic.Int64))
				}
				count.(*atomic.Int64).Add(1)
			})
		})
	}
}

// BenchmarkAddDistinct never merges: what a new entry costs, flush cycles
// included.
func BenchmarkAddDistinct(b *testing.B) {
	ctx := context.Background()
	a := benchAggregator[int](b, 8, 1000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		_ = a.Add(ctx, i, 1)
		i++
	}
}
