package buffer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
	"github.com/go-databuffer/databuffer/telemetry"
)

var (
	// ErrClosed is the answer to everything that would change a buffer after
	// Shutdown was called.
	ErrClosed = partition.ErrClosed
	// ErrFull is the answer of an insert that found no room where it must not
	// wait: with Overflow Reject, or with the context of the buffer's own Flusher.
	ErrFull = partition.ErrFull
	// ErrTooLarge is the answer to an item whose size is more than MaxBytes.
	ErrTooLarge = partition.ErrTooLarge
	// ErrReentrant is the answer of SyncFlush and Shutdown to the context of the
	// buffer's own Flusher: they would wait for the flush that calls them.
	ErrReentrant = partition.ErrReentrant
)

// PartialInsertError is the answer of an InsertBatch with Key of which some or
// all items were not accepted.
type PartialInsertError struct {
	Rejected []int // ascending indexes into the items that were given
	Err      error // why, joined where there are several reasons
}

// Error tells how many items were not accepted, and why.
func (e *PartialInsertError) Error() string {
	return fmt.Sprintf("databuffer: InsertBatch: %d items were not accepted: %v", len(e.Rejected), e.Err)
}

// Unwrap returns Err.
func (e *PartialInsertError) Unwrap() error { return e.Err }

// ShutdownError is the answer of a Shutdown that could not flush everything
// before its context ended. The slices are copies, which the buffer does not use;
// all callers of Shutdown get the same, so change them only where there is one.
type ShutdownError[T any] struct {
	// Undelivered was not delivered, and will not be: no attempt is running.
	Undelivered []T
	// InDoubt may still be delivered by an attempt that has not returned.
	InDoubt []T
	// Err is the end of the context, joined with the newest failures of attempts.
	Err error
}

// Error tells how many items are left, and why.
func (e *ShutdownError[T]) Error() string {
	return fmt.Sprintf("databuffer: Shutdown: %d undelivered, %d in doubt: %v", len(e.Undelivered), len(e.InDoubt), e.Err)
}

// Unwrap returns Err.
func (e *ShutdownError[T]) Unwrap() error { return e.Err }

// reason classes why an insert was refused.
func reason(err error) telemetry.Reason {
	switch err.(type) { // first, for the user's errors are in these
	case *partition.EndedError:
		return telemetry.ReasonCanceled
	case *invalidError:
		return telemetry.ReasonInvalid
	}
	switch {
	case errors.Is(err, ErrClosed):
		return telemetry.ReasonClosed
	case errors.Is(err, ErrFull):
		return telemetry.ReasonFull
	case errors.Is(err, ErrTooLarge):
		return telemetry.ReasonTooLarge
	default:
		return telemetry.ReasonCanceled
	}
}

// What came of an insert whose context has ended.
const (
	endedBefore  = "databuffer: nothing was accepted, the insert's context had ended: "
	endedWaiting = "databuffer: nothing was accepted, there was no room until the insert's context ended: "
)

// errUnfinished is what a span says of an insert whose goroutine the user's code has
// ended.
var errUnfinished = errors.New("databuffer: the insert's goroutine was ended")

// invalidError is what is wrong with the user's Key or SizeOf.
type invalidError struct{ err error }

func (e *invalidError) Error() string { return e.err.Error() }
func (e *invalidError) Unwrap() error { return e.err }

// recovered turns a panic in the user's function into an error. It is deferred.
func recovered(function string, err *error) {
	if value := recover(); value != nil {
		*err = &invalidError{fmt.Errorf("databuffer: Config.%s panicked, nothing was accepted: %w", function, &flusher.PanicError{Value: value, Stack: debug.Stack()})}
	}
}

// inside marks the context of a buffer's own Flusher. It is not empty, so that
// each has an address of its own.
type inside struct{ _ byte }

// reentrant tells whether ctx is one that this buffer has given to its Flusher.
func (b *Buffer[T]) reentrant(ctx context.Context) bool { return ctx.Value(b.inside) != nil }
