package partition

import (
	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/telemetry"
)

// Store merges an item into one that the batch being filled holds. It stands
// beside the slice of items, and a partition without a Store pays nothing for it.
// Every method is called under the partition's lock, so a Store needs none, and
// must neither block nor panic; Merge may end the goroutine.
type Store[T any] interface {
	// Merge merges an item into one of the batch being filled, and tells whether
	// it did. It comes before the question of room, since it takes none. An error
	// refuses the item. The hash is what Partition.Merge was given, and 0 for an
	// item that comes by Accept.
	Merge(filling []T, item T, hash uint64) (merged bool, err error)
	// Keep tells that an item was not merged, and is held at this index of the batch.
	Keep(index int, item T, hash uint64)
	// Sealed tells that the batch being filled was closed: the next begins at
	// index 0.
	Sealed()
}

// A Witness wants to know what fails, beyond what is counted and logged.
type Witness interface {
	// Failed tells of an attempt that failed. The partition's goroutine calls it,
	// without the lock, or that of an attempt which has outlived it.
	Failed(err error)
	// Lost tells of items that were dropped, or taken by the dead letter, before
	// anybody who waits for their outcome knows of it. It is called under the
	// partition's lock, and may take a lock under which no other is taken.
	Lost(items int, outcome telemetry.Outcome, cause error)
}

// Progress is what a Flusher returns that got somewhere, though not to the end
// of what it was given: the attempts left are counted anew, with the shortest
// backoff. It changes nothing else that is said about Err, and counts as the
// outermost error only.
type Progress struct{ Err error }

// Error is the text of Err.
func (e *Progress) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Progress) Unwrap() error { return e.Err }

// Merge has the Store merge an item if it can, and is else Append by way of the
// Store. It is the fast path of a partition with a Store, for items that
// come without a size and without a link; where it reports false and no error,
// Accept has the answer. An error refuses the item. The hash is the Store's, of
// whatever it merges by.
func (p *Partition[T]) Merge(item T, hash uint64) (accepted bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock() // also where the user's code ends the goroutine
	if accepted, err = p.cfg.Store.Merge(p.fill.items, item, hash); accepted || err != nil {
		return accepted, err
	}
	if n := len(p.fill.items); uint(n-1) < p.fill.last {
		p.fill.items = append(p.fill.items, item)
		p.cfg.Store.Keep(n, item, hash)
		return true, nil
	}
	return false, nil
}

// merge has the Store merge an offer of one item, if it can. It requires that mu
// is held.
func (p *Partition[T]) merge(offer *Offer[T], link trace.SpanContext) (merged bool, err error) {
	if p.cfg.Store == nil || len(offer.Items) != 1 {
		return false, nil
	}
	return p.mergeOne(offer.Items[0], link)
}

// mergeOne is the rest of merge.
func (p *Partition[T]) mergeOne(item T, link trace.SpanContext) (merged bool, err error) {
	returned := false
	defer func() {
		if !returned { // the user's code ends the goroutine
			p.mu.Unlock()
		}
	}()
	merged, err = p.cfg.Store.Merge(p.fill.items, item, 0)
	returned = true
	if merged {
		p.fill.links.Add(link)
	}
	return merged, err
}

// store puts the last n items of the batch being filled through the Store. It
// requires that mu is held.
func (p *Partition[T]) store(n int) {
	for i := len(p.fill.items) - n; i < len(p.fill.items); i++ {
		p.cfg.Store.Keep(i, p.fill.items[i], 0)
	}
}
