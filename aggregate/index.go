package aggregate

import "math"

// index knows where in the batch being filled the entry of a key is: an
// open-addressed hash table with linear probing (Knuth, The Art of Computer
// Programming, volume 3, section 6.4, algorithm L). It is no map of Go's since the
// hash of a key is there already, having chosen its partition, and the keys stand
// in the entries.
type index[K comparable, V any] struct {
	slots []slot // a power of two of them, of which half are free
	used  int
}

// slot is one entry: the low half of its key's hash, which says where in a table
// of any size it belongs, and its place in the batch and one; 0 is free.
type slot struct{ hash, place uint32 }

// minSlots is how many slots there are at least.
const minSlots = 16

// newIndex has room for n keys.
func newIndex[K comparable, V any](n int) index[K, V] {
	size := minSlots
	for size/2 < n {
		size *= 2
	}
	return index[K, V]{slots: make([]slot, size)}
}

// find looks a key up. A NaN is never there, as it equals nothing.
func (x *index[K, V]) find(entries []Entry[K, V], key K, hash uint64) (i int, ok bool) {
	low, mask := uint32(hash), uint32(len(x.slots)-1)
	for at := low & mask; ; at = (at + 1) & mask {
		s := x.slots[at]
		if s.place == 0 {
			return 0, false
		}
		if s.hash == low && entries[s.place-1].Key == key {
			return int(s.place - 1), true
		}
	}
}

// add notes the place of a key that is not there. After 2147483647 of them, which
// are some 100 GB, each is an entry of its own.
func (x *index[K, V]) add(i int, hash uint64) {
	if i >= math.MaxInt32 {
		return
	}
	if x.used++; x.used > len(x.slots)/2 {
		old := x.slots
		x.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.place != 0 {
				x.put(s)
			}
		}
	}
	x.put(slot{uint32(hash), uint32(i) + 1})
}

// put takes the first free slot.
func (x *index[K, V]) put(s slot) {
	mask := uint32(len(x.slots) - 1)
	at := s.hash & mask
	for x.slots[at].place != 0 {
		at = (at + 1) & mask
	}
	x.slots[at] = s
}

// reset forgets all keys. It keeps the table, so that filling it again costs
// little; but clearing takes as long as it is large, and so one that has become
// much too large makes place for a new one.
func (x *index[K, V]) reset() {
	const tooLarge, small = 32, 4096
	if len(x.slots) > small && len(x.slots)/tooLarge > x.used {
		*x = newIndex[K, V](x.used)
		return
	}
	clear(x.slots)
	x.used = 0
}
