package model

import (
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

const (
	patience  = time.Minute // for one case, in real time
	first     = 2           // cases of a run that are played again and again
	again     = 50          // times
	searching = 10          // times, once a case has failed
)

// Check draws scenes and plays each in a bubble, until all cases are through or
// one has failed. It fails t with the smallest scene that it finds, and what it
// did. Play must leave no goroutine behind.
func Check[S any](t *testing.T, cases Cases, draw func(Source) S, play func(*T, S)) {
	t.Helper()
	f := &frame[S]{t: t, play: play}
	t.Cleanup(f.tell)
	scenes := rapid.Custom(func(rt *rapid.T) scene[S] { return scene[S]{draw(Source{rt})} })
	cases.rounds(t, func(seed uint64) {
		f.seed = seed
		rapid.Check(t, func(rt *rapid.T) { f.try(rt, scenes.Draw(rt, "scene").drawn) })
	})
}

// scene is what was drawn. Rapid prints it by GoString.
type scene[S any] struct{ drawn S }

func (s scene[S]) GoString() string { return fmt.Sprintf("%+v", s.drawn) }

// frame is a Check. It belongs to its goroutine.
type frame[S any] struct {
	t     *testing.T
	play  func(*T, S)
	seed  uint64
	count int

	known string // how the first failure is known; empty: none yet
	last  *T     // the newest failure of that kind
	scene S      // where it came about
}

// try plays a scene, and fails rt where that goes wrong.
func (f *frame[S]) try(rt *rapid.T, s S) {
	f.count++
	plays := 1
	switch {
	case f.known != "":
		plays = searching
	case f.count <= first:
		plays = again
	}
	for range plays {
		t := f.bubble(s)
		if len(t.failures) == 0 {
			continue
		}
		if f.known == "" {
			f.known = t.failures[0].kind
		}
		if t.has(f.known) { // others would lead the search astray
			f.last, f.scene = t, s
			rt.Fatalf("%s", f.known)
		}
	}
}

// bubble plays a scene once.
func (f *frame[S]) bubble(s S) (t *T) {
	t = new(T)
	watch := time.AfterFunc(patience, func() {
		panic(fmt.Sprintf("virtual time stands still in case %d of -rapid.seed=%d: %+v", f.count, f.seed, s))
	})
	defer watch.Stop()
	defer func() { // a bubble whose goroutines are all blocked panics
		if value := recover(); value != nil {
			t.Errorf("the bubble: %v\n%s", value, blocked())
		}
	}()
	synctest.Test(f.t, func(*testing.T) {
		defer func() { // it would end the process, and not just the case
			if value := recover(); value != nil {
				t.Errorf("panic: %v\n%s", value, debug.Stack())
			}
		}()
		f.play(t, s)
	})
	return t
}

// bubbleOf is the number of the bubble in the head of a goroutine's stack.
var bubbleOf = regexp.MustCompile(`synctest bubble (\d+)`)

// blocked are the stacks of the goroutines that the newest bubble has left. Those
// of the bubbles before it, if they left any, are there for ever.
func blocked() string {
	stacks := make([]byte, 1<<22)
	stacks = stacks[:runtime.Stack(stacks, true)]
	newest, left := 0, []string(nil)
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		head, _, _ := strings.Cut(stack, "\n")
		match := bubbleOf.FindStringSubmatch(head)
		if match == nil {
			continue
		}
		if number, _ := strconv.Atoi(match[1]); number > newest {
			newest, left = number, nil
		} else if number < newest {
			continue
		}
		left = append(left, stack)
	}
	return strings.Join(left, "\n\n")
}

// tell tells of the failure, whether or not rapid could have it again.
func (f *frame[S]) tell() {
	if f.last != nil {
		f.t.Logf("the smallest scene that failed:\n%+v\nwhat went wrong in it:\n%s", f.scene, f.last)
	}
}
