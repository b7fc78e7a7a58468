package buffer

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/partition"
	"github.com/go-databuffer/databuffer/telemetry"
)

// Insert accepts an item: it is in memory then, under the promises of the
// package documentation, and not delivered yet. Insert does not wait for its
// flush, and for another only where there is no room.
//
// Where every partition is full, Overflow decides. With Block it waits until
// there is room in any of them, or ctx ends, or Shutdown begins. With Key it
// waits for the key's own partition. An error means that the item was not
// accepted:
//
//   - the end of ctx (errors.Is finds ctx.Err() and context.Cause(ctx)); a ctx
//     that has ended already is refused even where there is room
//   - ErrClosed, after Shutdown was called
//   - ErrFull, with Overflow Reject, or with the Flusher's own ctx
//   - ErrTooLarge, where SizeOf gives more than MaxBytes
//   - an error that wraps *flusher.PanicError, where Key or SizeOf panicked, or
//     one of its own, where SizeOf gave a negative size
func (b *Buffer[T]) Insert(ctx context.Context, item T) error {
	// All that most inserts do, and nothing that is not inlined but the context's
	// Err and the append. Whatever is not plain goes the way below.
	if b.inTurn && ctx.Err() == nil {
		i := b.turn.Add(1)
		if b.divide {
			i %= uint64(len(b.partitions))
		} else {
			i &= b.mask
		}
		if !b.tracing.Load() && b.partitions[i].Append(&item) {
			return nil
		}
		return b.insertAt(ctx, target{first: int(i)}, item)
	}
	return b.insert(ctx, item)
}

// target is where an insert may go.
type target struct {
	first  int  // the partition that is tried first
	pinned bool // it is the only one
}

// next draws the turn of an insert, as Insert does in place.
func (b *Buffer[T]) next() int {
	turn := b.turn.Add(1)
	if b.divide {
		return int(turn % uint64(len(b.partitions)))
	}
	return int(turn & b.mask)
}

// insert routes an item that does not go the fast way.
func (b *Buffer[T]) insert(ctx context.Context, item T) error {
	switch {
	case b.cfg.Key != nil:
		i, err := b.keyed(item)
		if err != nil {
			return b.refuseAll(ctx, 1, err)
		}
		if b.plain && !b.tracing.Load() && ctx.Err() == nil && b.partitions[i].Append(&item) {
			return nil
		}
		return b.insertAt(ctx, target{first: i, pinned: true}, item)
	case b.cfg.Routing == Sticky:
		p := b.stick()
		if b.plain && !b.tracing.Load() && ctx.Err() == nil && p.Append(&item) {
			b.sticky.Put(p)
			return nil
		}
		items := [1]T{item}
		return b.insertSticky(ctx, p, items[:])
	default:
		return b.insertAt(ctx, target{first: b.next()}, item)
	}
}

// stick takes the partition where the processor's last insert found room, so
// that nobody else does meanwhile; sticky takes it back.
func (b *Buffer[T]) stick() *partition.Partition[T] {
	if p, ok := b.sticky.Get().(*partition.Partition[T]); ok {
		return p
	}
	return b.partitions[b.next()]
}

// insertSticky inserts items at p, or elsewhere where p is full, and has the
// processor stay with the partition that took them.
func (b *Buffer[T]) insertSticky(ctx context.Context, p *partition.Partition[T], items []T) error {
	i, err := b.insertAll(ctx, target{first: p.Index()}, items)
	b.sticky.Put(b.partitions[i])
	return err
}

// insertAt inserts an item that has been routed.
func (b *Buffer[T]) insertAt(ctx context.Context, to target, item T) error {
	if b.tracing.Load() {
		return b.insertTraced(ctx, to, item)
	}
	items := [1]T{item}
	_, err := b.place(ctx, to, &partition.Offer[T]{Items: items[:]}, trace.SpanContext{})
	return err
}

// insertTraced is insertAt in a span of its own. One that nobody samples costs
// little more than the span.
func (b *Buffer[T]) insertTraced(ctx context.Context, to target, item T) error {
	span := b.recorder.StartInsert(ctx)
	if b.plain && !span.Linked() && ctx.Err() == nil && b.partitions[to.first].Append(&item) {
		span.End(to.first, 1, nil)
		return nil
	}
	return b.insertSpanned(ctx, to, item, span)
}

// insertSpanned is the rest of insertTraced, apart so that the array below is
// not on the stack of those that need none.
func (b *Buffer[T]) insertSpanned(ctx context.Context, to target, item T, span telemetry.Insert) error {
	items := [1]T{item}
	i, err := to.first, errUnfinished
	defer func() { span.End(i, 1, err) }()
	i, err = b.place(ctx, to, &partition.Offer[T]{Items: items[:]}, span.Link())
	return err
}

// insertAll inserts items that have been routed, all or none, in a span of their
// own where there is an SDK. It returns the partition that has them, or that
// counts them as rejected.
func (b *Buffer[T]) insertAll(ctx context.Context, to target, items []T) (int, error) {
	offer := partition.Offer[T]{Items: items}
	if !b.tracing.Load() {
		return b.place(ctx, to, &offer, trace.SpanContext{})
	}
	span := b.recorder.StartInsert(ctx)
	i, err := to.first, errUnfinished
	defer func() { span.End(i, len(items), err) }()
	i, err = b.place(ctx, to, &offer, span.Link())
	return i, err
}

