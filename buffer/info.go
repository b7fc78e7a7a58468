package buffer

import (
	"github.com/go-databuffer/databuffer/partition"
	"github.com/go-databuffer/databuffer/telemetry"
)

// Info is a snapshot of a buffer. Each partition's part is consistent in itself;
// they are taken one after another.
type Info struct {
	Name       string
	Waiting    int // inserts that wait for room
	Partitions []partition.Info
	Total      partition.Counts // over the partitions
}

// Info takes a snapshot. It takes each partition's lock for a moment, and can be
// called after Shutdown.
func (b *Buffer[T]) Info() Info {
	info := Info{Name: b.cfg.Name, Waiting: b.anywhere.Len(), Partitions: make([]partition.Info, len(b.partitions))}
	for i, p := range b.partitions {
		info.Partitions[i] = p.Info()
		info.Total = info.Total.Plus(info.Partitions[i].Counts)
		info.Waiting += p.Waiters.Len()
	}
	return info
}

// Dump is a copy of the items that are accepted and not yet handed to the
// Flusher, partition by partition, each in the order accepted. What is in flight
// is not among them. It does not block, and is empty after Shutdown.
func (b *Buffer[T]) Dump() []T {
	var items []T
	for _, p := range b.partitions {
		items = append(items, p.Dump()...)
	}
	return items
}

// Size is how many items Dump would copy.
func (b *Buffer[T]) Size() int {
	n := 0
	for _, p := range b.partitions {
		n += p.Size()
	}
	return n
}

// observe is what the metrics show.
func (b *Buffer[T]) observe() telemetry.Observation {
	o := b.before
	o.Waiting = b.anywhere.Len()
	for _, p := range b.partitions {
		p.Observe(&o)
	}
	return o
}
