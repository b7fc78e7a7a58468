package writer

import "slices"

// firstArena is how large an arena is at first, where MaxBytes is more.
const firstArena = 64 << 10

// arena keeps the bytes of the batch being filled one after another, so that
// they can be written in one call, without being copied again. It is owned by
// its partition, whose lock is held in every method.
type arena struct {
	*failures // makes it the partition's Witness, too

	most int      // MaxBytes
	size int      // of the next arena; at most most
	open []byte   // of the batch being filled
	free [][]byte // of batches that are settled
}

func newArena(most int, witness *failures) *arena {
	return &arena{failures: witness, most: most, size: min(most, firstArena)}
}

// Merge merges nothing.
func (a *arena) Merge([][]byte, []byte) (bool, error) { return false, nil }

// Keep copies a Write into the arena. What it returns has the rest of the arena
// as its capacity, which is how join finds the Writes that follow it. A Write of
// more than MaxBytes has been copied by whoever brought it: under the lock
// everybody else would wait for that.
func (a *arena) Keep(_ int, p []byte) []byte {
	n := len(a.open)
	if len(p) > cap(a.open)-n {
		if len(p) > a.most {
			return p
		}
		a.extend(len(p))
		n = 0
	}
	a.open = a.open[:n+len(p)]
	copy(a.open[n:], p)
	return a.open[n:]
}

// extend makes room for n bytes, which are at most MaxBytes. A batch that
// outgrows its arena goes on in one twice as large; the part before stays where
// it is, and join copies. Later arenas are as large from the start, so that this
// is over once they suffice.
func (a *arena) extend(n int) {
	if cap(a.open) > 0 {
		a.double()
	}
	for a.size < n {
		a.double()
	}
	a.open = nil
	for len(a.free) > 0 && a.open == nil {
		last := len(a.free) - 1
		if cap(a.free[last]) >= a.size {
			a.open = a.free[last]
		}
		a.free[last] = nil
		a.free = a.free[:last]
	}
	if a.open == nil {
		a.open = make([]byte, 0, a.size)
	}
}

// double stops at MaxBytes.
func (a *arena) double() {
	if a.size > a.most/2 {
		a.size = a.most
	} else {
		a.size *= 2
	}
}

// Sealed leaves the arena to the batch that was closed.
func (a *arena) Sealed() {
	if len(a.open) > 0 { // else the batch was a Write of more than MaxBytes
		a.open = nil
	}
}

// Free takes an arena back. One batch is filled while another is written: two
// are all that is ever needed.
func (a *arena) Free(items [][]byte) {
	first := items[0]
	if cap(first) >= a.size && len(first) <= a.most && len(a.free) < 2 {
		a.free = append(a.free, first[:0])
	}
}

// join is the bytes of the Writes, of which there is at least one, in one piece:
// without a copy where they stand in one arena. They do where the last one is as
// far behind the first as their capacities say, since an arena that was left for
// a larger one is never come back to.
func join(writes [][]byte) []byte {
	first, last := writes[0], writes[len(writes)-1]
	at := cap(first) - cap(last)
	if at < 0 || &first[:cap(first)][at] != &last[0] {
		return slices.Concat(writes...)
	}
	return first[:at+len(last)]
}
