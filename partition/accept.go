package partition

import (
	"math"
	"runtime"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/jitter"
	"github.com/go-databuffer/databuffer/telemetry"
)

// filling is the batch that inserts append to.
type filling[T any] struct {
	// last folds every question of the fast path into one unsigned compare:
	// an append to a batch of n items needs nothing else to happen while
	// uint(n-1) < last. It is the threshold less two, so that the first item
	// (n-1 wraps to the largest uint), the one that fills the batch, and a full
	// batch all go the slow way; in a closed partition it is 0, and so does
	// every item.
	last  uint
	items []T

	threshold int // items: MaxSize and this batch's jitter
	bytes     int
	oldest    time.Time       // when the first item was accepted
	flushAt   time.Time       // when the batch becomes due; zero: never, or empty
	due       bool            // it is to be closed when a slot comes free
	trigger   flusher.Trigger // why, where it is due
	links     telemetry.Links // of the inserts
	barriers  []*Barrier      // that wait for this batch
}

// Offer is what one insert brings. Nothing of it is kept but copies, so that it
// need not be on the heap; the link of the insert's span, of which parts are,
// comes beside it.
type Offer[T any] struct {
	Items []T
	Sizes []int // their bytes; nil where nobody measures them
}

// Append accepts an item if nothing else has to happen than an append: it
// neither begins nor fills a batch, and the partition is neither full nor
// closed. Otherwise it reports false, and Accept has the answer. It is for items
// that come without a size and without a link. The item is not kept but copied;
// by reference, that is once.
func (p *Partition[T]) Append(item *T) bool {
	p.mu.Lock()
	if n := len(p.fill.items); uint(n-1) < p.fill.last {
		p.fill.items = append(p.fill.items, *item)
		p.mu.Unlock()
		return true
	}
	p.mu.Unlock()
	return false
}

// AppendAll is Append for several items, all or none of them.
func (p *Partition[T]) AppendAll(items []T) bool {
	p.mu.Lock()
	n := uint(len(p.fill.items) - 1)
	if n < p.fill.last && uint(len(items)) <= p.fill.last-n {
		p.fill.items = append(p.fill.items, items...)
		p.mu.Unlock()
		return true
	}
	p.mu.Unlock()
	return false
}

// Accept takes everything that is offered, or refuses everything: with ErrFull
// or ErrClosed. It does not wait. What is more than fits into the batch being
// filled is accepted all the same, and waits in batches of its own.
func (p *Partition[T]) Accept(offer *Offer[T], link trace.SpanContext) error {
	p.mu.Lock()
	if p.full() && p.lagging() {
		// Inserts that keep every processor busy can fill a partition faster than
		// its goroutines get their turn. One turn now is all that is missing, and
		// cheaper than looking for room elsewhere: inserts from 64 goroutines on 2
		// processors were more than twice as slow without it.
		p.mu.Unlock()
		runtime.Gosched()
		p.mu.Lock()
	}
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	if p.full() {
		p.mu.Unlock()
		return ErrFull
	}
	sealed := p.take(offer, link)
	p.mu.Unlock()
	if sealed {
		p.signal()
	}
	return nil
}

// Displace is Accept for Overflow DropOldest: where the partition is full, the
// oldest filled batch that waits for a slot is dropped. ErrClosed is its only
// error.
func (p *Partition[T]) Displace(offer *Offer[T], link trace.SpanContext) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	dropped := 0
	if p.full() {
		dropped = p.dropOldest()
	}
	sealed := p.take(offer, link)
	p.mu.Unlock()
	if sealed {
		p.signal()
	}
	if dropped > 0 {
		p.cfg.Log.Dropped(telemetry.ClassOverflow, dropped, errOverflow)
	}
	return nil
}

// Refuse counts n items that were not accepted.
func (p *Partition[T]) Refuse(n int, reason telemetry.Reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stopped: // the counts are final
	default:
		p.rejected[reason] += n
	}
}

// full requires that mu is held. A slot that is free never leaves a filled
// batch behind: advance sees to that wherever one comes free.
func (p *Partition[T]) full() bool {
	return p.slots() < 0 || p.slots() == 0 && p.filled()
}

// lagging tells whether there is something to do that does not wait for the
// Flusher, but only for a processor: a batch to be launched, an attempt that has
// not begun to run, or one that has returned. It requires that mu is held.
func (p *Partition[T]) lagging() bool {
	return len(p.done) > 0 || p.starting.Load() > 0 || len(p.ready) > 0 && len(p.flights) < p.cfg.MaxInFlight
}

