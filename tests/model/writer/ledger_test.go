package writer_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/tests/model"
)

// ledger is what came of a scene.
type ledger struct {
	t *model.T

	mu       sync.Mutex // protects the fields below
	accepted []string
	dead     []string
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

// check holds what the output has taken against what was accepted and what was
// told.
func (l *ledger) check(taken string, errs []error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := make(map[string]bool) // what was accepted and is not there
	for _, p := range l.accepted {
		missing[p] = true
	}
	accepted := len(missing)
	if accepted != len(l.accepted) {
		l.t.Errorf("the model is wrong: %d names for %d Writes", accepted, len(l.accepted))
		return
	}
	torn := l.written(taken, missing)
	lost := l.left(missing)
	dropped, told := l.told(errs)
	lost += dropped
	const kept = 100 // by Errors; those before them are forgotten
	forgotten := len(errs) == kept
	if lost != len(missing) && !forgotten || lost > len(missing) {
		l.t.Errorf("of %d accepted %d are missing, and %d were told of", accepted, len(missing), lost)
	}
	if torn > told+len(l.returned) && !forgotten {
		l.t.Errorf("%d Writes are torn, but only %d losses were told", torn, told+len(l.returned))
	}
}

// written goes through what the output has taken, and takes it from what is
// missing. It returns how many Writes were given up in the middle.
func (l *ledger) written(taken string, missing map[string]bool) (torn int) {
	newest := make(map[int]int)
	for part := range strings.SplitSeq(taken, "<") {
		p := "<" + part
		if part == "" {
			continue
		}
		if !strings.HasSuffix(p, ">") {
			torn++
			continue
		}
		if !missing[p] {
			l.t.Errorf("%q was written twice, or was never accepted", p)
		}
		delete(missing, p)
		var g, k int
		if _, err := fmt.Sscanf(p, "<%d.%d", &g, &k); err != nil {
			l.t.Errorf("%q: %v", p, err)
		}
		if before, ok := newest[g]; ok && before > k {
			l.t.Errorf("goroutine %d: %d comes after %d", g, k, before)
		}
		newest[g] = k
	}
	return torn
}

// left counts what went to the dead letter or was given back, which must be
// missing.
func (l *ledger) left(missing map[string]bool) (lost int) {
	gone := make(map[string]string)
	note := func(p, how string) {
		lost++
		if before, twice := gone[p]; twice || !missing[p] {
			l.t.Errorf("%q was %s, and written or %s", p, how, before)
		}
		gone[p] = how
	}
	for _, p := range l.dead {
		note(p, "dead-lettered")
	}
	for left := range l.returned {
		for _, p := range left.Undelivered {
			note(string(p), "returned as undelivered")
		}
		for _, p := range left.InDoubt {
			// Its attempt may have gone on, at the output or at the dead letter.
			if _, dead := gone[string(p)]; missing[string(p)] && !dead {
				note(string(p), "returned in doubt")
			}
		}
	}
	return lost
}

// told is what Errors tells: how many Writes were dropped, and how many losses
// that were.
func (l *ledger) told(errs []error) (dropped, losses int) {
	for _, err := range errs {
		var n int
		text := err.Error()
		if _, scan := fmt.Sscanf(text, "writer: %d Writes were dropped", &n); scan == nil && strings.Contains(text, "were dropped") {
			dropped += n
			losses++
		}
		if _, scan := fmt.Sscanf(text, "writer: %d Writes went to", &n); scan == nil && strings.Contains(text, "went to") {
			losses++
		}
		if strings.Contains(text, ">") {
			l.t.Errorf("a text holds what was written: %v", err)
		}
	}
	return dropped, losses
}
