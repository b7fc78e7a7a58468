package buffer

import (
	"context"
	"errors"
	"time"

	"github.com/go-databuffer/databuffer/partition"
)

// Shutdown ends the buffer. From the call on inserts return ErrClosed, those
// that wait at once. Everything that was accepted is flushed, with Trigger
// Shutdown; backoffs that run end, so that each batch gets an attempt at once.
//
// It blocks until everything has its outcome, and returns nil then. When ctx
// ends before, or that of anybody else who has called Shutdown, the attempts are
// cancelled with the cause ErrClosed and get FlushGrace to return; what is left
// is given back in a *ShutdownError. So with a ctx that has ended it attempts
// nothing and takes FlushGrace at most, and as long again where the Logger
// blocks; without an end to ctx, as long as the Flusher needs.
//
// Nothing is attempted and nothing counted after it returned. It may be called
// several times and at once, and has the same answer for all. With the ctx of
// the buffer's own Flusher it is ErrReentrant, and does nothing.
func (b *Buffer[T]) Shutdown(ctx context.Context) error {
	if b.reentrant(ctx) {
		return ErrReentrant
	}
	abort := func() { b.abort(ctx) }
	if ctx.Err() != nil {
		b.aborting.Do(abort) // first, so that nothing is attempted any more
	}
	b.closing.Do(b.close)
	select {
	case <-b.finished:
	case <-ctx.Done():
		b.aborting.Do(abort)
		<-b.finished
	}
	return b.result
}

// close begins the end. The goroutine that it starts is waited for by every
// Shutdown.
func (b *Buffer[T]) close() {
	b.closed.Store(true)
	for _, p := range b.partitions {
		p.Close()
	}
	b.anywhere.Wake(b.anywhere.Len())
	go b.finish()
}

// abort cancels what runs.
func (b *Buffer[T]) abort(ctx context.Context) {
	b.closed.Store(true)
	b.cause = partition.ContextEnd(ctx, "")
	for _, p := range b.partitions {
		p.Abort()
	}
}

// finish waits for the partitions, and makes the result.
func (b *Buffer[T]) finish() {
	defer close(b.finished)
	var left ShutdownError[T]
	var failures []error
	for _, p := range b.partitions {
		<-p.Stopped()
	}
	for _, p := range b.partitions {
		undelivered, inDoubt, failure := p.Left()
		left.Undelivered = append(left.Undelivered, undelivered...)
		left.InDoubt = append(left.InDoubt, inDoubt...)
		if failure != nil && len(undelivered)+len(inDoubt) > 0 && len(failures) < maxFailures {
			failures = append(failures, failure)
		}
	}
	b.recorder.Freeze(b.observe())
	if len(left.Undelivered)+len(left.InDoubt) > 0 {
		left.Err = errors.Join(append([]error{b.cause}, failures...)...)
		b.result = &left
	}
	b.closeLog()
}

// closeLog has the last lines written, and waits for a slow Logger no longer than
// for a slow Flusher.
func (b *Buffer[T]) closeLog() {
	written := make(chan struct{})
	go func() {
		defer close(written)
		b.log.Close()
	}()
	grace := time.NewTimer(b.cfg.FlushGrace)
	defer grace.Stop()
	select {
	case <-written:
	case <-grace.C:
	}
}

// maxFailures bounds the causes that a ShutdownError joins.
const maxFailures = 16
