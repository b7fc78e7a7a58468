package buffer_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// record is a 32-byte item.
type record [4]uint64

// discard is a Flusher that does nothing.
func discard[T any](context.Context, []T) error { return nil }

// block is the least that a partitioned buffer can be: a mutex and an append,
// with two slices in turn, padded as a partition is.
type block struct {
	_            [128]byte
	mu           sync.Mutex
	items, spare []record
	_            [128]byte
	wake         chan struct{} // tells a goroutine of each full slice; nil: nobody
}

func (b *block) append(items []record, size int) {
	b.mu.Lock()
	b.items = append(b.items, items...)
	b.turn(size)
}

func (b *block) appendOne(item record, size int) {
	b.mu.Lock()
	b.items = append(b.items, item)
	b.turn(size)
}

// turn takes the other slice where one is full, and unlocks.
func (b *block) turn(size int) {
	full := len(b.items) >= size
	if full {
		b.items, b.spare = b.spare[:0], b.items
	}
	b.mu.Unlock()
	if full && b.wake != nil {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// listen starts the goroutine that is told. It does nothing, but to wake it costs
// what it costs: on an idle processor it can be more than all the rest of a flush.
func (b *block) listen(tb testing.TB) {
	b.wake = make(chan struct{}, 1)
	tb.Cleanup(func() { close(b.wake) })
	go func() {
		for range b.wake {
		}
	}()
}

// bare is round-robin over eight of them.
type bare struct {
	blocks [8]block
	_      [128]byte
	next   atomic.Uint64
	_      [128]byte
}

func (b *bare) insert(item record, size int) {
	b.blocks[b.next.Add(1)%8].appendOne(item, size)
}

// benchSize is the size of batches. A flush cycle costs about 4 µs, so that with
// small ones more of it falls on each item: eachSize shows both.
var benchSize = 1000

// eachSize runs a benchmark with batches of 1000, and of the default MaxSize.
func eachSize(b *testing.B, run func(b *testing.B)) {
	defer func(size int) { benchSize = size }(benchSize)
	for _, benchSize = range []int{1000, 5000} {
		b.Run("MaxSize="+strconv.Itoa(benchSize), run)
	}
}

// bareName tells the bare minimum from the one that wakes a goroutine for each
// batch, which is the least where somebody else is to flush it.
func bareName(waking bool) string {
	if waking {
		return "bare+wake"
	}
	return "bare"
}

// goroutines runs work in n goroutines, b.N times in all.
func goroutines(b *testing.B, n int, work func(times int)) {
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range n {
		times := b.N / n
		if g == 0 {
			times += b.N % n
		}
		wg.Go(func() { work(times) })
	}
	wg.Wait()
}

func benchBuffer(b *testing.B, cfg buffer.Config[record]) *buffer.Buffer[record] {
	cfg.Name = "bench"
	cfg.Flusher = flusher.Items(discard[record])
	if cfg.MaxSize == 0 {
		cfg.MaxSize = benchSize
	}
	buf, err := buffer.New(cfg)
	require.NoError(b, err)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(b, buf.Shutdown(ctx))
	})
	return buf
}

// BenchmarkInsert stands beside the bare minimum, in one run.
func BenchmarkInsert(b *testing.B) { eachSize(b, benchInsert) }

func benchInsert(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{1, 2, 8, 64} {
		for _, waking := range []bool{false, true} {
			b.Run(bareName(waking)+"/goroutines="+strconv.Itoa(n), func(b *testing.B) {
				var blocks bare
				for i := range blocks.blocks {
					if waking {
						blocks.blocks[i].listen(b)
					}
				}
				goroutines(b, n, func(times int) {
					for i := range times {
						blocks.insert(record{uint64(i)}, benchSize)
					}
				})
			})
		}
		for _, routing := range []buffer.Routing{buffer.RoundRobin, buffer.Sticky} {
			b.Run(routing.String()+"/goroutines="+strconv.Itoa(n), func(b *testing.B) {
				buf := benchBuffer(b, buffer.Config[record]{Partitions: 8, Routing: routing})
				goroutines(b, n, func(times int) {
					for i := range times {
						_ = buf.Insert(ctx, record{uint64(i)})
					}
				})
			})
		}
		b.Run("channel/goroutines="+strconv.Itoa(n), func(b *testing.B) {
			items := make(chan record, 8*benchSize)
			done := make(chan struct{})
			go func() {
				defer close(done)
				batch := make([]record, 0, benchSize)
				for item := range items {
					if batch = append(batch, item); len(batch) == benchSize {
						batch = batch[:0]
					}
				}
			}()
			goroutines(b, n, func(times int) {
				for i := range times {
					items <- record{uint64(i)}
				}
			})
			close(items)
			<-done
		})
	}
}

// BenchmarkProducer stands beside one bare mutex and append.
func BenchmarkProducer(b *testing.B) { eachSize(b, benchProducer) }

func benchProducer(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{1, 2, 8} {
		for _, waking := range []bool{false, true} {
			b.Run(bareName(waking)+"/goroutines="+strconv.Itoa(n), func(b *testing.B) {
				goroutines(b, n, func(times int) {
					var one block
					if waking {
						one.listen(b)
					}
					for i := range times {
						one.appendOne(record{uint64(i)}, benchSize)
					}
				})
			})
		}
		b.Run("Producer/goroutines="+strconv.Itoa(n), func(b *testing.B) {
			buf := benchBuffer(b, buffer.Config[record]{Partitions: 8})
			goroutines(b, n, func(times int) {
				producer := buf.Producer()
				for i := range times {
					_ = producer.Insert(ctx, record{uint64(i)})
				}
			})
		})
	}
}

// BenchmarkInsertBatch reports the time for an item, flush cycles included.
func BenchmarkInsertBatch(b *testing.B) {
	ctx := context.Background()
	items := make([]record, 100)
	for i := range items {
		items[i][0] = uint64(i)
	}
	for _, size := range []int{1000, 10_000} {
		measure := func(name string, insert func()) {
			b.Run(name+"/MaxSize="+strconv.Itoa(size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					insert()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(items)), "ns/item")
			})
		}
		var plain, waking block
		waking.listen(b)
		buf := benchBuffer(b, buffer.Config[record]{MaxSize: size})
		measure("bare", func() { plain.append(items, size) })
		measure("bare+wake", func() { waking.append(items, size) })
		measure("InsertBatch", func() { _ = buf.InsertBatch(ctx, items) })
		keyed := benchBuffer(b, buffer.Config[record]{Partitions: 8, MaxSize: size, Key: func(r record) uint64 { return r[0] }})
		measure("InsertBatch by Key", func() { _ = keyed.InsertBatch(ctx, items) })
	}
}

// BenchmarkFlushCycle is what a batch of one costs, from the insert to the
// outcome.
func BenchmarkFlushCycle(b *testing.B) {
	ctx := context.Background()
	buf := benchBuffer(b, buffer.Config[record]{MaxSize: 1})
	b.ReportAllocs()
	for b.Loop() {
		_ = buf.Insert(ctx, record{})
	}
}
