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
		<-p.wake
	}
	for _, a := range p.returns.end() {
		p.outlived(a)
	}
	p.abandoned = nil
}

// step does all that is to be done now, and reports whether nothing is left.
func (p *Partition[T]) step(ctx context.Context, now time.Time) (finished bool) {
	done := p.returns.take()
	defer p.behind.Add(-int32(len(done)))                // once their batches have landed
	closed, aborted := p.closed.Load(), p.aborted.Load() // after what the cancelling may have done
	for _, a := range done {
		p.end(a, now, aborted)
	}
	clear(done) // they hold items
	switch {
	case aborted:
		p.turn(now)
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
		p.turn(now)
		p.dispatch(ctx, now)
		if closed && p.empty() {
			return true
		}
	}
	p.setAlarm(now)
	return false
}

// turn takes the batches whose items all have an outcome, and over which no
// attempt runs, out of flight, and as many into it as are ready and have a slot.
// An insert that waits for the room is woken.
//
// Inserts need mu all the time, and each time that run holds it the processors
// hand over what it guards. So here is all that a step does under it but for
// outcomes.
func (p *Partition[T]) turn(now time.Time) {
	landed := func(b *batch[T]) bool { return b.left == 0 && b.running == nil }
	for _, b := range p.flights {
		if landed(b) { // before a barrier lets anybody look
			b.flush.End(b.class)
			p.cfg.Recorder.Flushed(uint8(b.trigger), now.Sub(b.started), b.class)
			p.scrub(b)
		}
	}
	p.mu.Lock()
	before := len(p.flights)
	p.flights = slices.DeleteFunc(p.flights, func(b *batch[T]) bool {
		if !landed(b) {
			return false
		}
		for _, barrier := range b.barriers {
			barrier.leave()
		}
		p.recycle(b)
		return true
	})
	room := len(p.flights) < before
	if !p.aborted.Load() {
		p.launch(now)
	}
	p.gate()
	room = room && !p.full()
	p.rearm(now)
	p.mu.Unlock()
	if room {
		// One each: whoever takes room wakes the next. To wake all who wait for the
		// room of a whole batch would have most of them find it taken again.
		p.Waiters.Wake(1)
		p.cfg.Anywhere.Wake(1)
	}
}

// launch takes the batches that are ready, in order, into free slots, after
// closing the one being filled where that is due. It requires that mu is held.
func (p *Partition[T]) launch(now time.Time) {
	if flushAt := p.fill.flushAt; !flushAt.IsZero() && !now.Before(flushAt) {
		p.mark(flusher.Interval)
	}
	p.advance()
	n := min(len(p.ready), p.cfg.MaxInFlight-len(p.flights))
	if n <= 0 {
		return
	}
	for _, b := range p.ready[:n] {
		p.inFlight += b.size
	}
	p.launched = append(p.launched, p.ready[:n]...)
	p.flights = append(p.flights, p.ready[:n]...)
	p.shift(n)
}

// shift removes the first n of the batches that are ready. The others are not
// moved: after a large InsertBatch there are many. It requires that mu is held.
func (p *Partition[T]) shift(n int) {
	clear(p.ready[:n]) // they hold items
	if n == len(p.ready) {
		p.ready = p.ready[:0]
	} else {
		p.ready = p.ready[n:]
	}
}

// dispatch begins the attempts that are due: over the batches that were in
// flight, then over those that have just come there.
func (p *Partition[T]) dispatch(ctx context.Context, now time.Time) {
	for _, b := range p.flights {
		if c := b.next(); b.running == nil && c != nil && !now.Before(c.notBefore) {
			p.resume(ctx, b, c, now)
		}
	}
	traced := p.cfg.Recorder.Tracing()
	for _, b := range p.launched {
		b.started = now
		b.first = content[T]{size: b.size, id: p.newID()}
		if p.cfg.Pages == nil {
			b.first.items = b.items
		}
		_, b.flush = p.cfg.Recorder.StartFlush(ctx, telemetry.FlushInfo{
			Partition: p.cfg.Index,
			Items:     b.size,
			Trigger:   uint8(b.trigger),
			ID:        b.first.id,
			Links:     &b.links,
		})
		if !traced && p.cfg.Recorder.Tracing() { // its span was the first of an SDK
			traced = true
			p.mu.Lock()
			p.gate()
			p.mu.Unlock()
		}
		p.cfg.Recorder.Batch(uint8(b.trigger), b.size, max(now.Sub(b.oldest), 0)) // an item may be newer than this step
		p.start(ctx, b, &b.first, now)
	}
	clear(p.launched) // they hold items
	p.launched = p.launched[:0]
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
		p.retried += c.size
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
		b.running, b.shared = nil, true
		if !a.claimed.CompareAndSwap(false, true) { // else it has had no processor, and begins no more
			a.abandoned = true
			p.abandoned = append(p.abandoned, a)
			p.mu.Lock()
			p.stray++
			p.mu.Unlock()
		} else {
			a.cancel()
		}
		p.mu.Lock()
		p.lost += a.content.size
		p.mu.Unlock()
		f := p.overdue()
		p.cfg.Recorder.Attempted(now.Sub(a.started), f.class)
		if a.content.settled {
			continue // by the late success of the one abandoned before
		}
		p.cfg.Log.Abandoned(a.content.size, f.err)
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
	return len(p.flights) == 0 && len(p.ready) == 0 && p.fill.size() == 0
}

// rearm forgets an alarm that has gone off, and sets the one for the batch being
// filled, whose begin may have relied on it. It requires that mu is held.
func (p *Partition[T]) rearm(now time.Time) {
	if !p.alarm.IsZero() && !now.Before(p.alarm) {
		p.alarm = time.Time{}
		if p.fill.size() > 0 && !p.fill.due && !p.fill.flushAt.IsZero() {
			p.alert(now, p.fill.flushAt)
		}
	}
	p.alarmed = p.alarm
}

// setAlarm sets the timer for what is due next in flight.
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
	p.wakeAt(now, next)
}

// wakeAt is alert for run, which does not hold mu, and mostly need not: the alarm
// is set for an earlier time.
func (p *Partition[T]) wakeAt(now, t time.Time) {
	if t.IsZero() || !p.alarmed.IsZero() && !t.Before(p.alarmed) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alert(now, t)
}
