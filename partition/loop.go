package partition

import (
	"context"
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// run owns the batches in flight. It sleeps until an insert has closed a batch,
// an attempt has returned, the alarm goes off, or Close or Abort was called;
// each time it looks at all of it.
func (p *Partition[T]) run(ctx context.Context) {
	defer p.timer.Stop()
	defer p.cancel(ErrClosed) // attempts that are left over have been told by now
	defer close(p.stopped)
	for !p.step(ctx, time.Now()) {
		select {
		case <-p.wake:
		case <-p.timer.C:
			p.mu.Lock()
			p.alarm = time.Time{}
			p.mu.Unlock()
		}
	}
}

// step does all that is to be done now, and reports whether nothing is left.
func (p *Partition[T]) step(ctx context.Context, now time.Time) (finished bool) {
	p.mu.Lock()
	done, closed, aborted := p.done, p.closed, p.aborted
	p.done, p.collected = p.collected[:0], done // two slices in turn
	p.mu.Unlock()

	for _, a := range done {
		p.end(a, now, aborted)
	}
	clear(done)
	switch {
	case aborted:
		p.land(now)
		if p.graceEnds.IsZero() {
			p.graceEnds = now.Add(p.cfg.FlushGrace)
		}
		if !p.mayChange() || !now.Before(p.graceEnds) {
			p.giveBack()
			return true
		}
	default:
		if closed && !p.draining {
			p.draining = true
			p.endBackoffs()
		}
		p.abandonOverdue(now)
		p.land(now)
		p.dispatch(ctx, now)
		if closed && p.empty() {
			return true
		}
	}
	p.setAlarm(now)
	return false
}

// dispatch begins the attempts that are due: over the batches in flight, then
// over those that are ready, while slots are free.
func (p *Partition[T]) dispatch(ctx context.Context, now time.Time) {
	for _, b := range p.flights {
		if c := b.next(); b.running == nil && c != nil && !now.Before(c.notBefore) {
			p.resume(ctx, b, c, now)
		}
	}
	for {
		b := p.launch(now)
		if b == nil {
			return
		}
		b.started = now
		_, b.flush = p.cfg.Recorder.StartFlush(ctx, telemetry.FlushInfo{
			Partition: p.cfg.Index,
			Items:     b.size,
			Trigger:   uint8(b.trigger),
			ID:        b.first.id,
			Links:     &b.links,
		})
		p.cfg.Recorder.Batch(uint8(b.trigger), b.size, max(now.Sub(b.oldest), 0)) // an item may be newer than this step
		p.start(ctx, b, &b.first, now)
	}
}

// launch takes the oldest batch that is ready into a free slot, after closing
// the one being filled where that is due; nil where there is none or no slot.
func (p *Partition[T]) launch(now time.Time) *batch[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	if flushAt := p.fill.flushAt; !flushAt.IsZero() && !now.Before(flushAt) {
		p.mark(flusher.Interval)
	}
	p.advance()
	if len(p.ready) == 0 || len(p.flights) >= p.cfg.MaxInFlight {
		return nil
	}
	b := p.ready[0]
	p.ready = slices.Delete(p.ready, 0, 1)
	p.flights = append(p.flights, b)
	p.inFlight += b.size
	b.first = content[T]{items: b.items, id: p.newID()}
	return b
}

// newID requires that run is the caller.
func (p *Partition[T]) newID() flusher.ID {
	p.sequence++
	return flusher.NewID(p.cfg.Seed, uint16(p.cfg.Index), p.sequence)
}

// resume begins another attempt of a batch in flight.
func (p *Partition[T]) resume(ctx context.Context, b *batch[T], c *content[T], now time.Time) {
	b.pop()
	if c.attempt > 0 {
		p.mu.Lock()
		p.retried += len(c.items)
		p.mu.Unlock()
	}
	p.start(ctx, b, c, now)
}

// abandonOverdue gives up waiting for attempts whose grace is over. Only one of
// a partition may be abandoned at a time, so that a Flusher that never returns
// holds a bounded number of goroutines and slices; the others keep their slots
// until it has returned.
func (p *Partition[T]) abandonOverdue(now time.Time) {
	for _, b := range p.flights {
		a := b.running
		if a == nil || len(p.abandoned) > 0 || a.giveUpAt.IsZero() || now.Before(a.giveUpAt) {
			continue
		}
		a.abandoned = true
		p.abandoned = append(p.abandoned, a)
		b.running, b.shared = nil, true
		p.mu.Lock()
		p.lost += len(a.content.items)
		p.stray++
		p.mu.Unlock()
		f := p.overdue()
		p.cfg.Recorder.Attempted(now.Sub(a.started), f.class)
		if a.content.settled {
			continue // by the late success of the one abandoned before
		}
		p.cfg.Log.Abandoned(len(a.content.items), f.err)
		p.fail(b, a.content, f, now)
	}
}

// endBackoffs lets every batch in flight have its next attempt now.
func (p *Partition[T]) endBackoffs() {
	for _, b := range p.flights {
		for _, c := range b.todo {
			c.notBefore = time.Time{}
		}
	}
}

// mayChange tells whether an attempt still runs that could give items an
// outcome.
func (p *Partition[T]) mayChange() bool {
	for _, b := range p.flights {
		if b.running != nil && !b.running.content.settled {
			return true
		}
		for _, c := range b.todo {
			for _, a := range p.abandoned {
				if c.within(a.content) {
					return true
				}
			}
		}
	}
	return false
}

// empty tells whether everything that was accepted has its outcome, and no
// attempt holds a slot.
func (p *Partition[T]) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.flights) == 0 && len(p.ready) == 0 && len(p.fill.items) == 0
}

// setAlarm sets the timer for what is due next.
func (p *Partition[T]) setAlarm(now time.Time) {
	if !p.graceEnds.IsZero() {
		p.wakeAt(now, p.graceEnds) // nothing else is due any more
		return
	}
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, b := range p.flights {
		switch c := b.next(); {
		case b.running != nil && len(p.abandoned) == 0:
			sooner(b.running.giveUpAt)
		case b.running == nil && c != nil:
			sooner(c.notBefore)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.fill.items) > 0 && !p.fill.due {
		sooner(p.fill.flushAt)
	}
	if !next.IsZero() {
		p.alert(now, next)
	}
}

// wakeAt is alert for whoever does not hold mu.
func (p *Partition[T]) wakeAt(now, t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alert(now, t)
}
