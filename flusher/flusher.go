package flusher

import (
	"context"
	"errors"
)

// A Flusher takes batches to their destination. Users implement it; a buffer
// calls it.
//
// Concurrency: every call runs in a goroutine of its own, never in one that
// inserts. Each partition has at most MaxInFlight calls running, plus one that
// was abandoned (see below), so a Flusher must be safe for that many concurrent
// calls. With one partition, MaxInFlight 1 and no FlushTimeout they come one
// after another.
//
// Context: ctx belongs to the buffer and to no caller of Insert. It carries the
// flush's span, and ends
//
//   - FlushTimeout after the attempt began, with the cause [ErrTimeout],
//   - when the context given to Shutdown ends, with the cause buffer.ErrClosed.
//
// A Flusher should return soon after. One that does not within FlushGrace is
// abandoned: its batch is retried while it may still be running, so that items
// can arrive twice. Delivery is at least once; [Batch.ID] tells the destination
// which batches it has seen already. A nil that comes late still counts for all
// items of the batch that have no outcome yet; a late error changes nothing.
//
// With ctx, calls back into the same buffer never deadlock: Insert returns
// buffer.ErrFull where it would wait, SyncFlush and Shutdown return
// buffer.ErrReentrant.
//
// Retention: batch.Items is read-only and valid until Flush returns. The buffer
// uses the slice again afterwards, so a Flusher that needs the items for longer
// keeps a copy of the slice. A batch always holds at least one item.
//
// Errors: nil means that all items are delivered. Any error means that they are
// not, and that the batch is to be tried again, with a backoff, according to
// [Retry]. [Permanent], [RetryAfter] and [Partial] say it more exactly;
// [Inspect] has the rules. An error's text must not hold items: it is logged.
//
// Panics and [runtime.Goexit] are caught. They fail the batch as a [*PanicError]
// or as [ErrGoexit], and are not retried.
type Flusher[T any] interface {
	Flush(ctx context.Context, batch Batch[T]) error
}

// Func makes a [Flusher] of a function. The conversion needs the item's type,
// as Go does not infer it: Func[Event](write).
type Func[T any] func(ctx context.Context, batch Batch[T]) error

// errNilFunc is what calling a nil Func answers.
var errNilFunc = errors.New("flusher: Flush of a nil Func: give Func or Items a function")

// Flush calls f. A nil f returns a [Permanent] error; buffer.New rejects a nil
// Func, so that this is seen only by those who call Flush themselves.
func (f Func[T]) Flush(ctx context.Context, batch Batch[T]) error {
	if f == nil {
		return Permanent(errNilFunc)
	}
	return f(ctx, batch)
}

// Items makes a [Flusher] of a function that writes a slice, such as the bulk
// insert of a store. What holds for [Batch.Items] holds for the slice: it is
// read-only, and valid until write returns. A nil write gives a nil Func, which
// buffer.New rejects.
func Items[T any](write func(ctx context.Context, items []T) error) Func[T] {
	if write == nil {
		return nil
	}
	return func(ctx context.Context, batch Batch[T]) error {
		return write(ctx, batch.Items)
	}
}
