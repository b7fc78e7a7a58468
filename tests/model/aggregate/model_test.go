package aggregate_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/tests/model"
)

// TestModel lets users and failing destinations loose on an Aggregator, and looks
// at it after each step: the law; each Add that returned nil in one entry, and in
// its Count; entries that do not change once they are handed over; keys once a
// batch and in one partition; nobody who waits with a key that is held.
func TestModel(t *testing.T) {
	model.Check(t, model.Cases{Plain: 2500, Race: 500}, draw, play)
}

func play(t *model.T, s scene) {
	w := newWorld(t, s.cfg)
	main := model.NewSink[list](s.replies, w.fromInside)
	s.cfg.Flusher = &destination{world: w, sink: main}
	if s.dead {
		s.cfg.DeadLetter = &destination{world: w, dead: true, sink: model.NewSink[list](s.funerals, w.fromInside)}
	}
	a, err := aggregate.New(w.merge, s.cfg)
	if err != nil {
		t.Errorf("New: %v", err)
		return
	}
	w.a = a

	stop := make(chan struct{})
	var users, others sync.WaitGroup
	others.Go(func() { main.Suffer(s.outages, stop) })
	for _, o := range s.ops {
		if o.pause > 0 {
			time.Sleep(o.pause)
		}
		synctest.Wait()
		w.look()
		ctx := context.Background()
		if o.deadline != 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, o.deadline)
			defer cancel()
		}
		switch o.what {
		case addSome:
			for _, add := range o.adds {
				users.Go(func() { w.add(ctx, add) })
			}
		case flushAll:
			if err := a.Flush(ctx); err != nil && !errors.Is(err, buffer.ErrClosed) && ctx.Err() == nil {
				t.Errorf("Flush: %v", err)
			}
		case syncFlush:
			users.Go(func() { w.syncFlush(ctx) })
		case shutDown:
			w.close()
			users.Go(func() { w.shutDown(ctx) })
		}
		synctest.Wait()
		w.look()
	}
	w.close()
	users.Go(func() { w.shutDown(context.Background()) })
	users.Wait()
	time.Sleep(20 * time.Second) // for the attempts that nobody waits for
	close(stop)
	others.Wait()
	synctest.Wait()
	w.look()
	w.settled()
}
