package aggregate

import (
	"context"
	"math/bits"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/telemetry"
)

// Add adds a value: merged into the entry of its key, where that is in the batch
// being filled, and else as a new entry. It is in memory then, under the promises
// of the package documentation, and not delivered yet. Add does not wait for its
// flush, and for another only where there is no room.
//
// A value that is merged takes no room, and so is taken even where the key's
// partition is full. For a new entry Overflow decides then; with Block, Add
// waits until there is room in that partition, or its key is held after all, or
// ctx ends, or Shutdown begins. An error means that the value was not added:
//
//   - the end of ctx (errors.Is finds ctx.Err() and context.Cause(ctx)); a ctx
//     that has ended already is refused even where the key is held
//   - buffer.ErrClosed, after Shutdown was called
//   - buffer.ErrFull, with Overflow Reject, or with the Flusher's own ctx
//   - an error that wraps *flusher.PanicError, where merge panicked: the entry
//     keeps what merge left in it, and its Count; or where key holds a value that
//     cannot be compared, such as a slice in an interface
func (a *Aggregator[K, V]) Add(ctx context.Context, key K, value V) error {
	h := hash(key)
	i := a.route(h)
	entry := Entry[K, V]{Key: key, Value: value, Count: 1}
	if !a.tracing.Load() && ctx.Err() == nil {
		accepted, err := a.partitions[i].Merge(entry, h)
		if accepted {
			return nil
		}
		if err != nil {
			a.partitions[i].Refuse(1, telemetry.ReasonInvalid)
			return err
		}
	}
	return a.producers[i].Insert(ctx, entry)
}

// route is the index of the partition of a key with this hash: the high bits of
// the product with their number, which are as even as the hash.
func (a *Aggregator[K, V]) route(hash uint64) int {
	i, _ := bits.Mul64(hash, uint64(len(a.partitions)))
	return int(i)
}

// hash hashes a key. One that cannot be is 0: the look-up in its partition hashes
// it once more, and says so.
func hash[K comparable](key K) (h uint64) {
	defer func() { _ = recover() }()
	return buffer.Hash(key)
}
