package buffer

import "context"

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
