package aggregate_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// What the model test draws: the settings of an Aggregator, what its users do,
// and what its destinations answer.

// serials is a value that tells what was merged into it: the numbers of the Adds,
// negative those of which merge left something and then panicked.
type serials []int

// list is the entry of the model test.
type list = aggregate.Entry[int, serials]

// scene is one case. All of it is drawn before anything runs.
type scene struct {
	cfg      aggregate.Config[int, serials] // but for the Flushers
	dead     bool                           // there is a dead letter
	ops      []op
	answers  []reply // of the Flusher, in turn; then it takes everything
	funerals []reply // of the dead letter
}

type op struct {
	what     what
	adds     []drawnAdd // at once
	pause    time.Duration
	deadline time.Duration // of its ctx; 0: none
}

type drawnAdd struct {
	key    int
	panics bool // in merge
}

type what int

const (
	addSome what = iota
	flushAll
	syncFlush
	shutDown
)

// reply is what a destination does with one batch.
type reply struct {
	takes    time.Duration
	stubborn bool // it takes so long whatever its context says
	inside   bool // it adds with its own context
	kind     kind
	these    uint64 // indexes, as bits
	those    uint64
	after    time.Duration
}

type kind int

const (
	ok kind = iota
	fail
	throttled
	permanent
	partly
	partlyForGood
	joined
	outOfRange
	panicking
	exiting
	kinds
)

const modelKeys = 7

func draw(r *rand.Rand) scene {
	some := func(least, most time.Duration) time.Duration {
		return least + time.Duration(r.Int64N(int64(most-least)))
	}
	chance := func(percent int) bool { return r.IntN(100) < percent }
	s := scene{dead: chance(50)}
	s.cfg = aggregate.Config[int, serials]{
		Name:          "model",
		Partitions:    1 + r.IntN(3),
		MaxSize:       1 + r.IntN(4),
		MaxInFlight:   1 + r.IntN(2),
		FlushInterval: -1,
		FlushTimeout:  -1,
		FlushGrace:    some(100*time.Millisecond, time.Second),
		Overflow:      buffer.Overflow(r.IntN(3)),
		Retry: flusher.Retry{
			MaxAttempts: []int{-1, 0, 1, 2, 3}[r.IntN(5)],
			MinBackoff:  some(1, 500*time.Millisecond),
			MaxBackoff:  some(500*time.Millisecond, 3*time.Second),
			Bisect:      chance(40),
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if chance(30) {
		s.cfg.MaxSizeJitter = 1 + r.IntN(3)
	}
	if chance(60) {
		s.cfg.FlushInterval = some(time.Second, 4*time.Second)
		s.cfg.FlushJitter = []time.Duration{-1, 0, time.Second}[r.IntN(3)]
	}
	if chance(70) {
		s.cfg.FlushTimeout = some(500*time.Millisecond, 2*time.Second)
	}
	ending := r.IntN(80)
	for i := range 60 {
		o := op{what: addSome}
		switch {
		case i > ending && chance(20), i == ending:
			o.what = shutDown
		case chance(5):
			o.what = flushAll
		case chance(8):
			o.what = syncFlush
		default:
			o.adds = make([]drawnAdd, 1)
			if chance(30) && s.cfg.Overflow != buffer.DropOldest { // where each step drops at most one batch
				o.adds = make([]drawnAdd, 1+r.IntN(8))
			}
			for i := range o.adds {
				o.adds[i] = drawnAdd{key: r.IntN(modelKeys), panics: chance(8)}
			}
		}
		if chance(30) {
			o.pause = some(1, 2*time.Second)
		}
		if chance(40) {
			o.deadline = some(1, 3*time.Second)
		}
		s.ops = append(s.ops, o)
	}
	faulty := r.IntN(100) // how often an answer is not a plain nil
	replies := func() (replies []reply) {
		for range r.IntN(40) {
			var a reply
			if chance(faulty) {
				a = reply{kind: kind(r.IntN(int(kinds))), these: r.Uint64() & r.Uint64(), those: r.Uint64() & r.Uint64(), after: some(1, 3*time.Second)}
			}
			if chance(60) {
				a.takes = some(1, 1500*time.Millisecond)
			}
			if chance(faulty / 4) {
				a.takes, a.stubborn = some(1, 8*time.Second), true
			}
			a.inside = chance(10) && s.cfg.Overflow != buffer.DropOldest
			replies = append(replies, a)
		}
		return replies
	}
	s.answers, s.funerals = replies(), replies()
	return s
}

// wait takes as long as the reply does.
func (a reply) wait(ctx context.Context) {
	if a.stubborn {
		time.Sleep(a.takes)
		return
	}
	timer := time.NewTimer(a.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// end is the end of an attempt over n entries.
func (a reply) end(n int) error {
	part := func(err error, bits uint64) error {
		var indexes []int
		for i := range n {
			if bits>>i&1 == 1 {
				indexes = append(indexes, i)
			}
		}
		return flusher.Partial(err, indexes...)
	}
	switch a.kind {
	case ok:
		return nil
	case throttled:
		return flusher.RetryAfter(errSink, a.after)
	case permanent:
		return flusher.Permanent(errSink)
	case partly:
		return part(errSink, a.these)
	case partlyForGood:
		return part(flusher.Permanent(errSink), a.these)
	case joined:
		return errors.Join(part(flusher.RetryAfter(errSink, a.after), a.these), part(flusher.Permanent(errSink), a.those))
	case outOfRange:
		return flusher.Partial(errSink, 0, n)
	case panicking:
		panic(errSink)
	case exiting:
		runtime.Goexit()
	}
	return errSink
}