// refuseAll counts items that no partition was chosen for, with the span of an
// insert that was refused.
func (b *Buffer[T]) refuseAll(ctx context.Context, n int, err error) error {
	if b.tracing.Load() {
		b.recorder.StartInsert(ctx).End(-1, n, err)
	}
	return b.refuse(0, n, err)
}

// place measures the items and finds room for them.
func (b *Buffer[T]) place(ctx context.Context, to target, offer *partition.Offer[T], link trace.SpanContext) (int, error) {
	if ctx.Err() != nil {
		return to.first, b.refuse(to.first, len(offer.Items), partition.ContextEnd(ctx, endedBefore))
	}
	var err error
	if offer.Sizes, err = b.measure(offer.Items); err == nil {
		err = b.tooLarge(offer.Sizes, nil)
	}
	i := to.first
	if err == nil {
		i, err = b.fit(ctx, to, offer, link)
	}
	if err != nil {
		return i, b.refuse(i, len(offer.Items), err)
	}
	return i, nil
}

// fit finds room for the items, as Overflow says.
func (b *Buffer[T]) fit(ctx context.Context, to target, offer *partition.Offer[T], link trace.SpanContext) (int, error) {
	i, err := b.try(to, offer, link)
	if err != ErrFull || b.cfg.Overflow == Reject {
		return i, err
	}
	if b.cfg.Overflow == DropOldest {
		return to.first, b.partitions[to.first].Displace(offer, link)
	}
	return b.wait(ctx, to, offer, link)
}

// try offers the items to the target's partition, and where that is full, and
// not the only one, to the others. Its errors are ErrFull and ErrClosed.
func (b *Buffer[T]) try(to target, offer *partition.Offer[T], link trace.SpanContext) (int, error) {
	err := b.partitions[to.first].Accept(offer, link)
	if err != ErrFull || to.pinned {
		return to.first, err
	}
	for step := 1; step < len(b.partitions); step++ {
		i := (to.first + step) % len(b.partitions)
		if err := b.partitions[i].Accept(offer, link); err != ErrFull {
			return i, err
		}
	}
	return to.first, ErrFull
}

// wait blocks until there is room for the items, Shutdown begins, or ctx ends.
func (b *Buffer[T]) wait(ctx context.Context, to target, offer *partition.Offer[T], link trace.SpanContext) (int, error) {
	if b.reentrant(ctx) {
		return to.first, ErrFull // the room would have to come from the caller
	}
	queue := b.anywhere
	if to.pinned {
		queue = &b.partitions[to.first].Waiters
	}
	start := time.Now()
	defer func() { b.recorder.Waited(ctx, time.Since(start)) }()
	i, err := b.queueUp(ctx, queue, to, offer, link)
	if err == ErrFull {
		err = partition.ContextEnd(ctx, endedWaiting) // asks the caller's context, and so comes after Leave
	}
	return i, err
}

// queueUp is the rest of wait. Its error is ErrFull where ctx has ended.
func (b *Buffer[T]) queueUp(ctx context.Context, queue *partition.Waiters, to target, offer *partition.Offer[T], link trace.SpanContext) (int, error) {
	waiter := queue.Join()
	defer queue.Leave(waiter)
	i, err := b.try(to, offer, link) // after joining: room that comes free from here on wakes the waiter
	for err == ErrFull {
		select {
		case <-waiter.Woken():
		case <-ctx.Done():
			return to.first, ErrFull
		}
		if i, err = b.try(to, offer, link); err == ErrFull {
			queue.Rejoin(waiter)
			i, err = b.try(to, offer, link) // after joining, again
		}
	}
	return i, err
}

// refuse counts n items that partition i did not accept, and returns err.
func (b *Buffer[T]) refuse(i, n int, err error) error {
	b.partitions[i].Refuse(n, reason(err))
	return err
}

// keyed is the partition of the item's key.
func (b *Buffer[T]) keyed(item T) (i int, err error) {
	defer recovered("Key", &err)
	return spread(b.cfg.Key(item), len(b.partitions)), nil
}

// measure asks SizeOf for the size of each item; nil where there is no SizeOf.
func (b *Buffer[T]) measure(items []T) (sizes []int, err error) {
	if b.cfg.SizeOf == nil {
		return nil, nil
	}
	defer recovered("SizeOf", &err)
	sizes = make([]int, len(items))
	for i, item := range items {
		sizes[i] = b.cfg.SizeOf(item)
		if sizes[i] < 0 {
			return nil, &invalidError{fmt.Errorf("databuffer: Config.SizeOf returned %d for item %d of %d, nothing was accepted: it must not be negative", sizes[i], i, len(items))}
		}
	}
	return sizes, nil
}

// tooLarge is ErrTooLarge where an item is, by the sizes that were measured.
// indexes are those of the items in the caller's slice, where they are others.
func (b *Buffer[T]) tooLarge(sizes, indexes []int) error {
	if b.cfg.MaxBytes == 0 || b.stored {
		return nil
	}
	for i, size := range sizes {
		if size > b.cfg.MaxBytes {
			if indexes != nil {
				i = indexes[i]
			}
			return fmt.Errorf("%w: item %d has %d bytes, MaxBytes is %d", ErrTooLarge, i, size, b.cfg.MaxBytes)
		}
	}
	return nil
}
