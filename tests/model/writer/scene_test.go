package writer_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/tests/model"
)

// errDisk is how an output fails here.
var errDisk = errors.New("disk failed")

// scene is one case. All of it is drawn before anything runs.
type scene struct {
	cfg      buffer.Config[[]byte]
	dead     bool            // there is a dead letter
	scale    int             // of what a Write has beside its name; 0: as drawn
	every    time.Duration   // of the callbacks
	replies  []reply         // of the output, in turn; then it takes everything
	funerals []model.Reply   // of the dead letter
	writers  [][]step        // goroutines that write
	stoppers [][]step        // and such that stop and start
	closes   []time.Duration // when Close is called, before the end
}

// step is what a goroutine does next.
type step struct {
	pause time.Duration
	what  int           // of what it can do
	size  int           // of a Write, in bytes beside its name
	limit time.Duration // of a Stop; negative: none
}

// reply is how an output answers one call.
type reply struct {
	kind  kind
	part  int // of 256: what it takes, where it does not take all
	pause time.Duration
}

type kind int

const (
	takesAll kind = iota
	fallsShort
	fallsShortSilently
	failsForGood
	failsPartly // which means nothing to an output
	takesNothing
	panics
	exits
	takesLess // than nothing
	takesMore // than there is
	takesAllAndFails
	kinds
)

func draw(s model.Source) scene {
	sc := scene{cfg: buffer.Config[[]byte]{Name: "model", FlushInterval: -1, Logger: slog.New(slog.DiscardHandler), MeterProvider: noop.NewMeterProvider()}}
	sc.cfg.MaxBytes = s.Int(1, 60)
	if s.Chance(10) { // more than a page holds at first
		sc.scale = 2000
		sc.cfg.MaxBytes = s.Int(1, 200) * 1000
	}
	sc.cfg.MaxSize = s.Int(0, 7) // 0: off
	sc.cfg.Overflow = model.Pick(s, buffer.Block, buffer.Block, buffer.Block, buffer.Reject, buffer.DropOldest)
	if s.Chance(50) {
		sc.cfg.FlushInterval = s.Duration(1, time.Second)
	}
	sc.cfg.Retry = flusher.Retry{
		MaxAttempts: model.Pick(s, 0, 1, 2, -1),
		MinBackoff:  time.Millisecond,
		MaxBackoff:  time.Duration(s.Int(1, 100)) * time.Second,
	}
	sc.dead = s.Chance(50)
	if s.Chance(30) {
		sc.funerals = s.Replies(model.Temper{Slow: 30, Longest: time.Second})
	}
	sc.every = time.Duration(1+s.Int(0, 999)*3) * time.Millisecond
	sc.replies = model.List(s, 30, drawReply)
	for range s.Int(1, 4) {
		sc.writers = append(sc.writers, model.List(s, 20, drawStep))
	}
	for range s.Int(0, 2) {
		sc.stoppers = append(sc.stoppers, model.List(s, 4, drawStep))
	}
	if s.Chance(33) {
		sc.closes = append(sc.closes, drawPause(s))
	}
	return sc
}

func drawStep(s model.Source) step {
	st := step{pause: drawPause(s), what: s.Int(0, 9), size: s.Int(0, 19), limit: drawPause(s)}
	if s.Chance(10) {
		st.size = s.Int(0, 199)
	}
	if s.Chance(33) {
		st.limit = -1
	}
	return st
}

// drawPause is often none, and else anything from a moment to seconds.
func drawPause(s model.Source) time.Duration {
	if s.Chance(50) {
		return 0
	}
	return s.Duration(0, time.Microsecond<<s.Int(0, 22))
}

func drawReply(s model.Source) reply {
	r := reply{kind: kind(s.Int(0, int(kinds)-1)), part: int(s.Bits(8))}
	if s.Chance(50) {
		r.pause = drawPause(s)
	}
	return r
}

// answer is what the output does with p.
func (r reply) answer(p []byte) (int, error) {
	if r.pause > 0 {
		time.Sleep(r.pause)
	}
	some := r.part * len(p) / 256 // never all
	switch r.kind {
	case fallsShort:
		return some, errDisk
	case fallsShortSilently:
		return some, nil
	case failsForGood:
		return some, flusher.Permanent(errDisk)
	case failsPartly:
		return some, flusher.Partial(errDisk, 0)
	case takesNothing:
		return 0, errDisk
	case panics:
		panic("poison")
	case exits:
		runtime.Goexit()
	case takesLess:
		return -1, nil
	case takesMore:
		return len(p) + 1, nil
	case takesAllAndFails:
		return len(p), errDisk
	}
	return len(p), nil
}

// context of a Stop or Restart.
func (st step) context() (context.Context, context.CancelFunc) {
	if st.limit < 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), st.limit)
}
