package partition

import (
	"context"
	"errors"
	"slices"

	"github.com/go-databuffer/databuffer/flusher"
)

// maxFailures bounds the causes that one result joins.
const maxFailures = 16

// Barrier waits until every item that a partition had accepted has its
// outcome. Its fields are protected by the partition's mu.
type Barrier struct {
	items     int // in the batches that it covers, but for the one being filled
	delivered int
	batches   int // that it waits for
	failures  []error
	reached   chan struct{} // closed with the last batch
}

// Sync has everything that the partition holds flushed, behind what is being
// flushed already, and returns the barrier behind it. It does not wait; Wait
// does.
func (p *Partition[T]) Sync() (*Barrier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return nil, ErrClosed
	}
	barrier := &Barrier{reached: make(chan struct{})}
	for _, b := range p.flights {
		barrier.join(&b.barriers, b.size)
		barrier.settle(b.delivered, b.failure)
	}
	for _, b := range p.ready {
		barrier.join(&b.barriers, b.size)
	}
	if p.fill.size() > 0 {
		barrier.join(&p.fill.barriers, 0) // its items are counted when it is closed
		p.mark(flusher.Manual)
	}
	if barrier.batches == 0 {
		close(barrier.reached)
	}
	p.signal()
	return barrier, nil
}

// Flush marks the batch being filled due. It does not wait. ErrClosed is its
// only error.
func (p *Partition[T]) Flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return ErrClosed
	}
	p.mark(flusher.Manual)
	p.signal()
	return nil
}

// Wait blocks until the barrier is reached, or ctx ends: then reached is false,
// and the result is what is known by then.
func (p *Partition[T]) Wait(ctx context.Context, barrier *Barrier) (result flusher.Result, reached bool) {
	select {
	case <-barrier.reached:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	result = flusher.Result{
		Partition: p.cfg.Index,
		Items:     barrier.items,
		Delivered: barrier.delivered,
		Err:       errors.Join(barrier.failures...),
	}
	if slices.Contains(p.fill.barriers, barrier) {
		result.Items += p.fill.size()
	}
	if barrier.batches == 0 {
		return result, true
	}
	if p.newest != nil { // then it tells why there is no outcome yet
		result.Err = errors.Join(result.Err, &Opaque{p.newest})
	}
	p.dismiss(barrier)
	return result, false
}

// dismiss has no batch care for the barrier any more: its caller has gone. It
// requires that mu is held.
func (p *Partition[T]) dismiss(barrier *Barrier) {
	without := func(barriers []*Barrier) []*Barrier {
		return slices.DeleteFunc(barriers, func(b *Barrier) bool { return b == barrier })
	}
	p.fill.barriers = without(p.fill.barriers)
	for _, b := range p.ready {
		b.barriers = without(b.barriers)
	}
	for _, b := range p.flights {
		b.barriers = without(b.barriers)
	}
}

// join has the barrier wait for a batch of n items.
func (barrier *Barrier) join(barriers *[]*Barrier, n int) {
	*barriers = append(*barriers, barrier)
	barrier.batches++
	barrier.items += n
}

// settle notes the outcome of some items of a batch that the barrier waits for.
func (barrier *Barrier) settle(delivered int, cause error) {
	barrier.delivered += delivered
	if cause != nil && len(barrier.failures) < maxFailures {
		barrier.failures = append(barrier.failures, &Opaque{cause})
	}
}

// leave ends the wait for one batch.
func (barrier *Barrier) leave() {
	barrier.batches--
	if barrier.batches == 0 {
		close(barrier.reached)
	}
}
