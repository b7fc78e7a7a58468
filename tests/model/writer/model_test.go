package writer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/tests/model"
	"github.com/go-databuffer/databuffer/writer"
)

// TestModel lets goroutines write to a Writer over an output that falls short,
// fails and panics, and has it stopped, restarted and closed meanwhile. Then what
// the output has taken must be the accepted Writes, whole and in the order of each
// goroutine, and what is missing must have been told.
func TestModel(t *testing.T) {
	model.Check(t, model.Cases{Plain: 5000, Race: 1000}, draw, play)
}

func play(t *model.T, s scene) {
	out := &output{t: t, replies: s.replies}
	l := &ledger{t: t, returned: make(map[*buffer.ShutdownError[[]byte]]bool)}
	if s.dead {
		s.cfg.DeadLetter = &grave{ledger: l, sink: model.NewSink[[]byte](s.funerals, nil)}
	}
	every, written := 0, 0 // after how many calls of the output Every came last
	w, err := writer.New(out, s.cfg, writer.Every(s.every, func(context.Context) error {
		if !out.busy.CompareAndSwap(false, true) {
			t.Errorf("Every comes while the output is written")
		}
		time.Sleep(time.Millisecond)
		every++
		written = out.count()
		out.busy.Store(false)
		return nil
	}), writer.Beside(s.every, 2, func(context.Context) error {
		time.Sleep(3 * s.every / 2)
		return nil
	}))
	if err != nil {
		t.Errorf("New: %v", err)
		return
	}

	var actors sync.WaitGroup
	for i, steps := range s.writers {
		actors.Go(func() {
			for k, step := range steps {
				step.size *= max(s.scale, 1)
				step.write(w, l, fmt.Sprintf("<%d.%d", i, k))
			}
		})
	}
	for _, steps := range s.stoppers {
		actors.Go(func() {
			for _, step := range steps {
				step.stop(w, l)
			}
		})
	}
	for _, after := range s.closes {
		actors.Go(func() {
			sleep(after)
			l.stopped(w.Close())
		})
	}
	actors.Wait()
	l.stopped(w.Close())
	time.Sleep(time.Minute) // for a dead letter that a Stop has left behind
	if every == 0 || written != out.count() {
		t.Errorf("Every was called %d times, the last after %d of %d writes", every, written, out.count())
	}
	if stats := w.Stats(); stats != (writer.Stats{}) {
		t.Errorf("%+v is left", stats)
	}
	if _, err := w.WriteString("late"); !errors.Is(err, buffer.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	l.check(out.String(), w.Errors())
}

// write is a step of whoever writes.
func (st step) write(w *writer.Writer, l *ledger, name string) {
	sleep(st.pause)
	if st.what == 0 {
		_ = w.Sync()
		return
	}
	p := []byte(name + strings.Repeat(".", st.size) + ">")
	n, err := w.Write(p)
	switch {
	case err == nil && n == len(p):
		l.accept(string(p))
	case n == 0 && (errors.Is(err, buffer.ErrFull) || errors.Is(err, writer.ErrNotRunning) || errors.Is(err, buffer.ErrClosed)):
	default:
		l.t.Errorf("Write returned %d and %v", n, err)
	}
	clear(p) // it was copied
}

// stop is a step of whoever stops and starts.
func (st step) stop(w *writer.Writer, l *ledger) {
	sleep(st.pause)
	ctx, cancel := st.context()
	defer cancel()
	switch {
	case st.what < 3:
		l.stopped(w.Stop(ctx))
	case st.what < 6:
		l.stopped(w.Restart(ctx))
	default:
		_ = w.Start()
	}
}

func sleep(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}
