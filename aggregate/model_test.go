package aggregate_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffer"
)

var (
	modelCases = flag.Int("model.cases", 200, "how many cases TestModel draws")
	modelSeed  = flag.Uint64("model.seed", 0, "of the first case of TestModel; 0: at random")
)

// TestModel draws settings, users and answers, lets them loose on an Aggregator
// in virtual time, and looks at it after each step: the law; each Add that
// returned nil in one entry, and in its Count; entries that do not change once
// they are handed over; keys once a batch and in one partition; nobody who waits
// with a key that is held.
//
// The seed of a case that fails is printed. It draws the same case again, though
// not the same turns of its goroutines:
//
//	go test -race -run TestModel ./aggregate -model.seed 42 -model.cases 1
func TestModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for i := range uint64(*modelCases) {
		if play(t, seed+i); t.Failed() {
			return
		}
	}
}

// play runs one case.
func play(t *testing.T, seed uint64) {
	again := fmt.Sprintf("again with: -run TestModel -model.cases 1 -model.seed %d", seed)
	watch := time.AfterFunc(time.Minute, func() { panic("virtual time stands still; " + again) })
	returned := false
	defer func() {
		watch.Stop()
		if !returned || t.Failed() { // a bubble that is deadlocked panics
			fmt.Fprintln(os.Stderr, again)
		}
	}()
	s := draw(rand.New(rand.NewPCG(seed, 0)))
	synctest.Test(t, func(t *testing.T) { s.play(t) })
	returned = true
}

func (s scene) play(t *testing.T) {
	w := newWorld(t, s.cfg)
	s.cfg.Flusher = &destination{world: w, replies: s.answers}
	if s.dead {
		s.cfg.DeadLetter = &destination{world: w, dead: true, replies: s.funerals}
	}
	a, err := aggregate.New(w.merge, s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.a = a

	var users sync.WaitGroup
	for _, o := range s.ops {
		time.Sleep(o.pause)
		synctest.Wait()
		w.look()
		ctx := context.Background()
		if o.deadline > 0 {
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
			if err := a.Flush(ctx); err != nil && !errors.Is(err, buffer.ErrClosed) {
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
	synctest.Wait()
	w.look()
	w.settled()
	if t.Failed() {
		t.Logf("%+v", s)
	}
}
