package buffer

import (
	"errors"
	"sync/atomic"

	"github.com/go-databuffer/databuffer/partition"
)

// NewStored is New for the packages aggregate and writer: shape is called for each
// partition, in order, and says how that keeps its items: its Store, Pages and
// Witness. An item larger than MaxBytes is a batch of its own there. It carries no
// compatibility promise.
func NewStored[T any](cfg Config[T], shape func(*partition.Config[T])) (*Buffer[T], error) {
	return build(cfg, shape)
}

// Check is what NewStored says of the settings, without the line above them, to
// be joined with what else is wrong. It starts nothing. It carries no
// compatibility promise.
func Check[T any](cfg Config[T]) error { return errors.Unwrap(cfg.check()) }

// Again makes and starts a buffer of b's settings, of partitions of this shape, which
// goes on with b's telemetry: the counts add up under one registration, so that
// being stopped and started often holds no more memory than once. It is for after
// Shutdown has returned. It carries no compatibility promise.
func (b *Buffer[T]) Again(shape func(*partition.Config[T])) *Buffer[T] {
	return assemble(b.cfg, shape, b.recorder, b.observe().Counts())
}

// Invalid marks the error with which a Store refuses an item, so that it is
// counted as one of Key or SizeOf is. It carries no compatibility promise.
func Invalid(err error) error { return &invalidError{err} }

// Inside gives aggregate and writer what their fast paths need: the partitions,
// the flag that says that an SDK wants spans, so that inserts have to go through
// Insert, and nothing else. It carries no compatibility promise.
func (b *Buffer[T]) Inside() ([]*partition.Partition[T], *atomic.Bool) {
	return b.partitions, b.tracing
}
