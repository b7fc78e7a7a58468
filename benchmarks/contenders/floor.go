package contenders

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
)

// What is left of the bare blocks' speed once they are asked for what no buffer of
// this kind can leave out: Insert is a call, it looks at its context, and somebody
// else hands the batch over. They are the floor under ours.
const (
	FloorRoundRobin = "floor: the same, ctx checked, batches handed to a goroutine"
	FloorOwn        = "floor: one each, ctx checked, batches handed to a goroutine"
)

// floorNotes is what they still leave out.
var floorNotes = []string{"no interval, no isolation of the sink, no retry, no counts"}

// desk is a block whose full batches a goroutine takes.
type desk[T any] struct {
	_     [128]byte
	mu    sync.Mutex
	items []T
	full  [][]T     // for the goroutine
	taken int       // batches that it has, or may take: one at most, as a partition of ours has one in flight
	free  [][]T     // from it
	room  sync.Cond // for another
	_     [128]byte

	wake chan struct{}
	done chan struct{}
}

func newDesks[T any](n int, sink *measure.Sink) []*desk[T] {
	desks := make([]*desk[T], n)
	for i := range desks {
		desks[i] = &desk[T]{wake: make(chan struct{}, 1), done: make(chan struct{})}
		desks[i].room.L = &desks[i].mu
		go desks[i].run(func(batch []T) { sink.Take(len(batch)) })
	}
	return desks
}

// insert is what a buffer's Insert is at least.
//
//go:noinline
func (d *desk[T]) insert(ctx context.Context, item *T, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	d.items = append(d.items, *item)
	if len(d.items) < size {
		d.mu.Unlock()
		return nil
	}
	d.turn()
	d.mu.Unlock()
	d.signal()
	return nil
}

// turn begins another batch, when there is room for the one that is full. It
// requires that mu is held.
func (d *desk[T]) turn() {
	for d.taken == 1 {
		d.room.Wait()
	}
	if len(d.items) == 0 {
		return // somebody else has
	}
	d.full, d.items = append(d.full, d.items), nil
	d.taken++
	if n := len(d.free); n > 0 {
		d.items, d.free = d.free[n-1], d.free[:n-1]
	}
}

func (d *desk[T]) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run hands over what is full, until close.
func (d *desk[T]) run(take func([]T)) {
	defer close(d.done)
	for range d.wake {
		d.mu.Lock()
		for len(d.full) > 0 {
			batch := d.full[0]
			d.full = d.full[:copy(d.full, d.full[1:])]
			d.mu.Unlock()
			take(batch)
			d.mu.Lock()
			d.free = append(d.free, batch[:0])
			d.taken--
			d.room.Broadcast()
		}
		d.mu.Unlock()
	}
}

// close returns when everything is handed over.
func (d *desk[T]) close() {
	d.mu.Lock()
	if len(d.items) > 0 {
		d.turn()
	}
	d.mu.Unlock()
	d.signal()
	close(d.wake)
	<-d.done
}

func closeDesks[T any](desks []*desk[T]) func() error {
	return func() error {
		for _, d := range desks {
			d.close()
		}
		return nil
	}
}

// Floor is round-robin over as many desks as there are partitions.
func Floor[T any](items *Items[T]) measure.Contender {
	return measure.Contender{Name: FloorRoundRobin, Kind: measure.ByHand, Notes: floorNotes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		desks := newDesks[T](w.Partitions, sink)
		turn := new(struct {
			_    [128]byte
			next atomic.Uint64
			_    [128]byte
		})
		return measure.Load{
			Insert: func(_, n int) int {
				return items.each(n, func(item T) error {
					return desks[turn.next.Add(1)%uint64(len(desks))].insert(ctx, &item, w.MaxSize)
				})
			},
			Close: closeDesks(desks),
		}, nil
	}}
}

// FloorEach is a desk for each producer, which nobody else uses.
func FloorEach[T any](items *Items[T]) measure.Contender {
	return measure.Contender{Name: FloorOwn, Kind: measure.ByHand, Notes: floorNotes, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		desks := newDesks[T](w.Producers, sink)
		return measure.Load{
			Insert: func(g, n int) int {
				d := desks[g]
				return items.each(n, func(item T) error { return d.insert(ctx, &item, w.MaxSize) })
			},
			Close: closeDesks(desks),
		}, nil
	}}
}
