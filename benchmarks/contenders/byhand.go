package contenders

import (
	"sync"
	"sync/atomic"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
)

// The names of what is written by hand.
const (
	BareRoundRobin = "bare round-robin, 8 mutexes + append"
	BareOwn        = "bare mutex + append, one each"
	MutexCycled    = "mutex + append, cycled slices"
	MutexFresh     = "mutex + append, fresh slices"
	Channel        = "buffered channel, one consumer"
)

// bareNotes is what the least that a buffer can be leaves out.
var bareNotes = []string{"no interval, no context, no isolation of the sink, no retry, no counts"}

// block is a mutex and an append, with two slices in turn, padded as a partition
// is: the least that a partitioned buffer can be.
type block[T any] struct {
	_            [128]byte
	mu           sync.Mutex
	items, spare []T
	_            [128]byte
}

func (b *block[T]) append(item T, size int, sink *measure.Sink) {
	b.mu.Lock()
	b.items = append(b.items, item)
	if len(b.items) >= size {
		b.flush(sink)
	}
	b.mu.Unlock()
}

func (b *block[T]) appendAll(items []T, size int, sink *measure.Sink) {
	b.mu.Lock()
	for len(items) > 0 {
		n := min(size-len(b.items), len(items))
		b.items, items = append(b.items, items[:n]...), items[n:]
		if len(b.items) >= size {
			b.flush(sink)
		}
	}
	b.mu.Unlock()
}

// flush requires that mu is held: the sink has the batch under it, as nothing
// else keeps the other slice from being used again.
//
//go:noinline
func (b *block[T]) flush(sink *measure.Sink) {
	sink.Take(len(b.items))
	b.items, b.spare = b.spare[:0], b.items
}

func (b *block[T]) close(sink *measure.Sink) {
	b.mu.Lock()
	if len(b.items) > 0 {
		b.flush(sink)
	}
	b.mu.Unlock()
}

// Bare is round-robin over as many blocks as there are partitions.
func Bare[T any](items *Items[T]) measure.Contender {
	return measure.Contender{Name: BareRoundRobin, Kind: measure.ByHand, Notes: bareNotes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		blocks := make([]block[T], w.Partitions)
		turn := new(struct {
			_    [128]byte
			next atomic.Uint64
			_    [128]byte
		})
		mod := uint64(w.Partitions)
		return measure.Load{
			Insert: func(_, n int) int {
				if w.Batch > 1 {
					for range n / w.Batch {
						blocks[turn.next.Add(1)%mod].appendAll(items.All[:w.Batch], w.MaxSize, sink)
					}
					return n
				}
				if mod&(mod-1) == 0 { // as it would be written by hand
					for i := range n {
						blocks[turn.next.Add(1)&(mod-1)].append(items.All[i&mask], w.MaxSize, sink)
					}
					return n
				}
				for i := range n {
					blocks[turn.next.Add(1)%mod].append(items.All[i&mask], w.MaxSize, sink)
				}
				return n
			},
			Close: closeBlocks(blocks, sink),
		}, nil
	}}
}

// BlockEach is a block for each producer, which nobody else uses.
func BlockEach[T any](items *Items[T]) measure.Contender {
	return blockPer(items, BareOwn, func(w measure.Work) int { return w.Producers })
}

// OneBlock is one block for all.
func OneBlock[T any](items *Items[T]) measure.Contender {
	return blockPer(items, MutexCycled, func(measure.Work) int { return 1 })
}

func blockPer[T any](items *Items[T], name string, count func(measure.Work) int) measure.Contender {
	return measure.Contender{Name: name, Kind: measure.ByHand, Notes: bareNotes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		blocks := make([]block[T], count(w))
		return measure.Load{
			Insert: func(g, n int) int {
				b := &blocks[g%len(blocks)]
				if w.Batch > 1 {
					for range n / w.Batch {
						b.appendAll(items.All[:w.Batch], w.MaxSize, sink)
					}
					return n
				}
				for i := range n {
					b.append(items.All[i&mask], w.MaxSize, sink)
				}
				return n
			},
			Close: closeBlocks(blocks, sink),
		}, nil
	}}
}

func closeBlocks[T any](blocks []block[T], sink *measure.Sink) func() error {
	return func() error {
		for i := range blocks {
			blocks[i].close(sink)
		}
		return nil
	}
}

// OneFresh is one mutex with an append into a slice that is given away when it
// is full, by whoever filled it.
func OneFresh[T any](items *Items[T]) measure.Contender {
	return measure.Contender{Name: MutexFresh, Kind: measure.ByHand, Notes: bareNotes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		var mu sync.Mutex
		var filling []T
		insert := func(more ...T) {
			mu.Lock()
			if filling == nil {
				filling = make([]T, 0, w.MaxSize+len(more))
			}
			filling = append(filling, more...)
			var full []T
			if len(filling) >= w.MaxSize {
				full, filling = filling, nil
			}
			mu.Unlock()
			if full != nil {
				items.take(sink, full)
			}
		}
		return measure.Load{
			Insert: func(_, n int) int {
				if w.Batch > 1 {
					for range n / w.Batch {
						insert(items.All[:w.Batch]...)
					}
					return n
				}
				for i := range n {
					insert(items.All[i&mask])
				}
				return n
			},
			Close: func() error {
				if len(filling) > 0 {
					items.take(sink, filling)
				}
				return nil
			},
		}, nil
	}}
}

// Chan is a buffered channel, and one goroutine that gathers what comes.
func Chan[T any](items *Items[T]) measure.Contender {
	return measure.Contender{Name: Channel, Kind: measure.ByHand, Notes: []string{"no interval, no context, no isolation of the sink, no retry"}, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		in := make(chan T, w.Partitions*w.MaxSize)
		done := make(chan struct{})
		go func() {
			defer close(done)
			batch := make([]T, 0, w.MaxSize)
			for item := range in {
				if batch = append(batch, item); len(batch) == w.MaxSize {
					items.take(sink, batch)
					batch = batch[:0]
				}
			}
			if len(batch) > 0 {
				items.take(sink, batch)
			}
		}()
		return measure.Load{
			Insert: func(_, n int) int {
				for i := range n {
					in <- items.All[i&mask]
				}
				return n
			},
			Close: func() error {
				close(in)
				<-done
				return nil
			},
		}, nil
	}}
}
