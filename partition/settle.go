package partition

import (
	"slices"
	"strconv"
	"time"

	"github.com/go-databuffer/databuffer/telemetry"
)

// end takes in an attempt whose goroutine has ended.
func (p *Partition[T]) end(a *attempt[T], now time.Time, aborted bool) {
	b, c := a.batch, a.content
	a.cancel()
	if a.abandoned {
		p.abandoned = slices.DeleteFunc(p.abandoned, func(x *attempt[T]) bool { return x == a })
		p.mu.Lock()
		p.stray--
		p.mu.Unlock()
		if a.err == nil {
			p.succeedLate(b, c)
		}
		return
	}

	b.running = nil
	if a.skipped {
		if !c.settled {
			b.push(c)
		}
		return
	}
	if a.err == nil {
		p.cfg.Recorder.Attempted(now.Sub(a.started), telemetry.ClassNone)
		if !c.settled {
			p.succeed(b, c, c.size)
		}
		return
	}
	f := p.failure(a)
	p.cfg.Recorder.Attempted(now.Sub(a.started), f.class)
	switch {
	case c.settled: // an abandoned attempt has succeeded meanwhile: the outcome stands
	case aborted:
		p.keep(b, c, f)
	default:
		p.fail(b, c, f, now)
	}
}

// succeed settles n items of c.
func (p *Partition[T]) succeed(b *batch[T], c *content[T], n int) {
	if c.dead() {
		p.settle(b, n, telemetry.DeadLettered, c.class, c.cause)
	} else {
		p.settle(b, n, telemetry.Delivered, telemetry.ClassNone, nil)
	}
}

// succeedLate settles what the success of an abandoned attempt over c means for
// the items that have no outcome yet: those of c that went to the same Flusher
// again, however they have been split since.
func (p *Partition[T]) succeedLate(b *batch[T], c *content[T]) {
	b.todo = slices.DeleteFunc(b.todo, func(x *content[T]) bool {
		if x.within(c) {
			p.succeed(b, x, x.size)
			return true
		}
		return false
	})
	if b.running != nil {
		if x := b.running.content; !x.settled && x.within(c) {
			p.succeed(b, x, x.size)
			x.settled = true // what the running attempt returns changes nothing; its slot stays taken until then
		}
	}
}

// fail decides what becomes of the items of an attempt that has failed.
func (p *Partition[T]) fail(b *batch[T], c *content[T], f failure, now time.Time) {
	p.failed(b, c, f)
	switch {
	case c.dead():
		p.failDead(b, c, f, now)
	case !f.verdict.Whole:
		p.failPart(b, c, f, now)
	case f.verdict.Final && f.class != telemetry.ClassGoexit && p.cfg.Retry.Bisect && c.size > 1:
		half := c.size / 2
		b.push(&content[T]{size: c.size - half, items: c.items[half:], id: p.newID(), parent: c})
		b.push(&content[T]{size: half, items: c.items[:half:half], id: p.newID(), parent: c})
		c.items = nil // its parts hold what is left; their line of parents need not
	case f.verdict.Final:
		p.giveUp(b, c, f.class, f.err)
	default:
		p.retry(b, c, f, now)
	}
}

// failed tells of an attempt that has failed, and makes the items that are to be
// looked at now.
func (p *Partition[T]) failed(b *batch[T], c *content[T], f failure) {
	p.unpack(b, c)
	p.mu.Lock()
	p.newest = f.err
	p.mu.Unlock()
	b.flush.AttemptFailed(c.attempt, c.size, f.class)
	if p.cfg.Witness != nil {
		p.cfg.Witness.Failed(f.err)
	}
}

// failPart is fail for a Partial: the unnamed items are delivered, those named
// go on by their own class. What is given up comes first: it does not have to
// wait for a backoff.
func (p *Partition[T]) failPart(b *batch[T], c *content[T], f failure, now time.Time) {
	if len(f.verdict.Permanent) == c.size { // the content stays the same, and so does its ID
		p.giveUp(b, c, telemetry.ClassPermanent, f.err)
		return
	}
	p.succeed(b, c, c.size-len(f.verdict.Retry)-len(f.verdict.Permanent))
	if len(f.verdict.Retry) > 0 {
		p.retry(b, p.pick(c, f.verdict.Retry), f, now)
	}
	if len(f.verdict.Permanent) > 0 {
		p.giveUp(b, p.pick(c, f.verdict.Permanent), telemetry.ClassPermanent, f.err)
	}
	c.items = nil // as in a bisection
}

