package partition

import (
	"runtime"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// Offer is what one insert brings. Nothing of it is kept but copies, so that it
// need not be on the heap; the link of the insert's span, of which parts are,
// comes beside it.
type Offer[T any] struct {
	Items []T
	Sizes []int // their bytes; nil where nobody measures them
}

// Append accepts an item if nothing else has to happen than an append: it
// neither begins nor fills a batch, its slice has room, and the partition is
// neither full nor closed. Otherwise it reports false, and Accept has the answer.
// It is for items that come without a size and without a link. The item is not
// kept but copied; by reference, that is once.
func (p *Partition[T]) Append(item *T) bool {
	p.mu.Lock()
	if n := len(p.fill.items); uint(n-1) < p.fill.last && n < cap(p.fill.items) {
		// In place: append would copy the item twice.
		p.fill.items = p.fill.items[:n+1]
		p.fill.items[n] = *item
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
	if merged, err := p.merge(offer, link); merged || err != nil {
		p.mu.Unlock()
		return err
	}
	if merged, err := p.giveWay(offer, link); merged || err != nil {
		p.mu.Unlock()
		return err
	}
	if p.closed.Load() {
		p.mu.Unlock()
		return ErrClosed
	}
	if p.full() {
		p.mu.Unlock()
		return ErrFull
	}
	sealed := p.take(offer, link)
	full := p.cfg.Store != nil && p.full()
	p.mu.Unlock()
	if sealed {
		p.signal()
	}
	if full {
		// Those who wait look whether they can be merged into what the batch holds
		// now: it will hold nothing else.
		p.Waiters.Wake(p.Waiters.Len())
	}
	return nil
}

// maxTurns is how often an insert gives way to the partition's goroutines before
// it takes a partition for full that is so only because they have not had their
// turn. Inserts that keep every processor busy can fill a partition faster than
// its goroutines get one: from 64 goroutines on 2 processors they were more than
// twice as slow without. And where another processor is at it, some 16 turns are
// as long as a flush takes that does nothing, and cheaper than to sleep and be
// woken.
const maxTurns = 16

// giveWay lets the partition's goroutines have a few turns, where it is full only
// because they lag behind. The offer may be merged then after all. It requires
// that mu is held, which it lets go meanwhile.
func (p *Partition[T]) giveWay(offer *Offer[T], link trace.SpanContext) (merged bool, err error) {
	for turn := 0; turn < maxTurns && p.full() && p.lagging(); turn++ {
		p.mu.Unlock()
		runtime.Gosched()
		p.mu.Lock()
		if merged, err := p.merge(offer, link); merged || err != nil {
			return merged, err
		}
	}
	return false, nil
}

// Displace is Accept for Overflow DropOldest: where the partition is full, the
// oldest filled batch that waits for a slot is dropped, and more of them as long
// as more items come in than that made room for. ErrClosed is its only error.
func (p *Partition[T]) Displace(offer *Offer[T], link trace.SpanContext) error {
	p.mu.Lock()
	if merged, err := p.merge(offer, link); merged || err != nil {
		p.mu.Unlock()
		return err
	}
	if merged, err := p.giveWay(offer, link); merged || err != nil {
		p.mu.Unlock()
		return err
	}
	if p.closed.Load() {
		p.mu.Unlock()
		return ErrClosed
	}
	dropped := 0
	for p.full() && dropped < len(offer.Items) {
		dropped += p.dropOldest()
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

// Refuse counts n items that were not accepted, until Left was called.
func (p *Partition[T]) Refuse(n int, reason telemetry.Reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.final {
		p.rejected[reason] += n
	}
}

// lagging tells whether there is something to do that does not wait for the
// Flusher, but only for a processor: a batch to be launched, an attempt that has
// not begun to run, or one that has returned. It requires that mu is held.
func (p *Partition[T]) lagging() bool {
	return p.behind.Load() > 0 || len(p.ready) > 0 && len(p.flights) < p.cfg.MaxInFlight
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
		if p.fill.size() == 0 {
			p.begin()
		}
		if p.cfg.Pages != nil {
			p.write(items[:n])
		} else {
			p.fill.items = append(p.fill.items, items[:n]...)
			p.fill.bytes = sum(p.fill.bytes, bytes)
		}
		if p.cfg.Store != nil {
			p.store(n)
		}
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

// dropOldest makes room by dropping the oldest filled batch that waits for a
// slot, and returns how many items that were. It requires that mu is held and
// that the partition is full.
func (p *Partition[T]) dropOldest() int {
	if p.slots() == 0 {
		p.seal(p.reason(flusher.Size))
	}
	first := max(p.cfg.MaxInFlight-len(p.flights), 0) // those before it have a slot
	b := p.ready[first]
	if first == 0 {
		p.shift(1)
	} else {
		p.ready = slices.Delete(p.ready, first, first+1)
	}
	p.gate()
	p.settled[telemetry.Dropped][telemetry.ClassOverflow] += b.size
	if p.cfg.Witness != nil {
		p.cfg.Witness.Lost(b.size, telemetry.Dropped, errOverflow)
	}
	for _, barrier := range b.barriers {
		barrier.settle(0, errOverflow)
		barrier.leave()
	}
	dropped := b.size
	p.recycle(b)
	return dropped
}
