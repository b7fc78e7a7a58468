package flusher_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

// The tests in this file compare Inspect with a second, slower statement of its
// rules, over trees of errors that are made up at random or by the fuzzer. The
// model never sees an error: it reads the paths of the tree from the root to
// each leaf, as they were when the tree was made.

// A step is one error on a path.
type step struct {
	kind   byte // one of the kinds below
	after  time.Duration
	failed []int
}

const (
	stepWrap byte = iota
	stepPermanent
	stepRetryAfter
	stepPartial
)

// A tree is an error with the paths through it.
type tree struct {
	err   error
	paths [][]step
}

// under puts a step on top of all the paths.
func (t tree) under(err error, top step) tree {
	paths := make([][]step, 0, len(t.paths))
	for _, path := range t.paths {
		paths = append(paths, append([]step{top}, path...))
	}
	return tree{err, paths}
}

// model is Inspect by the book.
func model(paths [][]step, n int) flusher.Verdict {
	var verdict flusher.Verdict
	harsh := make(map[int]bool) // by index: whether it is permanent
	fail := func(permanent bool) {
		verdict.Whole = true
		verdict.Final = verdict.Final || permanent
	}
	for _, path := range paths {
		said := func(steps []step) bool {
			return slices.ContainsFunc(steps, func(s step) bool { return s.kind == stepPermanent })
		}
		isPartial := func(s step) bool { return s.kind == stepPartial }
		outside := path
		if first := slices.IndexFunc(path, isPartial); first >= 0 {
			outside = path[:first]
		} else {
			fail(said(path))
		}
		for i, s := range path {
			verdict.After = max(verdict.After, s.after)
			if !isPartial(s) {
				continue
			}
			inside := path[i+1:]
			if next := slices.IndexFunc(inside, isPartial); next >= 0 {
				inside = inside[:next]
			}
			outOfRange := func(index int) bool { return index < 0 || index >= n }
			if len(s.failed) == 0 || slices.ContainsFunc(s.failed, outOfRange) {
				fail(said(outside))
			}
			for _, index := range s.failed {
				harsh[index] = harsh[index] || said(path[:i]) || said(inside)
			}
		}
	}
	if verdict.Whole {
		return verdict
	}
	for index := range n {
		permanent, named := harsh[index]
		switch {
		case permanent:
			verdict.Permanent = append(verdict.Permanent, index)
		case named:
			verdict.Retry = append(verdict.Retry, index)
		}
	}
	if len(verdict.Retry) == n {
		return flusher.Verdict{Whole: true, After: verdict.After}
	}
	return verdict
}

// A maker makes a tree out of bytes; without bytes left it makes leaves.
type maker struct{ bytes []byte }

func (m *maker) next() byte {
	if len(m.bytes) == 0 {
		return 0
	}
	b := m.bytes[0]
	m.bytes = m.bytes[1:]
	return b
}

func (m *maker) tree(depth int) tree {
	leaf := tree{errSink, [][]step{{}}}
	if depth == 0 {
		return leaf
	}
	switch m.next() % 8 {
	case 1:
		inner := m.tree(depth - 1)
		return inner.under(flusher.Permanent(inner.err), step{kind: stepPermanent})
	case 2:
		after := time.Duration(m.next())
		inner := m.tree(depth - 1)
		return inner.under(flusher.RetryAfter(inner.err, after), step{kind: stepRetryAfter, after: after})
	case 3, 4:
		failed := make([]int, m.next()%4)
		for i := range failed {
			failed[i] = int(m.next()%16) - 1
		}
		inner := m.tree(depth - 1)
		return inner.under(flusher.Partial(inner.err, failed...), step{kind: stepPartial, failed: failed})
	case 5:
		inner := m.tree(depth - 1)
		return inner.under(fmt.Errorf("wrapped: %w", inner.err), step{kind: stepWrap})
	case 6, 7:
		var errs []error
		var joined tree
		for range 2 + m.next()%3 {
			branch := m.tree(depth - 1)
			errs = append(errs, branch.err)
			joined.paths = append(joined.paths, branch.paths...)
		}
		joined.err = errors.Join(errs...)
		return joined
	default:
		return leaf
	}
}

// check holds Inspect against the model, and against what is true of any answer.
func check(t *testing.T, made tree, n int) {
	t.Helper()
	got := flusher.Inspect(made.err, n)
	require.Equal(t, model(made.paths, n), got, "n = %d, %v, %v", n, made.paths, made.err)

	require.True(t, slices.IsSortedFunc(got.Retry, strictly), "retry is not ascending: %v", got.Retry)
	require.True(t, slices.IsSortedFunc(got.Permanent, strictly), "permanent is not ascending: %v", got.Permanent)
	for _, index := range slices.Concat(got.Retry, got.Permanent) {
		require.GreaterOrEqual(t, index, 0)
		require.Less(t, index, n)
	}
	for _, index := range got.Retry {
		require.NotContains(t, got.Permanent, index, "in both classes")
	}
	require.GreaterOrEqual(t, got.After, time.Duration(0))
	if got.Whole {
		require.Empty(t, got.Retry)
		require.Empty(t, got.Permanent)
	} else {
		require.False(t, got.Final, "final without whole")
		require.NotEmpty(t, slices.Concat(got.Retry, got.Permanent), "an error that failed nothing")
	}
}

// strictly makes IsSortedFunc fail on equal neighbours too.
func strictly(a, b int) int {
	if a <= b {
		return a - b - 1
	}
	return 1
}

func TestInspectAgreesWithTheModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	whole, split := 0, 0
	for range 50_000 {
		raw := make([]byte, random.IntN(60))
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		m := maker{raw}
		n := int(m.next() % 16)
		made := m.tree(8)
		check(t, made, n)
		if flusher.Inspect(made.err, n).Whole {
			whole++
		} else {
			split++
		}
	}
	// The trees are of use only where both kinds of answer are frequent.
	assert.Greater(t, whole, 1000)
	assert.Greater(t, split, 1000)
}

func FuzzInspect(f *testing.F) {
	for _, seed := range [][]byte{
		{},                                      // an error, no items
		{9, 1},                                  // permanent
		{9, 3, 1, 4},                            // partial
		{9, 1, 3, 2, 4, 5},                      // permanent over partial
		{9, 3, 2, 4, 5, 1},                      // partial over permanent
		{9, 6, 0, 3, 1, 4, 0, 3, 1, 5},          // a join of two partials
		{9, 6, 1, 3, 1, 4, 1, 0, 3, 1, 4, 0, 0}, // two partials and an error
		{2, 6, 0, 3, 1, 1, 0, 3, 1, 2},          // every item named
		{9, 3, 0},                               // no index
		{3, 3, 1, 15},                           // out of range
		{9, 3, 1, 0},                            // negative
		{9, 2, 200, 3, 1, 4, 2, 100},            // retry after twice
		{9, 3, 1, 4, 3, 1, 5, 1},                // nested partials
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := maker{raw}
		n := int(m.next() % 16)
		check(t, m.tree(8), n)
	})
}
