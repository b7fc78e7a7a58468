package contenders

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/flusher"
)

// The names of those that merge by key.
const (
	Aggregate     = "databuffer aggregate"
	SyncMap       = "sync.Map of atomics"
	MutexMap      = "mutex + map, by hand"
	AggregateKeys = 1000
)

// Aggregators merge into 1000 string keys, as those of an HTTP service might
// be. Each producer goes through all of them, from a place of its own.
func Aggregators() []measure.Contender {
	keys := make([]string, AggregateKeys)
	for i := range keys {
		keys[i] = "/api/v1/endpoint/" + strconv.Itoa(i)
	}
	merge := func(w measure.Work, add func(key string)) func(int, int) int {
		return func(g, n int) int {
			k := g * len(keys) / w.Producers
			for range n {
				add(keys[k])
				if k++; k == len(keys) {
					k = 0
				}
			}
			return n
		}
	}
	return []measure.Contender{
		{Name: Aggregate, Kind: measure.Ours, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
			a, err := newAggregator[string](w, sink)
			if err != nil {
				return measure.Load{}, err
			}
			// Add is called in place here, as users do.
			insert := func(g, n int) (accepted int) {
				k := g * len(keys) / w.Producers
				for range n {
					if a.Add(ctx, keys[k], 1) == nil {
						accepted++
					}
					if k++; k == len(keys) {
						k = 0
					}
				}
				return accepted
			}
			return measure.Load{Insert: insert, Close: func() error { return shutdown(a) }}, nil
		}},
		{Name: MutexMap, Kind: measure.ByHand, Notes: []string{"hands over when 5000 keys are held or at the end, no interval"}, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
			m := newMutexMap[string](w, sink)
			return measure.Load{Insert: merge(w, m.add), Close: m.close}, nil
		}},
		{Name: SyncMap, Kind: measure.ByHand, Notes: []string{"counts only, and hands nothing over before the end"}, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
			var counts sync.Map
			add := func(key string) {
				count, ok := counts.Load(key)
				if !ok {
					count, _ = counts.LoadOrStore(key, new(atomic.Int64))
				}
				count.(*atomic.Int64).Add(1)
			}
			return measure.Load{Insert: merge(w, add), Close: func() error {
				counts.Range(func(_, count any) bool {
					sink.Take(int(count.(*atomic.Int64).Load()))
					return true
				})
				return nil
			}}, nil
		}},
	}
}

// DistinctAggregators never merge: what a new entry costs, flush cycles included.
func DistinctAggregators() []measure.Contender {
	next := func(g int) int { return g << 40 }
	return []measure.Contender{
		{Name: Aggregate, Kind: measure.Ours, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
			a, err := newAggregator[int](w, sink)
			if err != nil {
				return measure.Load{}, err
			}
			return measure.Load{
				Insert: func(g, n int) (accepted int) {
					for i := range n {
						if a.Add(ctx, next(g)+i, 1) == nil {
							accepted++
						}
					}
					return accepted
				},
				Close: func() error { return shutdown(a) },
			}, nil
		}},
		{Name: MutexMap, Kind: measure.ByHand, Notes: []string{"a fresh map for each batch", "no interval"}, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
			m := newMutexMap[int](w, sink)
			return measure.Load{
				Insert: func(g, n int) int {
					for i := range n {
						m.add(next(g) + i)
					}
					return n
				},
				Close: m.close,
			}, nil
		}},
	}
}

func newAggregator[K comparable](w measure.Work, sink *measure.Sink) (*aggregate.Aggregator[K, int], error) {
	return aggregate.New(
		func(stored *int, value int) { *stored += value },
		aggregate.Config[K, int]{
			Name: "bench", Partitions: w.Partitions, MaxSize: w.MaxSize, FlushInterval: w.Interval,
			Flusher: flusher.Items(func(_ context.Context, entries []aggregate.Entry[K, int]) error {
				sum := 0
				for i := range entries {
					sum += int(entries[i].Count)
				}
				sink.Take(sum)
				return nil
			}),
		})
}

// mutexMap is a map under a mutex, swapped for a fresh one when it is full.
type mutexMap[K comparable] struct {
	mu     sync.Mutex
	counts map[K]int
	size   int
	sink   *measure.Sink
}

func newMutexMap[K comparable](w measure.Work, sink *measure.Sink) *mutexMap[K] {
	return &mutexMap[K]{counts: make(map[K]int, w.MaxSize), size: w.MaxSize, sink: sink}
}

func (m *mutexMap[K]) add(key K) {
	m.mu.Lock()
	m.counts[key]++
	var full map[K]int
	if len(m.counts) >= m.size {
		full, m.counts = m.counts, make(map[K]int, m.size)
	}
	m.mu.Unlock()
	if full != nil {
		m.flush(full)
	}
}

func (m *mutexMap[K]) flush(counts map[K]int) {
	sum := 0
	for _, count := range counts {
		sum += count
	}
	m.sink.Take(sum)
}

func (m *mutexMap[K]) close() error {
	m.flush(m.counts)
	return nil
}