// slots is how many more batches may go in flight, once those that are ready
// have; negative where ready batches have to wait. It requires that mu is held.
func (p *Partition[T]) slots() int {
	return p.cfg.MaxInFlight - len(p.flights) - len(p.ready)
}

// filled tells whether the batch being filled has reached a threshold. It
// requires that mu is held.
func (p *Partition[T]) filled() bool {
	return len(p.fill.items) >= p.fill.threshold ||
		p.cfg.MaxBytes > 0 && p.fill.bytes >= p.cfg.MaxBytes
}

// take appends what is offered, closing each batch that it fills, and reports
// whether it closed any. It requires that mu is held.
func (p *Partition[T]) take(offer *Offer[T], link trace.SpanContext) (sealed bool) {
	items, sizes := offer.Items, offer.Sizes
	for len(items) > 0 {
		n, bytes := p.fit(items, sizes)
		if n == 0 {
			p.seal(p.reason(flusher.Bytes))
			sealed = true
			continue
		}
		if len(p.fill.items) == 0 {
			p.begin()
		}
		p.fill.items = append(p.fill.items, items[:n]...)
		p.fill.bytes = sum(p.fill.bytes, bytes)
		if link.IsValid() {
			p.fill.links.Add(link)
		}
		items = items[n:]
		if sizes != nil {
			sizes = sizes[n:]
		}
	}
	return p.advance() || sealed
}

// fit is how many of the items, and of their bytes, go into the batch being
// filled, up to the one that reaches a threshold. An item always goes into an
// empty batch. It requires that mu is held.
func (p *Partition[T]) fit(items []T, sizes []int) (n, bytes int) {
	if p.filled() {
		return 0, 0
	}
	n = min(len(items), p.fill.threshold-len(p.fill.items))
	if sizes == nil {
		return n, 0
	}
	limit, total := p.cfg.MaxBytes, p.fill.bytes
	for i, size := range sizes[:n] {
		switch {
		case limit == 0:
		case total >= limit, size > limit-total && len(p.fill.items)+i > 0:
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
	if p.alarm.IsZero() || t.Before(p.alarm) {
		p.alarm = t
		p.timer.Reset(t.Sub(now))
	}
}

// advance closes the batch being filled if it is time and a slot is free, and
// reports whether it did. It requires that mu is held.
func (p *Partition[T]) advance() bool {
	switch {
	case p.slots() <= 0 || len(p.fill.items) == 0:
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
	if len(p.fill.items) > 0 && !p.fill.due {
		p.fill.due, p.fill.trigger = true, trigger
	}
	p.advance()
}

// reason is why the batch being filled is closed: the threshold that it has
// reached, else what is given. It requires that mu is held.
func (p *Partition[T]) reason(otherwise flusher.Trigger) flusher.Trigger {
	switch {
	case len(p.fill.items) >= p.fill.threshold:
		return flusher.Size
	case p.cfg.MaxBytes > 0 && p.fill.bytes >= p.cfg.MaxBytes:
		return flusher.Bytes
	default:
		return otherwise
	}
}

// seal closes the batch being filled and begins an empty one. It requires that
// mu is held.
func (p *Partition[T]) seal(trigger flusher.Trigger) {
	p.sealed += len(p.fill.items)
	for _, barrier := range p.fill.barriers {
		barrier.items += len(p.fill.items)
	}
	p.ready = append(p.ready, newBatch(&p.fill, trigger))
	p.renew()
}

// renew begins an empty batch in a slice that has been used before, if one is
// free. It requires that mu is held.
func (p *Partition[T]) renew() {
	p.fill = filling[T]{threshold: jitter.Add(p.cfg.MaxSize, p.cfg.MaxSizeJitter)}
	if n := len(p.free); n > 0 {
		p.fill.items, p.free[n-1] = p.free[n-1], nil
		p.free = p.free[:n-1]
	}
	if !p.closed {
		p.fill.last = uint(max(p.fill.threshold-2, 0))
	}
}

// dropOldest makes room by dropping the oldest filled batch that waits for a
// slot, and returns how many items that were. It requires that mu is held and
// that the partition is full.
func (p *Partition[T]) dropOldest() int {
	if p.slots() == 0 {
		p.seal(flusher.Size)
	}
	first := max(p.cfg.MaxInFlight-len(p.flights), 0) // those before it have a slot
	b := p.ready[first]
	p.ready = append(p.ready[:first], p.ready[first+1:]...)
	p.settled[telemetry.Dropped][telemetry.ClassOverflow] += b.size
	for _, barrier := range b.barriers {
		barrier.settle(0, errOverflow)
		barrier.leave()
	}
	p.recycle(b)
	return b.size
}

// sum adds two sizes; past the largest int it stays there.
func sum(a, b int) int {
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}
