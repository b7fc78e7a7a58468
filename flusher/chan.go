package flusher

import (
	"context"
	"errors"
	"fmt"
)

// Chan makes a [Flusher] that sends the items to out one by one, in their
// order. An item counts as delivered once it is sent, for a buffered channel
// when it is in the channel's buffer.
//
// Flush blocks until the last item is sent or its context is done. Then it
// returns a [Partial] of the items that it has not sent, whose error satisfies
// [errors.Is] for both ctx.Err() and context.Cause(ctx); these are retried, the
// others do not come again. The context is looked at before every item, so that
// with a context that is done nothing is sent, even where out has room.
//
// A receiver that takes longer over a batch than Config.FlushTimeout costs
// attempts and backoffs, though nothing is wrong with it; and with a DeadLetter or
// a Retry.MaxAttempts, what it has not taken by then is given up. With a
// FlushTimeout of -1 it is waited for instead, and Shutdown still ends the wait.
//
// Chan never closes out. Who closes it while the buffer still flushes makes
// Flush panic, which fails the batch: shut the buffer down first. A nil out
// gives a nil Func, which buffer.New rejects.
func Chan[T any](out chan<- T) Func[T] {
	if out == nil {
		return nil
	}
	return func(ctx context.Context, batch Batch[T]) error {
		for i, item := range batch.Items {
			// A select of two ready cases picks at random, so that the context
			// has to be asked on its own first.
			if ctx.Err() != nil {
				return unsent(ctx, i, len(batch.Items))
			}
			select {
			case out <- item:
			case <-ctx.Done():
				return unsent(ctx, i, len(batch.Items))
			}
		}
		return nil
	}
}

// unsent returns the Partial of the indexes from first to n-1 for a ctx that is
// done.
func unsent(ctx context.Context, first, n int) error {
	failed := make([]int, 0, n-first)
	for i := first; i < n; i++ {
		failed = append(failed, i)
	}
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) { // as ErrTimeout is a DeadlineExceeded
		return Partial(cause, failed...)
	}
	return Partial(fmt.Errorf("%w: %w", err, cause), failed...)
}
