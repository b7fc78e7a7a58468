package buffer_test

import (
	"math"
	"testing/synctest"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/partition"
)

// watch looks at the buffer again and again, until stop is closed.
func (w *world) watch(stop <-chan struct{}) {
	began := time.Now()
	largestBatch := 0
	for _, a := range w.scene.actors {
		for _, o := range a.ops {
			largestBatch = max(largestBatch, o.items)
		}
	}
	aborting := time.Duration(math.MaxInt64)
	for _, sh := range w.scene.shutdowns {
		if sh.deadline != 0 {
			aborting = min(aborting, sh.at+max(sh.deadline, 0))
		}
	}
	for {
		select {
		case <-stop:
			return
		case <-time.After(137 * time.Millisecond):
		}
		synctest.Wait()
		info := w.buf.Info()
		buffertest.Check(w.t, info)
		for _, p := range info.Partitions {
			w.bounded(p, largestBatch)
			if time.Since(began) < aborting { // nothing is flushed after that
				w.prompt(p)
			}
		}
		w.waiting(info)
		w.held(info)
	}
}

// bounded checks what a partition holds, where all is quiet.
func (w *world) bounded(p partition.Info, batch int) {
	c, cfg := p.Counts, w.cfg
	if most := (cfg.MaxSize+cfg.MaxSizeJitter)*(1+cfg.MaxInFlight) + batch; c.Buffered+c.InFlight > most {
		w.t.Errorf("%d items are held, %d at most may be", c.Buffered+c.InFlight, most)
	}
	if p.Batches > cfg.MaxInFlight || c.InFlight > 0 && p.Batches == 0 {
		w.t.Errorf("%d batches are in flight: %+v", p.Batches, c)
	}
	if p.FlushSize < cfg.MaxSize || p.FlushSize > cfg.MaxSize+cfg.MaxSizeJitter {
		w.t.Errorf("a threshold of %d", p.FlushSize)
	}
}

// prompt checks that nothing waits in the partition that need not.
func (w *world) prompt(p partition.Info) {
	c, cfg := p.Counts, w.cfg
	if p.Batches < cfg.MaxInFlight && (c.Buffered >= p.FlushSize || c.Buffered > 0 && !p.FlushAt.IsZero() && time.Now().After(p.FlushAt)) {
		w.t.Errorf("a batch is due and there is a slot: %+v", p)
	}
}

// waiting checks that no insert waits that need not.
func (w *world) waiting(info buffer.Info) {
	if info.Waiting == 0 {
		return
	}
	if w.closes() {
		w.t.Errorf("an insert waits after Shutdown was called")
	}
	bound := w.cfg.Key != nil // to a partition
	for _, a := range w.scene.actors {
		bound = bound || a.pinned
	}
	full := 0
	for _, p := range info.Partitions {
		if w.full(p) {
			full++
		}
	}
	if full == 0 || !bound && full < len(info.Partitions) {
		w.t.Errorf("an insert waits though there is room: %+v", info)
	}
}

// full tells whether the partition may have no room, as far as its Info shows.
func (w *world) full(p partition.Info) bool {
	return p.Batches >= w.cfg.MaxInFlight &&
		(p.Counts.Buffered >= w.cfg.MaxSize || w.cfg.MaxBytes > 0 && p.Bytes > w.cfg.MaxBytes-largest)
}

// held finds everything that is accepted, where all is quiet: it is in a Dump, or
// was handed over, or was displaced or given back.
func (w *world) held(info buffer.Info) {
	items := w.buf.Dump()
	if len(items) != info.Total.Buffered || w.buf.Size() != info.Total.Buffered {
		w.t.Errorf("Dump has %d items, Size says %d, and Info %d", len(items), w.buf.Size(), info.Total.Buffered)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	bytes, dumped := 0, map[int]bool{}
	for _, item := range items {
		bytes += sizeOf(item)
		if dumped[item] || w.seen[item] || !w.accepted[item] && !w.open[item] {
			w.t.Errorf("item %d is in a Dump: twice, or after it was handed over, or it was not accepted", item)
		}
		dumped[item] = true
	}
	open := 0
	if w.cfg.Key != nil {
		open = len(w.open)
	}
	if n := info.Total.Accepted; w.over.IsZero() && (n < len(w.accepted) || n > len(w.accepted)+open) {
		w.t.Errorf("%d items were accepted, and %d are open, but %d are counted", len(w.accepted), open, n)
	}
	lost := 0
	for item := range w.accepted {
		if !w.seen[item] && !dumped[item] {
			lost++
		}
	}
	if lost > info.Total.Returned+w.displaced(info.Total) {
		w.t.Errorf("%d accepted items are nowhere: %+v", lost, info.Total)
	}
	told := 0
	for _, p := range info.Partitions {
		told += p.Bytes
	}
	if w.cfg.SizeOf != nil && told != bytes {
		w.t.Errorf("%d bytes are buffered, but %d are told", bytes, told)
	}
}

// displaced is how many items may have been dropped without an attempt.
func (w *world) displaced(c partition.Counts) int {
	if w.cfg.Overflow == buffer.DropOldest {
		return c.Dropped
	}
	return 0
}
