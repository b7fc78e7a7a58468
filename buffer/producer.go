package buffer

import "context"

// Producer inserts into one partition of a buffer, so that all it inserts stays
// in order. It has no lifetime of its own, and its methods may be called from
// any goroutine; it is fastest with one for each.
type Producer[T any] struct {
	buffer *Buffer[T]
	to     target
	plain  bool // items are only appended, there is no Key either
}

// Producer gives out the partitions in turn. It does not block. With Key set,
// what the producer inserts is routed by Key instead.
func (b *Buffer[T]) Producer() *Producer[T] {
	turn := b.producers.Add(1)
	return &Producer[T]{
		buffer: b,
		to:     target{first: int(turn % uint64(len(b.partitions))), pinned: true},
		plain:  b.plain && b.cfg.Key == nil,
	}
}

// Insert is Buffer.Insert, but for this producer's partition: where that is
// full, it waits or fails though others have room.
func (p *Producer[T]) Insert(ctx context.Context, item T) error {
	b := p.buffer
	if p.plain && !b.tracing.Load() && ctx.Err() == nil && b.partitions[p.to.first].Append(&item) {
		return nil
	}
	if b.cfg.Key != nil {
		return b.Insert(ctx, item)
	}
	return b.insertAt(ctx, p.to, item)
}

// InsertBatch is Buffer.InsertBatch, but for this producer's partition.
func (p *Producer[T]) InsertBatch(ctx context.Context, items []T) error {
	if len(items) == 0 {
		return nil
	}
	if p.buffer.cfg.Key != nil {
		return p.buffer.InsertBatch(ctx, items)
	}
	return p.buffer.insertBatchAt(ctx, p.to, items)
}