// failDead is fail for an attempt of the dead letter.
func (p *Partition[T]) failDead(b *batch[T], c *content[T], f failure, now time.Time) {
	dropped, class := c.size, f.class
	switch {
	case !f.verdict.Whole:
		dropped = len(f.verdict.Retry) + len(f.verdict.Permanent)
		p.succeed(b, c, c.size-dropped)
	case f.verdict.Final:
	case c.attempt < p.cfg.Retry.DeadLetterLimit():
		p.backOff(b, c, f, now)
		return
	default:
		class = telemetry.ClassExhausted
	}
	p.drop(b, dropped, class, &explained{"the dead letter failed: %v; given up before because: %v", []error{f.err, c.cause}})
}

// retry has c attempted again, unless no attempt is left.
func (p *Partition[T]) retry(b *batch[T], c *content[T], f failure, now time.Time) {
	if _, ok := f.err.(*Progress); ok {
		c.anew = c.attempt
	}
	if n := c.attempt - c.anew; p.limit > 0 && n >= p.limit {
		p.giveUp(b, c, telemetry.ClassExhausted, &explained{"no attempt left after " + strconv.Itoa(n) + " (Retry.MaxAttempts): %v", []error{f.err}})
		return
	}
	p.backOff(b, c, f, now)
}

// backOff puts c next in line, after a backoff, or what RetryAfter asks for
// where that is longer.
func (p *Partition[T]) backOff(b *batch[T], c *content[T], f failure, now time.Time) {
	c.notBefore = now.Add(max(p.cfg.Retry.Backoff(c.attempt-c.anew), f.verdict.After))
	b.push(c)
}

// giveUp hands c to the dead letter, or drops it where there is none.
func (p *Partition[T]) giveUp(b *batch[T], c *content[T], class telemetry.Class, cause error) {
	if p.cfg.DeadLetter == nil {
		p.drop(b, c.size, class, cause)
		return
	}
	p.cfg.Log.GivenUp(class, c.size, cause)
	b.push(&content[T]{size: c.size, items: c.items, id: c.id, parent: c, class: class, cause: cause})
}

// drop settles n items as dropped.
func (p *Partition[T]) drop(b *batch[T], n int, class telemetry.Class, cause error) {
	p.settle(b, n, telemetry.Dropped, class, cause)
	p.cfg.Log.Dropped(class, n, cause)
}

// keep leaves what an attempt that Abort has cancelled did not deliver to
// giveBack.
func (p *Partition[T]) keep(b *batch[T], c *content[T], f failure) {
	p.failed(b, c, f)
	if f.verdict.Whole {
		b.push(c)
		return
	}
	named := slices.Concat(f.verdict.Retry, f.verdict.Permanent)
	slices.Sort(named)
	p.succeed(b, c, c.size-len(named))
	b.push(p.pick(c, named))
}

// pick makes a content of some of c's items, which keeps counting c's attempts.
// They are copied: c's slice goes back to the partition.
func (p *Partition[T]) pick(c *content[T], indexes []int) *content[T] {
	items := make([]T, len(indexes))
	for i, index := range indexes {
		items[i] = c.items[index]
	}
	return &content[T]{size: len(items), items: items, id: p.newID(), parent: c, attempt: c.attempt, anew: c.anew, class: c.class, cause: c.cause}
}

// settle is the one place where items in flight get their outcome. cause is nil
// for those delivered.
func (p *Partition[T]) settle(b *batch[T], n int, outcome telemetry.Outcome, class telemetry.Class, cause error) {
	if n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight -= n
	p.settled[outcome][class] += n
	b.left -= n
	delivered := 0
	if outcome == telemetry.Delivered || outcome == telemetry.DeadLettered {
		p.newest = nil
	}
	if outcome == telemetry.Delivered {
		delivered = n
		b.delivered += n
	} else {
		b.class, b.failure = class, cause
		if p.cfg.Witness != nil && outcome != telemetry.Returned {
			p.cfg.Witness.Lost(n, outcome, cause)
		}
	}
	for _, barrier := range b.barriers {
		barrier.settle(delivered, cause)
	}
}
