package flusher

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrGoexit is the error of an attempt whose Flusher ended its goroutine with
// [runtime.Goexit] instead of returning, as testing.T.FailNow does. Like a panic
// it is not retried.
var ErrGoexit = errors.New("flusher: the Flusher ended its goroutine")

// ErrTimeout is the error of an attempt that outlived FlushTimeout, and the
// cause of its context: context.Cause(ctx) is ErrTimeout where the timeout ended
// it. It wraps [context.DeadlineExceeded]. The batch is retried.
var ErrTimeout = fmt.Errorf("flusher: the attempt outlived FlushTimeout: %w", context.DeadlineExceeded)

// A PanicError is the error of an attempt whose Flusher panicked. It is not
// retried. The stack stands in the log beside it, and is not in its text.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // of the goroutine that panicked, as [runtime/debug.Stack] formats it
}

// shownPanic bounds how many bytes of a panic's value its text shows.
const shownPanic = 512

// Error returns the text of the value where that is an error or a string, cut
// off where it is long. Of any other value it names the type only, as the value
// may be an item.
func (e *PanicError) Error() (shown string) {
	defer func() {
		if recover() != nil { // fmt does not survive one that panics with itself
			shown = fmt.Sprintf("flusher: panic: a value of type %T, whose Error method panics", e.Value)
		}
	}()
	var text string
	switch value := e.Value.(type) {
	case string:
		text = value
	case error:
		// By way of fmt, which survives an Error method that panics itself.
		text = fmt.Sprint(value)
	default:
		text = fmt.Sprintf("a value of type %T", value)
	}
	if len(text) > shownPanic {
		text = strings.ToValidUTF8(text[:shownPanic], "") + "..."
	}
	return "flusher: panic: " + text
}

// Unwrap returns the value that was given to panic where that is an error, and
// else nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
