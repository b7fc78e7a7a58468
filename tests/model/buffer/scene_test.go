package buffer_test

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/tests/model"
)

// scene is one case. All of it is drawn before anything runs.
type scene struct {
	cfg       buffer.Config[int] // but for the Flushers
	keyed     bool
	sized     bool
	dead      bool // there is a dead letter
	actors    []actor
	replies   []model.Reply  // of the Flusher, in turn; then it takes everything
	outages   []model.Outage // of the Flusher
	funerals  []model.Reply  // of the dead letter
	shutdowns []shutdown     // at least one
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
	deadline time.Duration // of its ctx; 0: none, negative: it is over
	dawdles  time.Duration // its ctx, when asked for a value
}

type what int

const (
	insertOne what = iota
	insertSome
	flushAll
	syncFlush
	dump
)

// dawdling is a context that takes its time over the first value that it is asked
// for. An insert that found no room asks for one before it waits, and so room can
// come free in between.
type dawdling struct {
	context.Context
	d    time.Duration
	once sync.Once
}

func (c *dawdling) Value(key any) any {
	c.once.Do(func() { time.Sleep(c.d) })
	return c.Context.Value(key)
}

type shutdown struct {
	at       time.Duration
	deadline time.Duration // of its ctx; 0: none, negative: it is over
}

// serials is how many items an actor can number, pinner the first actor with a
// Producer, and insider numbers the items that a Flusher inserts.
const (
	serials = 1_000_000
	pinner  = 10
	insider = 20
)

// itemOf is the number n of what the actor inserts; actorOf takes it apart. The
// others are what the buffer is told of an item.
func itemOf(actor, n int) int { return actor*serials + n }
func actorOf(item int) int    { return item / serials }
func sizeOf(item int) int     { return item % serials % 4 }
func keyOf(item int) uint64   { return uint64(actorOf(item)*2 + item%2) }

// largest is the most that sizeOf returns.
const largest = 3

const meta = "meta"

func draw(s model.Source) scene {
	sc := scene{cfg: drawConfig(s), keyed: s.Chance(30), sized: s.Chance(40), dead: s.Chance(50)}
	if sc.keyed {
		sc.cfg.Key = keyOf
	}
	if sc.sized {
		sc.cfg.SizeOf = sizeOf
		if s.Chance(80) {
			sc.cfg.MaxBytes = s.Int(2, 10) // with 2, some items are too large
		}
	}
	for range s.Int(1, 4) {
		sc.actors = append(sc.actors, actor{pinned: s.Chance(40), ops: model.List(s, 24, drawOp)})
	}
	temper := model.Temper{Slow: 40, Longest: 800 * time.Millisecond, Inside: 10}
	sc.replies, sc.funerals = s.Replies(temper), s.Replies(temper)
	if s.Chance(30) {
		sc.outages = s.Outages(5 * time.Second)
	}
	end := s.Duration(1, 15*time.Second)
	for range s.Int(1, 3) {
		sh := shutdown{at: end + s.Duration(1, time.Second)}
		switch {
		case s.Chance(60):
			sh.deadline = s.Duration(1, 3*time.Second)
		case s.Chance(20):
			sh.deadline = -1
		}
		sc.shutdowns = append(sc.shutdowns, sh)
	}
	return sc
}

func drawConfig(s model.Source) buffer.Config[int] {
	cfg := buffer.Config[int]{
		Name:          "model",
		MeterProvider: noop.NewMeterProvider(), // the global one keeps something of each buffer for ever
		Partitions:    s.Int(1, 3),
		MaxSize:       s.Int(1, 5),
		MaxInFlight:   s.Int(1, 3),
		FlushInterval: -1,
		FlushTimeout:  -1,
		FlushGrace:    s.Duration(100*time.Millisecond, time.Second),
		FlushMeta:     meta,
		Overflow:      buffer.Overflow(s.Int(0, 2)),
		Routing:       buffer.Routing(s.Int(0, 1)),
		Retry: flusher.Retry{
			MaxAttempts: model.Pick(s, -1, 0, 1, 2, 3, 6),
			MinBackoff:  s.Duration(1, 500*time.Millisecond),
			MaxBackoff:  s.Duration(500*time.Millisecond, 3*time.Second),
			Bisect:      s.Chance(40),
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if s.Chance(30) {
		cfg.MaxSizeJitter = s.Int(1, 3)
	}
	if s.Chance(60) {
		cfg.FlushInterval = s.Duration(time.Second, 4*time.Second)
		cfg.FlushJitter = model.Pick(s, -1, 0, time.Second)
	}
	if s.Chance(70) {
		cfg.FlushTimeout = s.Duration(500*time.Millisecond, 2*time.Second)
	}
	return cfg
}

func drawOp(s model.Source) op {
	o := op{what: insertOne, items: 1}
	switch {
	case s.Chance(20):
		o.what, o.items = insertSome, s.Int(0, 11)
	case s.Chance(5):
		o.what = flushAll
	case s.Chance(8):
		o.what = syncFlush
	case s.Chance(5):
		o.what = dump
	}
	if s.Chance(30) {
		o.pause = s.Duration(1, 2*time.Second)
	}
	if s.Chance(40) {
		o.deadline = s.Duration(1, 3*time.Second)
	}
	if s.Chance(5) {
		o.deadline = -1
	}
	if o.what <= insertSome && s.Chance(15) {
		o.dawdles = s.Duration(1, time.Second)
	}
	return o
}
