package buffertest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// A Fault is what goes wrong in one attempt. The zero value is none: the batch
// goes to the Flusher behind the [Faulty], and its answer comes back. A Fault may
// be used for any number of attempts, also at once.
type Fault struct {
	pauses []pause // before anything else, in turn
	how    how
	err    error
	items  []int // indexes, of failItems
	value  any   // of panics
}

// pause is a time that an attempt takes.
type pause struct {
	d     time.Duration
	stuck bool // whatever the context says
}

// how an attempt ends.
type how int

const (
	passes how = iota
	fails
	failsItems
	loses
	panics
	exits
)

// Pass is no fault, for the attempts of a [Script] that are to succeed.
func Pass() Fault { return Fault{} }

// Fail answers err, and the batch does not arrive. The classes of errors are
// those of package flusher: Fail(flusher.RetryAfter(err, time.Second)), which is
// the same as Fail(err).After(time.Second). Fail(nil) is a destination that says
// it has what it has not.
func Fail(err error) Fault { return Fault{how: fails, err: err} }

// FailItems answers flusher.Partial(err, failed...). The items at all other
// indexes arrive, in a Batch that is otherwise the same; where they fail behind the
// Faulty, both answers are joined. Where an index is none of the batch's, or there
// is no index, the answer fails the whole batch, and nothing arrives. A nil err is
// replaced by one of this package's.
func FailItems(err error, failed ...int) Fault {
	if err == nil {
		err = errNone
	}
	return Fault{how: failsItems, err: err, items: slices.Clone(failed)}
}

var errNone = errors.New("buffertest: FailItems was given no error")

// Lose has the batch arrive, and answers err all the same: as when a connection
// breaks before the destination could answer. It is how duplicates come about.
func Lose(err error) Fault { return Fault{how: loses, err: err} }

// Panic panics with the value, and the batch does not arrive.
func Panic(value any) Fault { return Fault{how: panics, value: value} }

// Goexit ends the goroutine by runtime.Goexit, as t.FailNow does. The batch does
// not arrive.
func Goexit() Fault { return Fault{how: exits} }

// Delay takes d, or until the context ends; then it answers with the context's
// error, and the batch does not arrive.
func Delay(d time.Duration) Fault { return Fault{pauses: []pause{{d, false}}} }

// Stuck takes d whatever the context says, as a call without a timeout does.
func Stuck(d time.Duration) Fault { return Fault{pauses: []pause{{d, true}}} }

// Then is f, and next after it: Delay(time.Second).Then(Fail(err)). What ends the
// attempt, which is everything but Delay, Stuck and Pass, has nothing after it.
func (f Fault) Then(next Fault) Fault {
	if f.how != passes {
		return f
	}
	next.pauses = slices.Concat(f.pauses, next.pauses)
	return next
}

// Permanently marks the error of Fail, FailItems and Lose by flusher.Permanent.
// It changes no other Fault.
func (f Fault) Permanently() Fault {
	f.err = flusher.Permanent(f.err)
	return f
}

// After marks the error of Fail, FailItems and Lose by flusher.RetryAfter. It
// changes no other Fault.
func (f Fault) After(d time.Duration) Fault {
	f.err = flusher.RetryAfter(f.err, d)
	return f
}

// wait takes as long as the pauses do.
func (f Fault) wait(ctx context.Context) error {
	for _, p := range f.pauses {
		switch {
		case p.d <= 0:
		case p.stuck:
			time.Sleep(p.d)
		default:
			timer := time.NewTimer(p.d)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return fmt.Errorf("buffertest: the context ended in a Delay of %v: %w", p.d, ended(ctx))
			}
		}
	}
	return nil
}

// inject has the attempt over a batch of n items end. Deliver has all items
// arrive but for those at the ascending indexes.
func (f Fault) inject(n int, deliver func(except []int) error) error {
	switch f.how {
	case fails:
		return f.err
	case failsItems:
		return f.injectItems(n, deliver)
	case loses:
		_ = deliver(nil) // nobody hears it
		return f.err
	case panics:
		panic(f.value)
	case exits:
		runtime.Goexit()
	}
	return deliver(nil)
}

// injectItems is inject for FailItems.
func (f Fault) injectItems(n int, deliver func(except []int) error) error {
	answer := flusher.Partial(f.err, f.items...)
	failed := slices.Compact(slices.Sorted(slices.Values(f.items)))
	if len(failed) == 0 || failed[0] < 0 || failed[len(failed)-1] >= n || len(failed) == n {
		return answer // the whole batch
	}
	err := deliver(failed)
	if err == nil {
		return answer
	}
	return errors.Join(answer, among(err, n, failed))
}

// among is what err, an answer about the items that are not at the failed
// indexes, says about the indexes of all n.
func among(err error, n int, failed []int) error {
	var others []int
	for i := range n {
		if _, found := slices.BinarySearch(failed, i); !found {
			others = append(others, i)
		}
	}
	verdict := flusher.Inspect(err, len(others))
	retry, permanent := pick(others, verdict.Retry), pick(others, verdict.Permanent)
	switch {
	case verdict.Whole && verdict.Final:
		permanent = others
	case verdict.Whole:
		retry = others
	}
	var answers []error
	if len(retry) > 0 {
		answers = append(answers, flusher.Partial(flusher.RetryAfter(&partition.Opaque{Err: err}, verdict.After), retry...))
	}
	if len(permanent) > 0 {
		answers = append(answers, flusher.Partial(flusher.Permanent(&partition.Opaque{Err: err}), permanent...))
	}
	return errors.Join(answers...)
}

// pick is the elements at the indexes.
func pick(from, indexes []int) []int {
	var picked []int
	for _, i := range indexes {
		picked = append(picked, from[i])
	}
	return picked
}
