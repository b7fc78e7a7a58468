package partition

import (
	"time"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// batch is a closed batch: ready, then in flight until each of its items has an
// outcome and no attempt over it runs any more, but for an abandoned one.
type batch[T any] struct {
	// Written when the batch is closed, then only read; but with Pages run makes the
	// items, where somebody asks for them.
	items   []T // the whole slice, for reuse
	page    []byte
	ends    []int
	size    int // items
	bytes   int
	oldest  time.Time
	trigger flusher.Trigger
	links   telemetry.Links

	// Protected by the partition's mu.
	barriers  []*Barrier
	left      int   // items without an outcome
	delivered int   // items
	failure   error // the newest cause of another outcome; nil: none

	// Owned by run, once in flight.
	first   content[T]    // what the batch was closed with
	opening attempt[T]    // the first attempt over it; most batches need no other
	todo    []*content[T] // contents without an outcome that no attempt runs over; the last one is next
	running *attempt[T]   // nil: none, or it was abandoned
	shared  bool          // an attempt was abandoned that may still read items: they are not reused
	started time.Time     // of the first attempt
	flush   telemetry.Flush
	class   telemetry.Class // of the newest final failure
}

// close makes a batch of what is held.
func (fill *filling[T]) close(trigger flusher.Trigger) *batch[T] {
	b := fill.batch
	b.items, b.page, b.ends = fill.items, fill.page, fill.ends
	b.size, b.left = fill.size(), fill.size()
	b.bytes = fill.volume()
	b.oldest = fill.oldest
	b.trigger = trigger
	b.links = fill.links
	b.barriers = fill.barriers
	return b
}

// content is what one attempt is given: a batch's items, or what a Partial or a
// bisection made of them. One content has one ID, over all its attempts.
type content[T any] struct {
	size      int // items; it does not change
	items     []T // nil: they are in the batch's page
	id        flusher.ID
	parent    *content[T]     // whose items it was taken from; nil for a batch's first
	attempt   int             // how many have begun
	anew      int             // how many of them do not count any more, since the last of these made Progress
	notBefore time.Time       // of the next attempt
	cause     error           // set for the dead letter: why it was given up
	class     telemetry.Class // of cause
	settled   bool            // a late success gave it its outcome while an attempt ran
}

// dead tells whether the content goes to the dead letter.
func (c *content[T]) dead() bool { return c.cause != nil }

// within tells whether c's items are all among other's, and both go to the same
// Flusher, so that the success of an attempt over other is c's as well.
func (c *content[T]) within(other *content[T]) bool {
	for ; c != nil && c.dead() == other.dead(); c = c.parent {
		if c == other {
			return true
		}
	}
	return false
}

// coveredBy tells whether an attempt over other, whichever Flusher it went to, has
// c's items.
func (c *content[T]) coveredBy(other *content[T]) bool {
	for ; c != nil; c = c.parent {
		if c == other {
			return true
		}
	}
	return false
}

// push puts c next in line.
func (b *batch[T]) push(c *content[T]) { b.todo = append(b.todo, c) }

// next is the content whose turn it is; nil where there is none.
func (b *batch[T]) next() *content[T] {
	if len(b.todo) == 0 {
		return nil
	}
	return b.todo[len(b.todo)-1]
}

// pop removes it.
func (b *batch[T]) pop() {
	b.todo[len(b.todo)-1] = nil
	b.todo = b.todo[:len(b.todo)-1]
}

// recycle keeps a batch that nobody uses any more, and its slice, for the next
// one. One batch being filled and MaxInFlight in flight is all that a partition
// cycles through. It requires that mu is held.
func (p *Partition[T]) recycle(b *batch[T]) {
	if b.shared || len(p.free) > p.cfg.MaxInFlight {
		return
	}
	if p.pointers {
		clear(b.items)
	}
	if cap(b.page) > p.cfg.MaxBytes { // an item's own
		clear(b.items[:cap(b.items)]) // also of those that were made of a page before
		b.page = nil
	}
	*b = batch[T]{items: b.items[:0], page: b.page[:0], ends: b.ends[:0]}
	p.free = append(p.free, b)
}

// scrub clears the items of a batch that has landed, for recycle, which would do
// it while it holds mu: for thousands of items that is long.
func (p *Partition[T]) scrub(b *batch[T]) {
	if p.pointers && !b.shared {
		clear(b.items)
		b.items = b.items[:0]
	}
}
