package buffer

import (
	"sync/atomic"

	"github.com/go-databuffer/databuffer/partition"
)

// NewStored is New for the packages aggregate and writer: each partition keeps
// its items in a Store of its own. An item larger than MaxBytes is a batch of its
// own there. It carries no compatibility promise.
func NewStored[T any](cfg Config[T], store func() partition.Store[T]) (*Buffer[T], error) {
	return build(cfg, store)
}

// Inside gives aggregate and writer what their fast paths need: the partitions,
// the flag that says that an SDK wants spans, so that inserts have to go through
// Insert, and nothing else. It carries no compatibility promise.
func (b *Buffer[T]) Inside() ([]*partition.Partition[T], *atomic.Bool) {
	return b.partitions, b.tracing
}
