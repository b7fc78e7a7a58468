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
	ErrFull      = errors.New("databuffer: full: every batch that may be in flight is, and the next one is filled; insert later, raise MaxSize, Partitions or MaxInFlight, or make the Flusher faster")
	ErrTooLarge  = errors.New("databuffer: item too large: SizeOf gives more than MaxBytes; split the item or raise MaxBytes")
	ErrReentrant = errors.New("databuffer: called from inside this buffer's own Flusher, where it would wait for itself; call Flush, which does not wait, or call it from another goroutine with another context")
)

// errOverflow is the cause that is logged for items that Overflow DropOldest
// gave up.
var errOverflow = fmt.Errorf("dropped to make room for newer items (Overflow DropOldest): %w", ErrFull)

// ContextError is the error for the end of ctx: errors.Is finds both ctx.Err()
// and context.Cause(ctx) in it. It is nil while ctx has not ended.
func ContextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

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
