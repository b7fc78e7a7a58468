package writer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/writer"
)

// scene is one case of TestModel, drawn before it begins.
type scene struct {
	cfg      buffer.Config[[]byte]
	dead     bool
	every    time.Duration
	replies  []reply
	writers  [][]step
	stoppers [][]step
	closes   bool
	closeAt  time.Duration
}

// step is what an actor does next.
type step struct {
	pause time.Duration
	what  int           // of what the actor can do
	size  int           // of a Write, in bytes beside its name
	limit time.Duration // of a Stop; negative: none
}

func draw(r *rand.Rand) scene {
	s := scene{cfg: config()}
	s.cfg.MaxBytes = 1 + r.IntN(60)
	s.cfg.MaxSize = r.IntN(8) // 0: off
	s.cfg.Overflow = buffer.Overflow(max(0, r.IntN(5)-2))
	if r.IntN(2) == 0 {
		s.cfg.FlushInterval = time.Duration(1 + r.IntN(int(time.Second)))
	}
	s.cfg.Retry = flusher.Retry{
		MaxAttempts: []int{0, 1, 2, -1}[r.IntN(4)],
		MinBackoff:  time.Millisecond,
		MaxBackoff:  time.Duration(1+r.IntN(100)) * time.Second,
	}
	s.dead = r.IntN(2) == 0
	s.every = time.Duration(1+r.IntN(3000)) * time.Millisecond
	for range r.IntN(30) {
		s.replies = append(s.replies, drawReply(r))
	}
	for range 1 + r.IntN(4) {
		s.writers = append(s.writers, drawSteps(r, 1+r.IntN(30)))
	}
	for range r.IntN(3) {
		s.stoppers = append(s.stoppers, drawSteps(r, r.IntN(4)))
	}
	s.closes = r.IntN(3) == 0
	s.closeAt = drawPause(r)
	return s
}

func drawSteps(r *rand.Rand, n int) []step {
	steps := make([]step, n)
	for i := range steps {
		steps[i] = step{pause: drawPause(r), what: r.IntN(10), size: r.IntN(20), limit: drawPause(r)}
		if r.IntN(10) == 0 {
			steps[i].size = r.IntN(200)
		}
		if r.IntN(3) == 0 {
			steps[i].limit = -1
		}
	}
	return steps
}

// drawPause is often none, and else anything from a moment to seconds.
func drawPause(r *rand.Rand) time.Duration {
	if r.IntN(2) == 0 {
		return 0
	}
	return time.Duration(r.Int64N(int64(time.Microsecond) << r.IntN(23)))
}

func drawReply(r *rand.Rand) reply {
	part, pause := r.Float64(), drawPause(r)
	some := func(p []byte) int { return int(part * float64(len(p))) } // never all
	answers := []reply{
		nil,
		func(p []byte) (int, error) { return some(p), errDisk },
		func(p []byte) (int, error) { return some(p), nil },
		func(p []byte) (int, error) { return some(p), flusher.Permanent(errDisk) },
		func(p []byte) (int, error) { return some(p), flusher.Partial(errDisk, 0) },
		fails(errDisk),
		panics,
		func([]byte) (int, error) { runtime.Goexit(); return 0, nil },
		takes(-1, nil),
		func(p []byte) (int, error) { return len(p) + 1, nil },
		takesAll(errDisk),
	}
	answer := answers[r.IntN(len(answers))]
	if answer == nil || r.IntN(2) == 0 {
		return answer
	}
	return func(p []byte) (int, error) {
		time.Sleep(pause)
		return answer(p)
	}
}

// write is a step of whoever writes.
func (s step) write(t *testing.T, w *writer.Writer, l *ledger, name string) {
	time.Sleep(s.pause)
	if s.what == 0 {
		_ = w.Sync()
		return
	}
	p := name + strings.Repeat(".", s.size) + ">"
	n, err := w.WriteString(p)
	switch {
	case err == nil && n == len(p):
		l.accept(p)
	case n == 0 && (errors.Is(err, buffer.ErrFull) || errors.Is(err, writer.ErrNotRunning) || errors.Is(err, buffer.ErrClosed)):
	default:
		t.Error(fmt.Errorf("Write returned %d and %w", n, err))
	}
}

// stop is a step of whoever stops and starts.
func (s step) stop(w *writer.Writer, l *ledger) {
	time.Sleep(s.pause)
	ctx := context.Background()
	if s.limit >= 0 {
		limited, cancel := context.WithTimeout(ctx, s.limit)
		defer cancel()
		ctx = limited
	}
	switch {
	case s.what < 3:
		l.stopped(w.Stop(ctx))
	case s.what < 6:
		l.stopped(w.Restart(ctx))
	default:
		_ = w.Start()
	}
}
