package aggregate_test

import (
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/partition"
)

// look holds everything against each other, where all is quiet.
func (w *world) look() {
	if w.t.Failed() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	info := w.a.Info()
	buffertest.Check(w.t, info)
	most := (w.cfg.MaxSize + w.cfg.MaxSizeJitter) * (1 + w.cfg.MaxInFlight)
	for _, p := range info.Partitions {
		if c := p.Counts; c.Buffered+c.InFlight > most {
			w.t.Errorf("%d entries are held, %d at most may be", c.Buffered+c.InFlight, most)
		}
	}
	held, newest := w.snapshot()
	if len(held) != info.Total.Buffered || w.a.Len() != len(held) {
		w.t.Errorf("All has %d entries, Len says %d, and Info %d", len(held), w.a.Len(), info.Total.Buffered)
	}
	for key := range keys {
		value, ok := w.a.Get(key)
		if n, held := newest[key]; ok != held || ok && value[0] != n && w.born[value[0]] < w.born[n] {
			w.t.Errorf("Get(%d) is %v, %v", key, value, ok)
		}
	}
	if w.cfg.Overflow == buffer.DropOldest {
		w.displaced(held)
	}
	w.held = held
	for n, key := range w.waiting {
		if _, held := newest[key]; held && !w.closed {
			w.t.Errorf("the Add %d waits, though its key %d is held", n, key)
		}
	}
	// Each partition's counts are final once it has stopped.
	if info.Total.Rejected > w.refused+w.perhaps || !w.closed && (info.Total.Rejected != w.refused || info.Waiting != len(w.waiting)) {
		w.t.Errorf("%d Adds were refused and %d wait: %+v", w.refused, len(w.waiting), info)
	}
	if !w.closed {
		w.tally(info.Total)
	}
}

// displaced notes what an Add of this step has displaced. It requires that mu is
// held.
func (w *world) displaced(held map[int]list) {
	for n, e := range w.held {
		_, stays := held[n]
		_, seen := w.seen[n]
		_, back := w.returned[n]
		if !stays && !seen && !back && !w.closed {
			w.lost[n] = e
		}
	}
}

// snapshot is what All yields, and the newest entry of each key in it, or one of
// those that are as new. It requires that mu is held.
func (w *world) snapshot() (held map[int]list, newest map[int]int) {
	held, newest = map[int]list{}, map[int]int{}
	w.looks++
	for key, value := range w.a.All() {
		n := value[0]
		held[n] = list{Key: key, Value: value, Count: positive(value)}
		if w.born[n] == 0 {
			w.born[n] = w.looks
		}
		if before, ok := newest[key]; !ok || w.born[before] <= w.born[n] {
			newest[key] = n
		}
	}
	return held, newest
}

func positive(value serials) (count uint64) {
	for _, n := range value {
		if n > 0 {
			count++
		}
	}
	return count
}

// tally finds every Add in one entry, and every entry in one place. It requires
// that mu is held.
func (w *world) tally(c partition.Counts) {
	entries, found, sum := map[int]bool{}, map[int]int{}, uint64(0)
	for _, place := range []map[int]list{w.held, w.seen, w.lost, w.returned} {
		for begun, e := range place {
			if entries[begun] {
				continue // returned as well, or retried
			}
			entries[begun] = true
			sum += e.Count
			if e.Count != positive(e.Value) {
				w.t.Errorf("the Count of %v", e)
			}
			for _, n := range e.Value {
				if n < 0 {
					continue
				}
				if before, twice := found[n]; twice || !w.accepted[n] {
					w.t.Errorf("the Add %d is in %v, and in that of %d; accepted: %v", n, e, before, w.accepted[n])
				}
				found[n] = begun
			}
		}
	}
	if len(found) != len(w.accepted) || sum != uint64(len(w.accepted)) || len(entries) != c.Accepted {
		w.t.Errorf("%d Adds were accepted, %d were found, the sum of Count is %d; %d entries: %+v", len(w.accepted), len(found), sum, len(entries), c)
	}
}

// settled is the end: everything has its outcome.
func (w *world) settled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	info := w.a.Info()
	buffertest.CheckSettled(w.t, info)
	c := info.Total
	w.tally(c)
	if c.Returned != len(w.returned) || len(w.held)+len(w.waiting) != 0 {
		w.t.Errorf("something is left: %+v, %v", c, w.held)
	}
	if n := len(w.seen) + len(w.lost); c.Delivered+c.DeadLettered+c.Dropped > n {
		w.t.Errorf("%d entries were handed over or displaced: %+v", n, c)
	}
	// What was taken too late may not count.
	for i, n := range []int{c.Delivered, c.DeadLettered} {
		if n > len(w.taken[i]) {
			w.t.Errorf("sink %d has taken %d entries, but %d are counted", i, len(w.taken[i]), n)
		}
	}
	if n := len(w.taken[0]); w.cfg.FlushTimeout < 0 && w.given == nil && c.Delivered != n {
		w.t.Errorf("the Flusher has taken %d entries, all in time, but %d are counted", n, c.Delivered)
	}
}
