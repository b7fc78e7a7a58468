package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/tests/model"
)

// TestModel lets users and failing destinations loose on a buffer, shuts it down
// in the middle of it, and holds what comes of it against the design: the law at
// every step; one outcome for each item, and the one that the destinations have
// seen; order, sizes, IDs, attempts; and an end that leaves nothing behind, which
// the bubble sees to.
func TestModel(t *testing.T) {
	model.Check(t, model.Cases{Plain: 10_000, Race: 2500}, draw, play)
}

func play(t *model.T, s scene) {
	w := newWorld(t, s)
	buf, err := buffer.New(w.cfg)
	if err != nil {
		t.Errorf("New: %v", err)
		return
	}
	w.buf = buf

	stop := make(chan struct{})
	var actors, closers, others sync.WaitGroup
	for i, a := range s.actors {
		number := i
		if a.pinned {
			number += pinner
		}
		actors.Go(func() { w.act(a, number) })
	}
	results := make([]error, len(s.shutdowns))
	for i, sh := range s.shutdowns {
		closers.Go(func() { results[i] = w.shutDown(sh) })
	}
	others.Go(func() { w.watch(stop) })
	others.Go(func() { w.main.Suffer(s.outages, stop) })
	closers.Wait()
	actors.Wait()
	time.Sleep(20 * time.Second) // for the attempts that nobody waits for
	close(stop)
	others.Wait()
	w.ended(results)
}

// ended judges a case that is over.
func (w *world) ended(results []error) {
	for _, err := range results {
		if err != results[0] {
			w.t.Errorf("two answers of Shutdown: %v and %v", results[0], err)
		}
	}
	var left buffer.ShutdownError[int]
	if err := results[0]; err != nil {
		var given *buffer.ShutdownError[int]
		if !errors.As(err, &given) || len(given.Undelivered)+len(given.InDoubt) == 0 || !errors.Is(err, context.DeadlineExceeded) {
			w.t.Errorf("Shutdown: %v", err)
			return
		}
		left = *given
	}
	info := w.buf.Info()
	if fmt.Sprint(info) != fmt.Sprint(w.final) {
		w.t.Errorf("after Shutdown something changed:\n%+v\n%+v", w.final, info)
	}
	buffertest.CheckSettled(w.t, info)
	if err := w.buf.Insert(context.Background(), 1); !errors.Is(err, buffer.ErrClosed) {
		w.t.Errorf("Insert after Shutdown: %v", err)
	}
	if items := w.buf.Dump(); len(items) != 0 {
		w.t.Errorf("Dump after Shutdown: %v", items)
	}
	w.settled(&left)
}

// shutDown is one of those who end the buffer.
func (w *world) shutDown(sh shutdown) error {
	time.Sleep(sh.at)
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if sh.deadline != 0 {
		ctx, cancel = context.WithTimeout(ctx, sh.deadline)
	}
	defer cancel()
	start := time.Now()
	w.closing(sh)
	err := w.buf.Shutdown(ctx)
	if waited := time.Since(start); sh.deadline != 0 && waited > max(sh.deadline, 0)+w.cfg.FlushGrace {
		w.t.Errorf("Shutdown took %v, its ctx had %v", waited, sh.deadline)
	}
	w.shut()
	return err
}

// closing notes that Shutdown is about to be called.
func (w *world) closing(sh shutdown) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	switch {
	case w.closed.IsZero():
		w.closed, w.atOnce = now, sh.deadline < 0
	case w.closed.Equal(now):
		w.atOnce = false // one of the two was first
	}
}

// shut notes the state at which Shutdown has returned.
func (w *world) shut() {
	info := w.buf.Info()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over.IsZero() {
		return
	}
	w.over, w.final = time.Now(), info
	for _, attempt := range w.attempts {
		running := attempt.end.IsZero()
		for _, item := range attempt.batch.Items {
			// A partition that had nothing to wait for has judged when the grace began.
			w.runs[item] = w.runs[item] || running
			w.doubtful[item] = w.doubtful[item] || running || !attempt.end.Before(w.over.Add(-w.cfg.FlushGrace))
		}
	}
}
