package partition

import (
	"math"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/jitter"
	"github.com/go-databuffer/databuffer/telemetry"
)

// filling is the batch that inserts append to.
type filling[T any] struct {
	// last folds every question of the fast path into one unsigned compare:
	// an append to a batch of n items needs nothing else to happen while
	// uint(n-1) < last. It is the threshold less two, so that the first item
	// (n-1 wraps to the largest uint), the one that fills the batch, and those
	// that come to a full batch all go the slow way; so does every item that
	// comes to a closed partition, where the batch stays empty. It is 0, and the
	// fast path closed, while a filled batch waits for a slot, and with Pages once an
	// SDK wants the spans of inserts; without, that is the buffer's to look at.
	last  uint
	items []T
	page  []byte // with Pages, in place of items: their bytes
	ends  []int  // and where each ends

	batch     *batch[T]       // what it is closed into, whose slice items is
	threshold int             // items: MaxSize and this batch's jitter
	bytes     int             // without Pages
	oldest    time.Time       // when the first item was accepted
	flushAt   time.Time       // when the batch becomes due; zero: never, or empty
	due       bool            // it is to be closed when a slot comes free
	trigger   flusher.Trigger // why, where it is due
	links     telemetry.Links // of the inserts
	barriers  []*Barrier      // that wait for this batch
}

// size is how many items are held.
func (fill *filling[T]) size() int { return len(fill.items) + len(fill.ends) }

// volume is their bytes, where they are measured.
func (fill *filling[T]) volume() int { return fill.bytes + len(fill.page) }

// full is true when a filled batch waits for a slot, or the batch being filled
// has reached its threshold and all slots are taken. It requires that mu is held.
func (p *Partition[T]) full() bool {
	return p.slots() < 0 || p.slots() == 0 && p.filled()
}

// slots is how many more batches may go in flight, once those that are ready
// have; negative where ready batches have to wait. It requires that mu is held.
func (p *Partition[T]) slots() int {
	return p.cfg.MaxInFlight - len(p.flights) - len(p.ready)
}

// filled tells whether the batch being filled has reached a threshold. It
// requires that mu is held.
func (p *Partition[T]) filled() bool {
	return p.fill.size() >= p.fill.threshold ||
		p.cfg.MaxBytes > 0 && p.fill.volume() >= p.cfg.MaxBytes
}

// fit is how many of the items, and of their bytes, go into the batch being
// filled, up to the one that reaches a threshold. An item always goes into an
// empty batch. It requires that mu is held.
func (p *Partition[T]) fit(items []T, sizes []int) (n, bytes int) {
	if p.filled() {
		return 0, 0
	}
	n = min(len(items), p.fill.threshold-p.fill.size())
	if sizes == nil {
		return n, 0
	}
	limit, total := p.cfg.MaxBytes, p.fill.volume()
	for i, size := range sizes[:n] {
		switch {
		case limit == 0:
		case total >= limit, size > limit-total && p.fill.size()+i > 0:
			return i, bytes
		}
		bytes, total = sum(bytes, size), sum(total, size)
	}
	return n, bytes
}

// begin notes the time of a batch's first item and sets the alarm for when the
// batch will be due. It requires that mu is held.
func (p *Partition[T]) begin() {
	now := time.Now()
	p.fill.oldest = now
	if p.cfg.FlushInterval <= 0 {
		return
	}
	p.fill.flushAt = now.Add(jitter.Add(p.cfg.FlushInterval, p.cfg.FlushJitter))
	p.alert(now, p.fill.flushAt)
}

// alert has the timer go off at t or earlier. An alarm that is already set for
// an earlier time stays: run looks at all that is due and sets the next. So a
// busy partition touches its timer once an interval, not once a batch. It
// requires that mu is held.
func (p *Partition[T]) alert(now, t time.Time) {
	switch {
	case !t.After(now):
		p.signal()
	case p.alarm.IsZero() || t.Before(p.alarm):
		p.alarm = t
		p.timer.Reset(max(time.Until(t), 1)) // now may be long ago
	}
}

// advance closes the batch being filled if it is time and a slot is free, and
// reports whether it did. It requires that mu is held.
func (p *Partition[T]) advance() bool {
	switch {
	case p.slots() <= 0 || p.fill.size() == 0:
		return false
	case p.filled():
		p.seal(p.reason(flusher.Size))
	case p.fill.due:
		p.seal(p.fill.trigger)
	default:
		return false
	}
	return true
}

// mark makes the batch being filled due: it is closed at once where a slot is
// free, and otherwise when one comes free. It requires that mu is held.
func (p *Partition[T]) mark(trigger flusher.Trigger) {
	if p.fill.size() > 0 && !p.fill.due {
		p.fill.due, p.fill.trigger = true, trigger
	}
	p.advance()
}

// reason is why the batch being filled is closed: the threshold that it has
// reached, else what is given. It requires that mu is held.
func (p *Partition[T]) reason(otherwise flusher.Trigger) flusher.Trigger {
	switch {
	case p.fill.size() >= p.fill.threshold:
		return flusher.Size
	case p.cfg.MaxBytes > 0 && p.fill.volume() >= p.cfg.MaxBytes:
		return flusher.Bytes
	default:
		return otherwise
	}
}

// seal closes the batch being filled and begins an empty one. It requires that
// mu is held.
func (p *Partition[T]) seal(trigger flusher.Trigger) {
	p.sealed += p.fill.size()
	for _, barrier := range p.fill.barriers {
		barrier.items += p.fill.size()
	}
	p.ready = append(p.ready, p.fill.close(trigger))
	if p.cfg.Store != nil {
		p.cfg.Store.Sealed()
	}
	p.renew()
}

// renew begins an empty batch, in the slice of one that has been used before, if
// one is free. It requires that mu is held.
func (p *Partition[T]) renew() {
	var b *batch[T]
	if n := len(p.free); n > 0 {
		b, p.free[n-1] = p.free[n-1], nil
		p.free = p.free[:n-1]
	} else {
		b = new(batch[T])
	}
	p.fill = filling[T]{
		batch:     b,
		items:     b.items,
		page:      b.page,
		ends:      b.ends,
		threshold: jitter.Add(p.cfg.MaxSize, p.cfg.MaxSizeJitter),
	}
	p.gate()
}

// gate opens the fast path, or closes it while a filled batch waits for a slot:
// the partition is full then, though the next batch may be begun. It requires
// that mu is held, and follows whatever changes slots, and the first span of an SDK.
func (p *Partition[T]) gate() {
	p.fill.last = 0
	if p.slots() >= 0 && (p.cfg.Pages == nil || !p.cfg.Recorder.Tracing()) {
		p.fill.last = uint(max(p.fill.threshold-2, 0))
	}
}

// sum adds two sizes; past the largest int it stays there.
func sum(a, b int) int {
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}
