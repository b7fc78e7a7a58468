package model

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/flusher"
)

// ErrSink is how a destination fails here.
var ErrSink = errors.New("sink failed")

// Reply is what a destination does with one batch.
type Reply struct {
	Takes  time.Duration
	How    Patience
	Inside bool // it calls the library with its own context
	Kind   Kind
	These  uint64 // indexes, as bits
	Those  uint64
	After  time.Duration
}

// Patience is what a destination that takes its time makes of the end of its
// context.
type Patience int

const (
	Hurries  Patience = iota // it answers as it would have
	GivesUp                  // it answers with the context's error
	Stubborn                 // it does not look
)

// Kind is how a destination answers.
type Kind int

const (
	Takes Kind = iota
	Fails
	Throttles
	FailsForGood
	Partly
	PartlyForGood
	Joined // of both classes
	OutOfRange
	JoinedWhole // a Partial beside an error of all
	Panics
	Exits
	Loses // its answer
	kinds
)

// Temper is what a list of replies is drawn by.
type Temper struct {
	Slow    int // percent that take their time
	Longest time.Duration
	Inside  int // percent that call the library
}

// Replies are what a destination does in turn; when they are through, it takes
// everything. Some destinations are better than others.
func (s Source) Replies(temper Temper) []Reply {
	faulty := s.Int(0, 99)
	return List(s, 40, func(s Source) Reply {
		var r Reply
		if s.Chance(faulty) {
			r = Reply{Kind: Kind(s.Int(0, int(kinds)-1)), These: s.some(), Those: s.some(), After: s.Duration(1, 3*time.Second)}
		}
		if s.Chance(temper.Slow) {
			r.Takes, r.How = s.Duration(1, temper.Longest), Pick(s, Hurries, GivesUp)
		}
		if s.Chance(faulty / 4) {
			r.Takes, r.How = s.Duration(1, 8*time.Second), Stubborn
		}
		r.Inside = s.Chance(temper.Inside)
		return r
	})
}

// some are about a quarter of the indexes below 12, as bits.
func (s Source) some() uint64 {
	one, other := s.Bits(12), s.Bits(12)
	return one & other
}

// fault is what the reply does to n items, and second what happens behind it.
func (r Reply) fault(n int) (first, second buffertest.Fault) {
	these := indexes(r.These, n)
	switch r.Kind {
	case Takes:
		first = buffertest.Pass()
	case Fails:
		first = buffertest.Fail(ErrSink)
	case Throttles:
		first = buffertest.Fail(ErrSink).After(r.After)
	case FailsForGood:
		first = buffertest.Fail(ErrSink).Permanently()
	case Partly:
		first = buffertest.FailItems(ErrSink, these...)
	case PartlyForGood:
		first = buffertest.FailItems(ErrSink, these...).Permanently()
	case Joined:
		first = buffertest.FailItems(ErrSink, these...).After(r.After)
		if left := n - len(these); left > 0 && len(these) > 0 {
			second = buffertest.FailItems(ErrSink, indexes(r.Those, left)...).Permanently()
		}
	case OutOfRange:
		first = buffertest.FailItems(ErrSink, 0, n)
	case JoinedWhole:
		first = buffertest.Fail(errors.Join(flusher.Partial(ErrSink, 0), ErrSink))
	case Panics:
		first = buffertest.Panic(ErrSink)
	case Exits:
		first = buffertest.Goexit()
	case Loses:
		first = buffertest.Lose(ErrSink)
	}
	switch r.How {
	case GivesUp:
		first = buffertest.Delay(r.Takes).Then(first)
	case Stubborn:
		first = buffertest.Stuck(r.Takes).Then(first)
	}
	return first, second
}

// indexes are the bits below n.
func indexes(bits uint64, n int) []int {
	var indexes []int
	for i := range min(n, 64) {
		if bits>>i&1 == 1 {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// Sink is a destination that answers as it was drawn. Make it with NewSink.
type Sink[T any] struct {
	*buffertest.Faulty[T] // Down and Up
	inside                func(context.Context)

	mu      sync.Mutex // protects replies
	replies []Reply
}

// NewSink makes a destination. Inside is what a Reply does that is inside.
func NewSink[T any](replies []Reply, inside func(context.Context)) *Sink[T] {
	s := &Sink[T]{inside: inside, replies: replies}
	s.Faulty = buffertest.NewFaulty(flusher.Func[T](s.reply), nil)
	return s
}

// arrival is where an attempt notes what the destination has taken.
type arrival struct{}

// Answer is a Flush that tells what of the batch was taken: what has arrived, and
// was not answered otherwise. It panics and exits as it was drawn; what was taken
// is told before.
func (s *Sink[T]) Answer(ctx context.Context, batch flusher.Batch[T], taken func([]T)) error {
	return s.Flush(context.WithValue(ctx, arrival{}, taken), batch)
}

// reply takes the next reply.
func (s *Sink[T]) reply(ctx context.Context, batch flusher.Batch[T]) error {
	s.mu.Lock()
	var r Reply
	if len(s.replies) > 0 {
		r, s.replies = s.replies[0], s.replies[1:]
	}
	s.mu.Unlock()
	if r.How == Hurries && r.Takes > 0 {
		hurry(ctx, r.Takes)
	}
	taken, _ := ctx.Value(arrival{}).(func([]T))
	arrives := flusher.Func[T](func(_ context.Context, batch flusher.Batch[T]) error {
		if r.Kind != Loses {
			taken(batch.Items)
		}
		return nil
	})
	first, second := r.fault(len(batch.Items))
	behind := buffertest.NewFaulty(arrives, buffertest.Script(second))
	before := buffertest.NewFaulty(flusher.Func[T](func(ctx context.Context, batch flusher.Batch[T]) error {
		return behind.Flush(ctx, batch)
	}), buffertest.Script(first))
	if r.Inside {
		defer s.inside(ctx)
	}
	return before.Flush(ctx, batch)
}

// hurry waits for d, or less.
func hurry(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Outage is a time in which a destination does nothing but fail.
type Outage struct {
	After, For time.Duration
	Fault      Kind
	Takes      time.Duration
	How        Patience
}

// Outages come one after another.
func (s Source) Outages(longest time.Duration) []Outage {
	return List(s, 3, func(s Source) Outage {
		return Outage{
			After: s.Duration(1, longest), For: s.Duration(1, longest), Fault: Pick(s, Fails, Throttles, FailsForGood, Panics, Exits),
			Takes: s.Duration(1, time.Second), How: Pick(s, Hurries, GivesUp, Stubborn),
		}
	})
}

// Suffer has the outages come and go, until they are over or stop is closed.
func (s *Sink[T]) Suffer(outages []Outage, stop <-chan struct{}) {
	for _, o := range outages {
		fault, _ := Reply{Kind: o.Fault, Takes: o.Takes, How: o.How, After: o.Takes}.fault(1)
		if !pause(o.After, stop) {
			return
		}
		s.Down(fault)
		over := pause(o.For, stop)
		s.Up()
		if !over {
			return
		}
	}
}

// pause tells whether d is over before stop is closed.
func pause(d time.Duration, stop <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}
