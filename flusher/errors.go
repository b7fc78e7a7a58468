package flusher

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Permanent marks err as final: what it speaks of is not retried, and goes to
// the dead letter, or is dropped and counted where there is none. It returns
// nil for a nil err. The error unwraps to err.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return "permanent: " + e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// RetryAfter asks that what err speaks of is retried no sooner than d from now,
// as a destination that is throttling says. The backoff still applies where it
// is longer, and so does Retry.MaxAttempts; Retry.MaxBackoff does not bound d,
// and a Shutdown that begins ends the wait once. A negative d counts as 0. It returns nil
// for a nil err. The error unwraps to err.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, max(d, 0)}
}

type retryAfterError struct {
	err   error
	after time.Duration
}

func (e *retryAfterError) Error() string {
	return "retry after " + e.after.String() + ": " + e.err.Error()
}
func (e *retryAfterError) Unwrap() error { return e.err }

// Partial says that of all the items of the batch only those at the indexes
// failed failed, with err; all the others are delivered. The indexes are those
// of [Batch.Items], in any order; they are copied, so that the caller's slice
// stays its own. The error unwraps to err.
//
// The failed items are retried on their own, under a new [Batch.ID], unless err
// is [Permanent]. Several classes in one batch are joined with [errors.Join].
//
// Nothing is taken for delivered in silence:
//
//   - Partial(nil, 3) is an error, as item 3 failed all the same.
//   - Partial(err) without an index fails the whole batch.
//   - An index that the batch does not have fails the whole batch.
//
// Only Partial(nil) is nil.
func Partial(err error, failed ...int) error {
	if err == nil && len(failed) == 0 {
		return nil
	}
	sorted := slices.Clone(failed)
	slices.Sort(sorted)
	return &partialError{err, slices.Compact(sorted)}
}

type partialError struct {
	err    error // may be nil where failed is not empty
	failed []int // ascending, each index once
}

// shownIndexes bounds how many indexes the text of a Partial lists.
const shownIndexes = 8

func (e *partialError) Error() string {
	var text []byte
	switch len(e.failed) {
	case 0:
		text = append(text, "some items failed, without their indexes"...)
	case 1:
		text = append(text, "item "...)
	default:
		text = fmt.Appendf(text, "%d items failed: ", len(e.failed))
	}
	for i, index := range e.failed {
		if i == shownIndexes {
			text = append(text, ", ..."...)
			break
		}
		if i > 0 {
			text = append(text, ", "...)
		}
		text = strconv.AppendInt(text, int64(index), 10)
	}
	if len(e.failed) == 1 {
		text = append(text, " failed"...)
	}
	if e.err != nil {
		text = append(text, ": "...)
		text = append(text, e.err.Error()...)
	}
	return string(text)
}

func (e *partialError) Unwrap() error { return e.err }
