package partition

import (
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/telemetry"
)

// giveBack settles everything that has no outcome when the grace of Abort is
// over: it is returned to the caller of Shutdown.
func (p *Partition[T]) giveBack() {
	now := time.Now()
	for _, b := range p.flights {
		p.giveBackFlight(b, now)
	}
	p.turn(now)

	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.ready {
		p.undelivered = p.show(p.undelivered, b.items, b.page, b.ends)
		p.settled[telemetry.Returned][telemetry.ClassShutdown] += b.size
		for _, barrier := range b.barriers {
			barrier.settle(0, ErrClosed)
			barrier.leave()
		}
	}
	p.ready = nil
}

// giveBackFlight is giveBack for a batch in flight.
func (p *Partition[T]) giveBackFlight(b *batch[T], now time.Time) {
	if a := b.running; a != nil {
		b.running, b.shared = nil, true
		begun := !a.claimed.CompareAndSwap(false, true) // else it will not
		if begun {
			p.cfg.Recorder.Attempted(now.Sub(a.started), telemetry.ClassShutdown)
		}
		if !a.content.settled {
			p.giveBackContent(b, a.content, begun)
		}
	}
	for _, c := range slices.Backward(b.todo) {
		p.giveBackContent(b, c, false)
	}
	b.todo = nil
}

// giveBackContent is giveBack for a content, over which an attempt runs or not.
func (p *Partition[T]) giveBackContent(b *batch[T], c *content[T], running bool) {
	p.unpack(b, c)
	if running || slices.ContainsFunc(p.abandoned, func(a *attempt[T]) bool { return c.coveredBy(a.content) }) {
		p.inDoubt = append(p.inDoubt, c.items...)
	} else {
		p.undelivered = append(p.undelivered, c.items...)
	}
	p.settle(b, c.size, telemetry.Returned, telemetry.ClassShutdown, ErrClosed)
}
