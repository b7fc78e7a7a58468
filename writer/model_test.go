package writer_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/writer"
)

var (
	modelCases = flag.Int("model.cases", 300, "how many cases TestModel draws")
	modelSeed  = flag.Uint64("model.seed", 0, "of the first case of TestModel; 0: at random")
)

// TestModel draws settings, writers and the answers of an output, lets them loose
// on a Writer in virtual time, and has it stopped, restarted and closed
// meanwhile. Then what the output has taken must be the accepted Writes, whole
// and in the order of each goroutine, and what is missing must have been told.
//
// The seed of a case that fails is printed. It draws the same case again, though
// not the same turns of its goroutines:
//
//	go test -race -run TestModel ./writer -model.seed 42 -model.cases 1
func TestModel(t *testing.T) {
	seed := *modelSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for i := range uint64(*modelCases) {
		if playModel(t, seed+i); t.Failed() {
			return
		}
	}
}

func playModel(t *testing.T, seed uint64) {
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

// ledger is what came of a scene.
type ledger struct {
	mu       sync.Mutex
	accepted []string
	returned map[*buffer.ShutdownError[[]byte]]bool
}

func (l *ledger) accept(p string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted = append(l.accepted, p)
}

// stopped notes what a Stop, a Restart or a Close has given back.
func (l *ledger) stopped(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left, ok := errors.AsType[*buffer.ShutdownError[[]byte]](err); ok {
		l.returned[left] = true
	}
}

func (s scene) play(t *testing.T) {
	out := newTape(t, s.replies...)
	l := &ledger{returned: make(map[*buffer.ShutdownError[[]byte]]bool)}
	g := &grave{}
	if s.dead {
		s.cfg.DeadLetter = g
	}
	every, written := 0, 0 // after how many calls of the output Every came last
	w, err := writer.New(out, s.cfg, writer.Every(s.every, func(context.Context) error {
		if !out.busy.CompareAndSwap(false, true) {
			t.Error("Every comes while the output is written")
		}
		time.Sleep(time.Millisecond)
		every++
		written = len(out.offered())
		out.busy.Store(false)
		return nil
	}), writer.Beside(s.every, 2, func(context.Context) error {
		time.Sleep(3 * s.every / 2)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}

	var actors sync.WaitGroup
	for i, steps := range s.writers {
		actors.Go(func() {
			for k, step := range steps {
				step.write(t, w, l, fmt.Sprintf("<%d.%d", i, k))
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
	if s.closes {
		time.Sleep(s.closeAt)
		l.stopped(w.Close())
	}
	actors.Wait()
	l.stopped(w.Close())
	if every == 0 || written != len(out.offered()) {
		t.Errorf("Every was called %d times, the last after %d of %d writes", every, written, len(out.offered()))
	}
	if stats := w.Stats(); stats != (writer.Stats{}) {
		t.Errorf("%+v is left", stats)
	}
	l.check(t, out.String(), g.writes, w.Errors())
}

// check holds what the output has taken against what was accepted and what was
// told.
func (l *ledger) check(t *testing.T, taken string, dead []string, errs []error) {
	missing := make(map[string]bool) // what was accepted and is not there
	for _, p := range l.accepted {
		missing[p] = true
	}
	accepted := len(missing)
	if accepted != len(l.accepted) || len(errs) == 100 {
		t.Fatal("the test is wrong")
	}
	newest, torn := make(map[int]int), 0
	for part := range strings.SplitSeq(taken, "<") {
		p := "<" + part
		if part == "" {
			continue
		}
		if !strings.HasSuffix(p, ">") {
			torn++ // given up in the middle
			continue
		}
		if !missing[p] {
			t.Errorf("%q was written twice, or was never accepted", p)
		}
		delete(missing, p)
		var g, k int
		if _, err := fmt.Sscanf(p, "<%d.%d", &g, &k); err != nil {
			t.Errorf("%q: %v", p, err)
		}
		if before, ok := newest[g]; ok && before > k {
			t.Errorf("goroutine %d: %d comes after %d", g, k, before)
		}
		newest[g] = k
	}

	lost := 0 // what was told
	gone := func(p, how string) {
		lost++
		if !missing[p] {
			t.Errorf("%q was %s, and written", p, how)
		}
	}
	for _, p := range dead {
		gone(p, "dead-lettered")
	}
	for left := range l.returned {
		for _, p := range left.Undelivered {
			gone(string(p), "returned as undelivered")
		}
		for _, p := range left.InDoubt {
			if missing[string(p)] {
				lost++
			}
		}
	}
	told := 0
	for _, err := range errs {
		var n int
		if _, scan := fmt.Sscanf(err.Error(), "writer: %d Writes were dropped", &n); scan == nil && strings.Contains(err.Error(), "were dropped") {
			lost += n
			told++
		}
		if _, scan := fmt.Sscanf(err.Error(), "writer: %d Writes went to", &n); scan == nil && strings.Contains(err.Error(), "went to") {
			told++
		}
		if strings.Contains(err.Error(), ">") {
			t.Errorf("a text holds what was written: %v", err)
		}
	}
	if lost != len(missing) {
		t.Errorf("of %d accepted %d are missing, and %d were told of", accepted, len(missing), lost)
	}
	if torn > told+len(l.returned) {
		t.Errorf("%d Writes are torn, but only %d losses were told", torn, told+len(l.returned))
	}
}
