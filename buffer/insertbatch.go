package buffer

import (
	"context"
	"errors"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/partition"
	"github.com/go-databuffer/databuffer/telemetry"
)

// InsertBatch accepts several items at once: all of them or none, in order, in
// one partition. It is much cheaper than as many Inserts. The slice is copied,
// and the caller's again when InsertBatch returns. No items are no error.
//
// It blocks as Insert does, and has Insert's errors. The partition must not be
// full; then the items are accepted whole, even beyond MaxSize, and flushed in
// batches of at most the threshold.
//
// With Key, the items go to several partitions, and all or none of those for
// one partition are accepted. Where some are not, the error is a
// *PartialInsertError that names them; nothing is accepted where Key or SizeOf
// panics or ctx has ended already.
func (b *Buffer[T]) InsertBatch(ctx context.Context, items []T) error {
	if len(items) == 0 {
		return nil
	}
	switch {
	case b.cfg.Key != nil:
		return b.insertBatchKeyed(ctx, items)
	case b.cfg.Routing == Sticky:
		p := b.stick()
		if b.plain && !b.tracing.Load() && ctx.Err() == nil && p.AppendAll(items) {
			b.sticky.Put(p)
			return nil
		}
		return b.insertSticky(ctx, p, items)
	default:
		return b.insertBatchAt(ctx, target{first: b.next()}, items)
	}
}

// insertBatchAt inserts items that have been routed.
func (b *Buffer[T]) insertBatchAt(ctx context.Context, to target, items []T) error {
	if b.plain && !b.tracing.Load() && ctx.Err() == nil && b.partitions[to.first].AppendAll(items) {
		return nil
	}
	_, err := b.insertAll(ctx, to, items)
	return err
}

// insertBatchKeyed is InsertBatch with Key.
func (b *Buffer[T]) insertBatchKeyed(ctx context.Context, items []T) error {
	if ctx.Err() != nil {
		return b.refuseAll(ctx, len(items), partition.ContextError(ctx))
	}
	shares, err := b.split(items)
	if err != nil {
		return b.refuseAll(ctx, len(items), err)
	}
	if !b.tracing.Load() {
		return b.placeShares(ctx, shares, trace.SpanContext{})
	}
	span := b.recorder.StartInsert(ctx)
	err = b.placeShares(ctx, shares, span.Link())
	span.End(-1, len(items), err) // of several partitions
	return err
}

// share is what of a keyed batch goes to one partition.
type share[T any] struct {
	to      target
	offer   partition.Offer[T]
	indexes []int // of the items in the caller's slice
	err     error
}

// split asks for the keys and the sizes of all items, and sorts them by
// partition, in order.
func (b *Buffer[T]) split(items []T) ([]share[T], error) {
	sizes, err := b.measure(items)
	if err != nil {
		return nil, err
	}
	owners := make([]int, len(items))
	counts := make([]int, len(b.partitions)) // of each owner's items
	for i, item := range items {
		if owners[i], err = b.keyed(item); err != nil {
			return nil, err
		}
		counts[owners[i]]++
	}

	// All shares are parts of three slices, each owner's where the counts of
	// those before it say.
	sorted, sortedSizes, indexes := make([]T, len(items)), make([]int, len(items)), make([]int, len(items))
	ends := make([]int, len(counts))
	for owner, end := 1, 0; owner < len(ends); owner++ {
		end += counts[owner-1]
		ends[owner] = end
	}
	for i, owner := range owners {
		at := ends[owner]
		ends[owner]++
		sorted[at], indexes[at] = items[i], i
		if sizes != nil {
			sortedSizes[at] = sizes[i]
		}
	}
	var shares []share[T]
	for owner, end := range ends {
		start := end - counts[owner]
		if start == end {
			continue
		}
		s := share[T]{to: target{first: owner, pinned: true}, offer: partition.Offer[T]{Items: sorted[start:end]}, indexes: indexes[start:end]}
		if sizes != nil {
			s.offer.Sizes = sortedSizes[start:end]
		}
		shares = append(shares, s)
	}
	return shares, nil
}

// placeShares first gives every partition that has room its share, so that none
// waits for another's, and then finds room for the others.
func (b *Buffer[T]) placeShares(ctx context.Context, shares []share[T], link trace.SpanContext) error {
	for i := range shares {
		s := &shares[i]
		if s.err = b.tooLarge(s.offer.Sizes, s.indexes); s.err == nil {
			_, s.err = b.try(s.to, &s.offer, link)
		}
	}
	var refused PartialInsertError
	var errs []error
	told := make(map[telemetry.Reason]bool)
	for i := range shares {
		s := &shares[i]
		if s.err == ErrFull {
			_, s.err = b.fit(ctx, s.to, &s.offer, link)
		}
		if s.err == nil {
			continue
		}
		refused.Rejected = append(refused.Rejected, s.indexes...)
		why := reason(s.err)
		if !told[why] || why == telemetry.ReasonTooLarge { // that one names an item
			told[why] = true
			errs = append(errs, s.err)
		}
		b.partitions[s.to.first].Refuse(len(s.offer.Items), why)
	}
	if len(errs) == 0 {
		return nil
	}
	slices.Sort(refused.Rejected)
	refused.Err = errors.Join(errs...)
	return &refused
}
