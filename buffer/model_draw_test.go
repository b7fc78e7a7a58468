package buffer_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// What the model test draws: the settings of a buffer, what its users do, and
// what its destinations answer.

// scene is one case. All of it is drawn before anything runs.
type scene struct {
	cfg       buffer.Config[int] // but for the Flushers
	dead      bool               // there is a dead letter
	actors    []actor
	answers   []reply // of the Flusher, in turn; then it takes everything
	funerals  []reply // of the dead letter
	shutdowns []shutdown
}

// actor is a goroutine that uses the buffer. It does one thing after another, so
// that the order of what it inserts is known.
type actor struct {
	pinned bool // it has a Producer
	ops    []op
}

type op struct {
	what     what
	items    int           // of an InsertBatch
	pause    time.Duration // before
	deadline time.Duration // of its ctx; 0: none
}

type what int

const (
	insertOne what = iota
	insertSome
	flushAll
	syncFlush
)

type shutdown struct {
	at       time.Duration
	deadline time.Duration // of its ctx; 0: none
}

// reply is what a destination does with one batch.
type reply struct {
	takes    time.Duration
	stubborn bool // it takes so long whatever its context says
	inside   bool // it calls the buffer with its own context
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
	joinedWhole
	panicking
	exiting
	kinds
)

// serials is how many items an actor can number.
const serials = 1_000_000

// itemOf is the number n of what the actor inserts; actorOf and serialOf take it
// apart. The others are what the buffer is told of an item.
func itemOf(actor, n int) int { return actor*serials + n }
func actorOf(item int) int    { return item / serials }
func sizeOf(item int) int     { return item % serials % 4 }
func keyOf(item int) uint64   { return uint64(actorOf(item)*2 + item%2) }

func draw(r *rand.Rand) scene {
	some := func(least, most time.Duration) time.Duration {
		return least + time.Duration(r.Int64N(int64(most-least)))
	}
	chance := func(percent int) bool { return r.IntN(100) < percent }
	s := scene{dead: chance(50)}
	s.cfg = buffer.Config[int]{
		Name:          "model",
		Partitions:    1 + r.IntN(3),
		MaxSize:       1 + r.IntN(5),
		MaxInFlight:   1 + r.IntN(3),
		FlushInterval: -1,
		FlushTimeout:  -1,
		FlushGrace:    some(100*time.Millisecond, time.Second),
		Overflow:      buffer.Overflow(r.IntN(3)),
		Routing:       buffer.Routing(r.IntN(2)),
		Retry: flusher.Retry{
			MaxAttempts: []int{-1, 0, 1, 2, 3, 6}[r.IntN(6)],
			MinBackoff:  some(1, 500*time.Millisecond),
			MaxBackoff:  some(500*time.Millisecond, 3*time.Second),
			Bisect:      chance(40),
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if chance(30) {
		s.cfg.MaxSizeJitter = 1 + r.IntN(3)
	}
	if chance(40) {
		s.cfg.SizeOf = sizeOf
		if chance(80) {
			s.cfg.MaxBytes = 3 + r.IntN(8)
		}
	}
	if chance(60) {
		s.cfg.FlushInterval = some(time.Second, 4*time.Second)
		s.cfg.FlushJitter = []time.Duration{-1, 0, time.Second}[r.IntN(3)]
	}
	if chance(70) {
		s.cfg.FlushTimeout = some(500*time.Millisecond, 2*time.Second)
	}
	if chance(30) {
		s.cfg.Key = keyOf
	}
	for range 1 + r.IntN(4) {
		a := actor{pinned: chance(40)}
		for range r.IntN(25) {
			o := op{what: insertOne, items: 1}
			switch {
			case chance(20):
				o.what, o.items = insertSome, r.IntN(12)
			case chance(5):
				o.what = flushAll
			case chance(8):
				o.what = syncFlush
			}
			if chance(30) {
				o.pause = some(1, 2*time.Second)
			}
			if chance(40) {
				o.deadline = some(1, 3*time.Second)
			}
			a.ops = append(a.ops, o)
		}
		s.actors = append(s.actors, a)
	}
	faulty := r.IntN(100) // how often an answer is not a plain nil
	replies := func() (replies []reply) {
		for range r.IntN(40) {
			var a reply
			if chance(faulty) {
				a = reply{kind: kind(r.IntN(int(kinds))), these: r.Uint64() & r.Uint64(), those: r.Uint64() & r.Uint64() & r.Uint64(), after: some(1, 3*time.Second)}
			}
			if chance(40) {
				a.takes = some(1, 800*time.Millisecond)
			}
			if chance(faulty / 4) {
				a.takes, a.stubborn = some(1, 8*time.Second), true
			}
			a.inside = chance(10)
			replies = append(replies, a)
		}
		return replies
	}
	s.answers, s.funerals = replies(), replies()
	end := some(1, 15*time.Second)
	for range 1 + r.IntN(3) {
		sh := shutdown{at: end + some(1, time.Second)}
		if chance(60) {
			sh.deadline = some(1, 3*time.Second)
		}
		s.shutdowns = append(s.shutdowns, sh)
	}
	return s
}

// wait takes as long as the reply does.
func (a reply) wait(ctx context.Context) {
	if a.takes == 0 {
		return // a bubble's timer of 0 is not safe with -race: golang/go#78156
	}
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

// failed is the error for a batch of n items, and the indexes that it fails.
func (a reply) failed(n int) (indexes []int, err error) {
	chosen := func(bits uint64) (indexes []int) {
		for i := range n {
			if bits>>(i%64)&1 == 1 {
				indexes = append(indexes, i)
			}
		}
		return indexes
	}
	all := chosen(^uint64(0))
	these, those := chosen(a.these), chosen(a.those)
	part := func(err error, indexes []int) ([]int, error) {
		if len(indexes) == 0 {
			return all, flusher.Partial(err)
		}
		return indexes, flusher.Partial(err, indexes...)
	}
	switch a.kind {
	case ok:
		return nil, nil
	case throttled:
		return all, flusher.RetryAfter(errSink, a.after)
	case permanent:
		return all, flusher.Permanent(errSink)
	case partly:
		return part(errSink, these)
	case partlyForGood:
		return part(flusher.Permanent(errSink), these)
	case joined:
		some, first := part(flusher.RetryAfter(errSink, a.after), these)
		others, second := part(flusher.Permanent(errSink), those)
		return slices.Concat(some, others), errors.Join(first, second)
	case outOfRange:
		return all, flusher.Partial(errSink, 0, n)
	case joinedWhole:
		return all, errors.Join(flusher.Partial(errSink, 0), errSink)
	default:
		return all, errSink
	}
}

// leave is the end of an attempt.
func (a reply) leave(err error) error {
	switch a.kind {
	case panicking:
		panic(errSink)
	case exiting:
		runtime.Goexit()
	}
	return err
}
