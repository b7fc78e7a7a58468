package buffer

import (
	"context"
	"sync/atomic"

	"github.com/go-databuffer/databuffer/partition"
)

// Producer inserts into one partition of a buffer, so that all it inserts stays
// in order. It has no lifetime of its own, and its methods may be called from
// any goroutine; it is fastest with one for each.
type Producer[T any] struct {
	own     *partition.Partition[T]
	tracing *atomic.Bool // the buffer's
	plain   bool         // items are only appended, and there is no Key either
	buffer  *Buffer[T]
	to      target // own
}

// Producer gives out the partitions in turn. It does not block. With Key set,
// what the producer inserts is routed by Key instead.
func (b *Buffer[T]) Producer() *Producer[T] {
	i := int(b.producers.Add(1) % uint64(len(b.partitions)))
	return &Producer[T]{
		own:     b.partitions[i],
		tracing: b.tracing,
		plain:   b.plain && b.cfg.Key == nil,
		buffer:  b,
		to:      target{first: i, pinned: true},
	}
}

// Insert is Buffer.Insert, but for this producer's partition: where that is
// full, Overflow decides though others have room.
func (p *Producer[T]) Insert(ctx context.Context, item T) error {
	if p.plain && !p.tracing.Load() && ctx.Err() == nil && p.own.Append(&item) {
		return nil
	}
	if p.buffer.cfg.Key != nil {
		return p.buffer.Insert(ctx, item)
	}
	return p.buffer.insertAt(ctx, p.to, item)
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
