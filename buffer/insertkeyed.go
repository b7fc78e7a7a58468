package buffer

import (
	"context"
	"errors"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/partition"
	"github.com/go-databuffer/databuffer/telemetry"
)

// insertBatchKeyed is InsertBatch with Key.
func (b *Buffer[T]) insertBatchKeyed(ctx context.Context, items []T) error {
	if ctx.Err() != nil {
		return b.refuseAll(ctx, len(items), partition.ContextEnd(ctx, endedBefore))
	}
	sizes, err := b.measure(items)
	if err != nil {
		return b.refuseAll(ctx, len(items), err)
	}
	s, _ := b.sorts.Get().(*sorting[T])
	if s == nil {
		s = new(sorting[T])
	}
	if err := s.route(items, b.cfg.Key, len(b.partitions)); err != nil {
		return b.refuseAll(ctx, len(items), err)
	}
	s.sort(items, sizes)
	err = b.insertShares(ctx, s.shares, len(items))
	s.release()
	b.sorts.Put(s)
	return err
}

// insertShares inserts what has been sorted, in one span where there is an SDK.
func (b *Buffer[T]) insertShares(ctx context.Context, shares []share[T], n int) error {
	if !b.tracing.Load() {
		return b.placeShares(ctx, shares, trace.SpanContext{})
	}
	span := b.recorder.StartInsert(ctx)
	err := errUnfinished
	defer func() { span.End(-1, n, err) }() // of several partitions
	err = b.placeShares(ctx, shares, span.Link())
	return err
}

// share is what of a keyed batch goes to one partition.
type share[T any] struct {
	to      target
	offer   partition.Offer[T]
	indexes []int // of the items in the caller's slice
	err     error
}

// sorting sorts the items of a keyed batch by partition, in order. It is used
// again.
type sorting[T any] struct {
	owners []uint16 // the partition of each of the caller's items
	ends   []int    // of each partition: where its share begins, and when that is sorted, ends

	// Every share has its part of these.
	items   []T
	sizes   []int
	indexes []int

	shares []share[T]
}

// route asks for the key of each item, and counts what each of the partitions
// gets, of which there are at most 65,536.
func (s *sorting[T]) route(items []T, key func(T) uint64, partitions int) (err error) {
	defer recovered("Key", &err)
	s.owners, s.ends = resized(s.owners, len(items)), resized(s.ends, partitions)
	clear(s.ends)
	for i, item := range items {
		owner := spread(key(item), partitions)
		s.owners[i] = uint16(owner)
		s.ends[owner]++
	}
	return nil
}

// sort makes the shares of what has been routed.
func (s *sorting[T]) sort(items []T, sizes []int) {
	begin := 0
	for owner, n := range s.ends {
		s.ends[owner] = begin
		begin += n
	}
	s.items, s.indexes, s.sizes = resized(s.items, len(items)), resized(s.indexes, len(items)), resized(s.sizes, len(sizes))
	for i, owner := range s.owners {
		at := s.ends[owner]
		s.ends[owner]++
		s.items[at], s.indexes[at] = items[i], i
		if sizes != nil {
			s.sizes[at] = sizes[i]
		}
	}
	start := 0
	for owner, end := range s.ends {
		if start == end {
			continue
		}
		next := share[T]{
			to:      target{first: owner, pinned: true},
			offer:   partition.Offer[T]{Items: s.items[start:end]},
			indexes: s.indexes[start:end],
		}
		if sizes != nil {
			next.offer.Sizes = s.sizes[start:end]
		}
		s.shares = append(s.shares, next)
		start = end
	}
}

// release lets go of the caller's items and of the errors.
func (s *sorting[T]) release() {
	clear(s.items)
	clear(s.shares)
	s.shares = s.shares[:0]
}

// resized is a slice of n elements, of which nobody knows what they are: the one
// given where it is large enough.
func resized[E any](slice []E, n int) []E { return slices.Grow(slice[:0], n)[:n] }

// placeShares first gives every partition that has room its share, so that none
// waits for another's, and then finds room for the others.
func (b *Buffer[T]) placeShares(ctx context.Context, shares []share[T], link trace.SpanContext) error {
	for i := range shares {
		s := &shares[i]
		if s.err = b.tooLarge(s.offer.Sizes, s.indexes); s.err == nil {
			_, s.err = b.try(s.to, &s.offer, link)
		}
	}
	refused := false
	for i := range shares {
		s := &shares[i]
		if s.err == ErrFull {
			_, s.err = b.fit(ctx, s.to, &s.offer, link)
		}
		refused = refused || s.err != nil
	}
	if refused {
		return b.refuseShares(shares)
	}
	return nil
}

// refuseShares counts the items of the shares that were not accepted, and tells
// the caller which those are.
func (b *Buffer[T]) refuseShares(shares []share[T]) error {
	var rejected []int
	var errs []error
	var told [telemetry.Reasons]bool
	for _, s := range shares {
		if s.err == nil {
			continue
		}
		rejected = append(rejected, s.indexes...)
		why := reason(s.err)
		if !told[why] || why == telemetry.ReasonTooLarge { // that one names an item
			told[why] = true
			errs = append(errs, s.err)
		}
		b.partitions[s.to.first].Refuse(len(s.offer.Items), why)
	}
	slices.Sort(rejected)
	return &PartialInsertError{Rejected: rejected, Err: errors.Join(errs...)}
}
