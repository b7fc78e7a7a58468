package partition

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// Config is what a partition is made of. The supervisor has checked it: every
// default is filled in, and what is off is zero (FlushInterval, FlushJitter,
// FlushTimeout, MaxBytes).
type Config[T any] struct {
	Name  string  // of the buffer
	Index int     // of the partition in it
	Seed  [8]byte // random, one for the buffer: the head of every batch's ID

	Flusher    flusher.Flusher[T]
	DeadLetter flusher.Flusher[T] // nil: what is given up is dropped
	Retry      flusher.Retry
	FlushMeta  any

	MaxSize       int // items of a batch
	MaxSizeJitter int
	MaxBytes      int // bytes of a batch, by the sizes that come with an Offer
	MaxInFlight   int

	FlushInterval time.Duration
	FlushJitter   time.Duration
	FlushTimeout  time.Duration
	FlushGrace    time.Duration

	Store    Store[T]    // nil: a slice of items and nothing else
	Pages    PageFlusher // T is []byte, MaxBytes is set, and the bytes of items are kept in pages; nil: they are not
	Witness  Witness     // nil: nobody
	Recorder *telemetry.Recorder
	Log      *Log
	Anywhere *Waiters // inserts that take room in any partition of the buffer
}

// Partition holds a part of a buffer's items. Inserts append to the batch being
// filled, under mu. One goroutine, run, owns everything from there on: it hands
// filled and due batches to the Flusher, each attempt in a goroutine of its
// own, and settles what becomes of them.
type Partition[T any] struct {
	// What every insert writes stands between two pads, so that it shares no
	// cache line, nor a pair of lines that the processor fetches together, with
	// anything that other goroutines touch. Without them an insert was four
	// times slower beside inserts into the neighbouring partition.
	_ [128]byte

	// mu protects the fields down to the next pad. It is held for a few
	// instructions: never while flushing, waiting, logging, or calling the
	// user's code but for the merge of a Store, and no other lock is taken under it
	// but a Witness's own.
	mu    sync.Mutex
	fill  filling[T]
	final bool // the counts do not change any more

	ready   []*batch[T] // closed, in order; run takes them as slots come free
	flights []*batch[T] // in flight; only run changes it
	free    []*batch[T] // that nobody uses any more, for the next ones

	sealed   int // items accepted in all the batches before the one being filled
	inFlight int // items in flights without an outcome
	settled  [telemetry.Outcomes][telemetry.Classes]int
	rejected [telemetry.Reasons]int
	retried  int
	lost     int       // items in attempts that were abandoned, ever
	stray    int       // attempts that are abandoned now
	newest   error     // failure of an attempt, until one succeeds
	alarm    time.Time // when timer goes off; zero: not set

	_ [128]byte

	// Written under mu, and read by run without it.
	closed  atomic.Bool // inserts are refused
	aborted atomic.Bool // what has no outcome when the grace is over is given back

	// Fixed by New.
	cfg      Config[T]
	pointers bool // a used slice is cleared before it waits for reuse: items hold pointers, and not just into a page that is kept too
	limit    int  // attempts of a batch; 0: without end
	wake     chan struct{}
	timer    *time.Timer             // signals
	cancel   context.CancelCauseFunc // ends every attempt's context
	stopped  chan struct{}           // closed when run has ended
	returns  returns[T]              // attempts that have ended, for run
	behind   atomic.Int32            // attempts that have not begun to run, or that run has not settled

	// Waiters are the keyed and the pinned inserts that wait for room here.
	Waiters Waiters

	// Owned by run; after it has ended, by whoever saw stopped.
	sequence    uint64
	launched    []*batch[T] // what the last turn has taken in flight
	abandoned   []*attempt[T]
	alarmed     time.Time // alarm, as run has seen it last: it may have become earlier, but not later
	draining    bool
	graceEnds   time.Time // once aborted
	undelivered []T
	inDoubt     []T
}

// New makes a partition and starts its goroutine, which ends after Close, once
// nothing is left, or after Abort. Attempts get a context derived from ctx,
// which must not end by itself.
func New[T any](ctx context.Context, cfg Config[T]) *Partition[T] {
	p := &Partition[T]{
		cfg:      cfg,
		pointers: cfg.Pages == nil && holdsPointers(reflect.TypeFor[T]()),
		limit:    cfg.Retry.Limit(cfg.DeadLetter != nil),
		wake:     make(chan struct{}, 1),
		stopped:  make(chan struct{}),
	}
	p.timer = time.AfterFunc(time.Hour, p.signal)
	p.timer.Stop()
	p.renew()
	ctx, p.cancel = context.WithCancelCause(ctx)
	go p.run(ctx)
	return p
}

// Close refuses all further items, ends the waits for room, and has what is
// held flushed with Trigger Shutdown. It does not wait. See Stopped.
func (p *Partition[T]) Close() {
	p.mu.Lock()
	p.close()
	p.mu.Unlock()
	p.Waiters.Wake(p.Waiters.Len())
	p.signal()
}

// Abort is Close where it was not called, and then cancels the attempts that
// run, with the cause ErrClosed, starts no others, and gives the Flusher
// FlushGrace to return. It does not wait.
func (p *Partition[T]) Abort() {
	p.mu.Lock()
	p.close() // at once with the next: no attempt starts in between
	p.aborted.Store(true)
	p.mu.Unlock()
	p.cancel(ErrClosed) // after aborted, so that run knows why they fail
	p.Waiters.Wake(p.Waiters.Len())
	p.signal()
}

// close requires that mu is held.
func (p *Partition[T]) close() {
	p.closed.Store(true)
	// What is being filled is empty from here on, and so the fast path sends every
	// insert to the one that sees closed.
	if p.fill.size() > 0 {
		p.seal(flusher.Shutdown)
	}
}

// Stopped is closed once the partition's goroutine has ended: nothing starts
// and nothing is counted from then on.
func (p *Partition[T]) Stopped() <-chan struct{} { return p.stopped }

// Left is what Abort left over, in the order accepted but for what a Partial has
// singled out: undelivered, because no attempt over it runs; in doubt, because one
// still does and may succeed. The error is the newest failure of an attempt, if
// there was one. From then on the counts are final. Call it after Stopped.
func (p *Partition[T]) Left() (undelivered, inDoubt []T, failure error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.final = true
	undelivered, inDoubt = p.undelivered, p.inDoubt
	p.undelivered, p.inDoubt = nil, nil // they are the caller's
	return undelivered, inDoubt, p.newest
}

// Index is the partition's place in its buffer.
func (p *Partition[T]) Index() int { return p.cfg.Index }

// signal makes run look again. Signals that it has not seen yet are one.
func (p *Partition[T]) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// holdsPointers tells whether a value of type t can keep other memory alive.
func holdsPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return false
	case reflect.Array:
		return t.Len() > 0 && holdsPointers(t.Elem())
	case reflect.Struct:
		for field := range t.Fields() {
			if holdsPointers(field.Type) {
				return true
			}
		}
		return false
	default:
		return true
	}
}
