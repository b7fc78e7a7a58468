package flusher

import (
	"math"
	"slices"
	"time"
)

// A Verdict is what the error of a Flusher says about each item of a batch. The
// zero Verdict says that all are delivered.
type Verdict struct {
	// Whole says that every item failed, and all alike. Retry and Permanent are
	// empty then.
	Whole bool

	// Final says, beside Whole, that the batch is not to be retried.
	Final bool

	// After is the least time to wait before a retry: the longest that a
	// RetryAfter anywhere in the error asks for. 0 where none does.
	After time.Duration

	// Retry and Permanent are the indexes of the failed items by class, where
	// Whole is not set: ascending, each index once and in one of the two. All
	// the other items are delivered. An empty one is nil. The slices belong to
	// the caller.
	Retry, Permanent []int
}

// Inspect reads what err, the answer of a Flusher, says about a batch of n
// items. A nil err is the zero Verdict. It does not block. It calls the Unwrap
// methods in err, which are others' code and may panic.
//
// The whole tree of err is read, through Unwrap() error and Unwrap() []error:
//
//   - Without a [Partial] the whole batch failed. It is final where [Permanent]
//     stands anywhere in the tree: permanent is the harsher class, and beats
//     retry wherever the two meet.
//   - A Partial speaks of the items that it names. Their class is permanent
//     where a Permanent stands anywhere around that Partial or directly in it
//     (in a nested Partial it speaks of the nested one's items); else they are
//     retried.
//   - Joined or nested Partials are a union, each index with its own class. An
//     index that is named twice takes the harsher.
//   - A joined branch without a Partial, beside branches with one, fails the
//     whole batch: it does not say which items it is about, and to take the
//     unnamed for delivered would be silent loss. So does a Partial that names
//     no index, or one outside 0..n-1. Such a batch is final only where
//     Permanent is said of that very branch, outside of its Partials.
//   - Partials that name every item, all to be retried, are the failure of the
//     whole batch: the content stays the same, and so does its ID.
//   - The longest RetryAfter in the tree holds for all that is retried.
//   - A [*PanicError] or [ErrGoexit] counts as Permanent. What was given to
//     panic is no answer, and is not looked into.
//
// A tree that is endless, or absurdly large for n items, is not read to its end,
// and fails the whole batch.
func Inspect(err error, n int) Verdict {
	if err == nil {
		return Verdict{}
	}
	r := reading{n: n, partials: make(map[*partialError]*claim)}
	r.read(err)

	verdict := Verdict{After: r.after}
	if r.whole {
		verdict.Whole, verdict.Final = true, r.final
		return verdict
	}
	for partial, c := range r.partials {
		if c.permanent {
			verdict.Permanent = append(verdict.Permanent, partial.failed...)
		} else {
			verdict.Retry = append(verdict.Retry, partial.failed...)
		}
	}
	verdict.Permanent = ascending(verdict.Permanent)
	verdict.Retry = slices.DeleteFunc(ascending(verdict.Retry), func(index int) bool {
		_, harsher := slices.BinarySearch(verdict.Permanent, index)
		return harsher
	})
	switch len(verdict.Retry) {
	case n:
		return Verdict{Whole: true, After: r.after}
	case 0:
		verdict.Retry = nil
	}
	return verdict
}

// ascending returns indexes sorted and without duplicates, in place.
func ascending(indexes []int) []int {
	slices.Sort(indexes)
	return slices.Compact(indexes)
}

// A reading is one walk over the tree of an error.
type reading struct {
	n     int
	after time.Duration
	whole bool // something failed the whole batch
	final bool // something failed the whole batch for good

	// partials are by identity, so that one that the tree holds a thousand times
	// costs its indexes once.
	partials map[*partialError]*claim
}

// A claim is what is known about the class of one Partial's items.
type claim struct{ permanent bool }

// A node is an error in the tree with what stands around it.
type node struct {
	err       error
	permanent bool   // a Permanent stands around it
	outside   bool   // one stands around it and outside of all Partials
	partial   *claim // the innermost Partial around it, or nil
}

// budget bounds how many errors of a tree are read. A Partial for each item,
// each under a few wrappers, is well within.
func budget(n int) int {
	const base, each = 1 << 16, 16
	return base + each*min(max(n, 0), math.MaxInt32/(2*each))
}

// read walks over the tree with a stack of its own, as an error's depth is the
// user's to choose and a goroutine's stack ends the process when it overflows.
func (r *reading) read(err error) {
	left := budget(r.n)
	stack := []node{{err: err}}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if left--; left < 0 {
			r.fail(at)
			return
		}
		r.mark(&at)

		// All that is pushed is paid for above; what there is no budget for need
		// not be pushed.
		pushed := false
		for _, child := range children(at.err) {
			if child == nil {
				continue
			}
			if len(stack) > left {
				r.fail(at)
				return
			}
			stack = append(stack, node{child, at.permanent, at.outside, at.partial})
			pushed = true
		}
		if !pushed && at.partial == nil {
			r.fail(at)
		}
	}
}

// fail notes that the node fails the whole batch.
func (r *reading) fail(at node) {
	r.whole = true
	r.final = r.final || at.outside
}

// mark notes what the node itself says, for the node, the Partial around it, and
// all below.
func (r *reading) mark(at *node) {
	permanent := at.err == ErrGoexit
	switch e := at.err.(type) {
	case *retryAfterError:
		r.after = max(r.after, e.after)
	case *partialError:
		r.claim(at, e)
	case *permanentError, *PanicError:
		permanent = true
	}
	if !permanent {
		return
	}
	at.permanent = true
	if at.partial != nil {
		at.partial.permanent = true
	} else {
		at.outside = true
	}
}

// claim notes the items that a Partial names, and makes it the innermost one
// around all below.
func (r *reading) claim(at *node, e *partialError) {
	last := len(e.failed) - 1
	if last < 0 || e.failed[0] < 0 || e.failed[last] >= r.n {
		r.fail(*at)
	}
	if r.partials[e] == nil {
		r.partials[e] = new(claim)
	}
	at.partial = r.partials[e]
	at.partial.permanent = at.partial.permanent || at.permanent
}

// children returns what the error wraps, with nil errors among it.
func children(err error) []error {
	switch e := err.(type) {
	case *PanicError:
		return nil
	case interface{ Unwrap() error }:
		return []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	default:
		return nil
	}
}
