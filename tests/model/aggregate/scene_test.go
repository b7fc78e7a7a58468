package aggregate_test

import (
	"log/slog"
	"time"

	"github.com/go-databuffer/databuffer/aggregate"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/tests/model"
)

// serials is a value that tells what was merged into it: the numbers of the Adds,
// negative those of which merge left something and then panicked.
type serials []int

// list is an entry of the model.
type list = aggregate.Entry[int, serials]

// scene is one case. All of it is drawn before anything runs.
type scene struct {
	cfg      aggregate.Config[int, serials] // but for the Flushers
	dead     bool                           // there is a dead letter
	ops      []op
	replies  []model.Reply  // of the Flusher, in turn; then it takes everything
	outages  []model.Outage // of the Flusher
	funerals []model.Reply  // of the dead letter
}

type op struct {
	what     what
	adds     []drawnAdd // at once
	pause    time.Duration
	deadline time.Duration // of its ctx; 0: none, negative: it is over
}

type drawnAdd struct {
	key    int
	panics bool // in merge
	exits  bool // there, too: it ends its goroutine
}

type what int

const (
	addSome what = iota
	flushAll
	syncFlush
	shutDown
)

const keys = 7

func draw(s model.Source) scene {
	sc := scene{cfg: drawConfig(s), dead: s.Chance(50)}
	displaces := sc.cfg.Overflow == buffer.DropOldest
	add := func(s model.Source) drawnAdd {
		return drawnAdd{key: s.Int(0, keys-1), panics: s.Chance(8), exits: s.Chance(2)}
	}
	use := func(s model.Source) op {
		o := op{what: addSome}
		switch {
		case s.Chance(5):
			o.what = flushAll
		case s.Chance(8):
			o.what = syncFlush
		case s.Chance(30) && !displaces: // where each step drops at most one batch
			o.adds = model.List(s, 8, add)
		default:
			o.adds = []drawnAdd{add(s)}
		}
		return drawTimes(s, o)
	}
	sc.ops = model.List(s, 60, use)
	if s.Chance(75) { // else at the end
		sc.ops = append(sc.ops, drawTimes(s, op{what: shutDown}))
		sc.ops = append(sc.ops, model.List(s, 20, func(s model.Source) op {
			if s.Chance(20) {
				return drawTimes(s, op{what: shutDown})
			}
			return use(s)
		})...)
	}
	temper := model.Temper{Slow: 60, Longest: 1500 * time.Millisecond, Inside: 10}
	if displaces {
		temper.Inside = 0
	}
	sc.replies, sc.funerals = s.Replies(temper), s.Replies(temper)
	if s.Chance(30) {
		sc.outages = s.Outages(5 * time.Second)
	}
	return sc
}

func drawTimes(s model.Source, o op) op {
	if s.Chance(30) {
		o.pause = s.Duration(1, 2*time.Second)
	}
	if s.Chance(40) {
		o.deadline = s.Duration(1, 3*time.Second)
	}
	if s.Chance(5) {
		o.deadline = -1
	}
	return o
}

func drawConfig(s model.Source) aggregate.Config[int, serials] {
	cfg := aggregate.Config[int, serials]{
		Name:          "model",
		MeterProvider: noop.NewMeterProvider(), // the global one keeps something of each buffer for ever
		Partitions:    s.Int(1, 3),
		MaxSize:       s.Int(1, 4),
		MaxInFlight:   s.Int(1, 2),
		FlushInterval: -1,
		FlushTimeout:  -1,
		FlushGrace:    s.Duration(100*time.Millisecond, time.Second),
		Overflow:      buffer.Overflow(s.Int(0, 2)),
		Retry: flusher.Retry{
			MaxAttempts: model.Pick(s, -1, 0, 1, 2, 3),
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
