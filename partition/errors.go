package partition

import (
	"context"
	"errors"
	"fmt"
)

// The reasons for which a partition refuses items. Package buffer gives them
// their public names.
var (
	ErrClosed    = errors.New("databuffer: closed: Shutdown has begun, no more items are accepted")
	ErrFull      = errors.New("databuffer: full: every batch that may be in flight is, and the next one is filled; insert later, have more held (MaxSize, MaxBytes, Partitions, MaxInFlight), or make the Flusher faster")
	ErrTooLarge  = errors.New("databuffer: item too large: SizeOf gives more than MaxBytes; split the item or raise MaxBytes")
	ErrReentrant = errors.New("databuffer: called from inside this buffer's own Flusher, where it would wait for itself; call it from another goroutine with another context, or Flush, where there is one: that does not wait")
)

// errOverflow is the cause that is logged for items that Overflow DropOldest
// gave up.
var errOverflow = fmt.Errorf("dropped to make room for newer items (Overflow DropOldest): %w", ErrFull)

// ContextError is the error for the end of ctx, after what of it; nil while ctx has
// not ended.
func ContextError(ctx context.Context, what string) error {
	if ctx.Err() == nil {
		return nil
	}
	return ContextEnd(ctx, what)
}

// ContextEnd is ContextError for a ctx that is known to have ended, whatever its
// Err says now: it is never nil.
func ContextEnd(ctx context.Context, what string) error {
	err := ctx.Err()
	if err == nil {
		err = context.Canceled
	}
	cause := context.Cause(ctx)
	if cause == nil {
		cause = err
	}
	return &EndedError{what, err, cause}
}

// EndedError is the end of a context: errors.Is finds both its Err and its cause in
// it. That is the user's, and so nothing of it is called before somebody asks.
type EndedError struct {
	what       string
	err, cause error
}

// Error tells what came of the end, and the cause.
func (e *EndedError) Error() string {
	err, cause := fmt.Sprint(e.err), fmt.Sprint(e.cause)
	if err != cause {
		err += ": " + cause
	}
	return e.what + err
}

// Unwrap returns the context's Err and its cause.
func (e *EndedError) Unwrap() []error { return []error{e.err, e.cause} }

// Opaque is an error that errors.Is and errors.As see through, and flusher.Inspect
// does not: what Err says of items is about those of a batch that whoever reads it
// has never seen. So a Flusher may hand on what the SyncFlush of another buffer has
// returned.
type Opaque struct{ Err error }

// Error is the text of Err.
func (e *Opaque) Error() string { return e.Err.Error() }

// Is is errors.Is of Err.
func (e *Opaque) Is(target error) bool { return errors.Is(e.Err, target) }

// As is errors.As of Err.
func (e *Opaque) As(target any) bool { return errors.As(e.Err, target) }

// explained is an error with what the partition has to say of it. Its text is made
// when somebody asks for it, and not by the partition: the user's errors may do
// anything in their Error method.
type explained struct {
	format string // of a verb for each error
	errs   []error
}

func (e *explained) Error() string {
	args := make([]any, len(e.errs))
	for i, err := range e.errs {
		args[i] = err
	}
	return fmt.Sprintf(e.format, args...)
}

func (e *explained) Unwrap() []error { return e.errs }
