package partition

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// attempt is one call of a Flusher, in a goroutine of its own. That goroutine
// writes the fields of the end and then hands the attempt to run through the
// partition's returns; run owns the rest.
type attempt[T any] struct {
	batch     *batch[T]
	content   *content[T]
	view      flusher.Batch[T] // what the Flusher is given; without Items where that is the page
	cancel    context.CancelFunc
	started   time.Time
	giveUpAt  time.Time // when timeout and grace are over; zero: never
	abandoned bool
	claimed   atomic.Bool // by its goroutine, to begin, or by run, so that it does not

	// The end.
	skipped bool            // it came to begin after Abort, and called nothing
	err     error           // what Flush returned, or *flusher.PanicError, or flusher.ErrGoexit
	class   telemetry.Class // ClassPanic or ClassGoexit where Flush did not return
	verdict flusher.Verdict // of err
	cause   error           // where err is not nil: why the context had ended; nil: it had not
}

// start begins the next attempt over c. It is the one place that starts the
// user's code.
func (p *Partition[T]) start(ctx context.Context, b *batch[T], c *content[T], now time.Time) {
	c.attempt++
	a := &b.opening
	if c != &b.first || c.attempt > 1 {
		a = new(attempt[T])
	}
	a.batch, a.content, a.started = b, c, now
	b.running = a

	to := p.cfg.Flusher
	if c.dead() {
		to = p.cfg.DeadLetter
	}
	ctx = b.flush.Context(ctx)
	switch {
	case p.cfg.FlushTimeout > 0:
		ctx, a.cancel = context.WithTimeoutCause(ctx, p.cfg.FlushTimeout, flusher.ErrTimeout)
		deadline, _ := ctx.Deadline() // later than now and FlushTimeout, by what this step has taken
		a.giveUpAt = deadline.Add(p.cfg.FlushGrace)
	case c.items == nil: // FlushPage has the context of all
		a.cancel = func() {}
	default:
		ctx, a.cancel = context.WithCancel(ctx)
	}
	a.view = flusher.Batch[T]{
		Items:     c.items,
		ID:        c.id,
		Buffer:    p.cfg.Name,
		Partition: p.cfg.Index,
		Attempt:   c.attempt,
		Trigger:   b.trigger,
		Oldest:    b.oldest,
		Meta:      p.cfg.FlushMeta,
		Cause:     c.cause,
	}
	p.behind.Add(1)
	go p.attempt(ctx, a, to)
}

// attempt calls the Flusher and reports how it ended: it returned, panicked, or
// left by runtime.Goexit.
//
// A new goroutine's stack is small, and to let it grow costs a tenth of a whole
// flush cycle. So as little as possible is done here.
func (p *Partition[T]) attempt(ctx context.Context, a *attempt[T], to flusher.Flusher[T]) {
	p.behind.Add(-1)
	if !a.claimed.CompareAndSwap(false, true) {
		return // run was quicker
	}
	if p.aborted.Load() {
		a.err, a.skipped = ErrClosed, true
		p.hand(a)
		return
	}
	// So it ended unless something else is written over it.
	a.err, a.class, a.verdict = flusher.ErrGoexit, telemetry.ClassGoexit, final
	defer p.report(ctx, a)
	if a.view.Items == nil {
		a.returned(p.cfg.Pages.FlushPage(ctx, a.batch.page, a.batch.ends))
		return
	}
	a.returned(to.Flush(ctx, a.view))
}

// final fails a whole batch for good.
var final = flusher.Verdict{Whole: true, Final: true}

// returned notes what the Flusher has returned. It comes before the attempt is
// over, for it calls methods of the user's error.
func (a *attempt[T]) returned(err error) {
	var verdict flusher.Verdict
	if err != nil {
		verdict = flusher.Inspect(err, a.content.size)
	}
	a.err, a.class, a.verdict = err, telemetry.ClassNone, verdict
}

// report hands the attempt to run. It is deferred.
func (p *Partition[T]) report(ctx context.Context, a *attempt[T]) {
	if value := recover(); value != nil {
		a.err, a.class = &flusher.PanicError{Value: value, Stack: debug.Stack()}, telemetry.ClassPanic
	}
	if a.err != nil {
		a.cause = context.Cause(ctx)
	}
	p.hand(a)
}

// hand gives an attempt that is over to run.
func (p *Partition[T]) hand(a *attempt[T]) {
	p.behind.Add(1)
	if !p.returns.add(a) {
		p.outlived(a)
	}
	p.signal()
}

// outlived is the end of an attempt that run did not wait for any more. It changes
// nothing, but a Witness wants to know of it.
func (p *Partition[T]) outlived(a *attempt[T]) {
	if a.err != nil && !a.skipped && p.cfg.Witness != nil {
		p.cfg.Witness.Failed(a.err)
	}
}

// returns are attempts that have ended. They have a lock of their own: the
// partition's is the one that inserts wait for.
type returns[T any] struct {
	mu       sync.Mutex // protects attempts and over; no other lock is taken while it is held
	attempts []*attempt[T]
	over     bool // nobody takes any more

	taken []*attempt[T] // owned by run: the slice that attempts had before
}

// add tells whether somebody will take the attempt.
func (r *returns[T]) add(a *attempt[T]) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.attempts = append(r.attempts, a)
	}
	return !r.over
}

// end lets go of all attempts, and returns those that run, which has ended, did not
// take in.
func (r *returns[T]) end() []*attempt[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.attempts
	r.attempts, r.over = nil, true
	return left
}

// take returns what has been added since the last call. The caller clears it
// before the next.
func (r *returns[T]) take() []*attempt[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts, r.taken = r.taken[:0], r.attempts // two slices in turn
	return r.taken
}

// failure is what an attempt that has ended without success says of its items.
type failure struct {
	err     error
	class   telemetry.Class // of the attempt
	verdict flusher.Verdict
}

// failure judges an attempt that has returned an error, or has not returned at
// all.
func (p *Partition[T]) failure(a *attempt[T]) failure {
	f := failure{err: a.err, class: a.class, verdict: a.verdict}
	switch {
	case f.class != telemetry.ClassNone:
	case f.verdict.Final || len(f.verdict.Permanent) > 0:
		f.class = telemetry.ClassPermanent
	case errors.Is(a.cause, flusher.ErrTimeout):
		f.class = telemetry.ClassTimeout
		f.err = &explained{"%v (FlushTimeout " + p.cfg.FlushTimeout.String() + "): %v", []error{flusher.ErrTimeout, a.err}}
	case errors.Is(a.cause, ErrClosed):
		f.class = telemetry.ClassShutdown
	default:
		f.class = telemetry.ClassOther
	}
	return f
}

// overdue is the failure of an attempt that is abandoned.
func (p *Partition[T]) overdue() failure {
	return failure{
		err:     fmt.Errorf("%w (FlushTimeout %s), and did not return within FlushGrace %s", flusher.ErrTimeout, p.cfg.FlushTimeout, p.cfg.FlushGrace),
		class:   telemetry.ClassTimeout,
		verdict: flusher.Verdict{Whole: true},
	}
}
