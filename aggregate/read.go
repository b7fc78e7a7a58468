package aggregate

import "iter"

// Get returns the value that is held for a key and was not handed to the Flusher
// yet; ok is false where there is none. It takes the lock of the key's partition
// for a moment.
//
// There may be two of a key for a moment, and during a Shutdown for longer: one
// in a batch that is full or due and about to be handed over, and one in the next
// batch. Get returns the newest, and does not merge them, since what merge does
// to a value it does for good; All has both.
//
// The value is a copy. What it points to, if it does, is not: merge may be at
// work on that.
func (a *Aggregator[K, V]) Get(key K) (value V, ok bool) {
	h := hash(key)
	at := a.route(h)
	s := a.stores[at]
	filling := true
	a.partitions[at].Look(func(entries []Entry[K, V]) (more bool) {
		var i int
		if filling {
			i, ok = s.index.find(entries, key, h)
			filling = false
		} else {
			// No index is kept for these: they are hardly ever there, and not for long.
			for i = 0; i < len(entries) && entries[i].Key != key; i++ {
			}
			ok = i < len(entries)
		}
		if ok {
			value = entries[i].Value
		}
		return !ok
	})
	return value, ok
}

// All yields what is held and was not handed to the Flusher yet: the keys and
// values that Len counts, partition by partition, each in the order in which the
// keys came. It takes a snapshot of a partition when it comes to it, under its
// lock, and yields without: the loop may take its time, and may call the
// Aggregator. A key that is in two batches comes twice, the newer last; see Get,
// also for values that point to something.
func (a *Aggregator[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, p := range a.partitions {
			for _, entry := range p.Dump() {
				if !yield(entry.Key, entry.Value) {
					return
				}
			}
		}
	}
}

// Len is how many entries are held and were not handed to the Flusher yet. It
// takes each partition's lock for a moment.
func (a *Aggregator[K, V]) Len() int { return a.buffer.Size() }
