package buffertest

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
)

// An Attempt is one call of a Recorder's Flush.
type Attempt[T any] struct {
	flusher.Batch[T] // its Items are a copy

	Begun time.Time
	Ended time.Time // zero while it runs

	// Err is what was answered. It is a *flusher.PanicError where the Flusher
	// behind the Recorder panicked, and flusher.ErrGoexit where it ended its
	// goroutine.
	Err error
}

// Running tells whether the attempt had not returned when it was asked for.
func (a Attempt[T]) Running() bool { return a.Ended.IsZero() }

// Delivered is a copy of the items that the answer says are delivered: all for
// nil, those that a flusher.Partial does not name, and otherwise none: also where
// the answer panics when it is read. It is none while the attempt runs.
func (a Attempt[T]) Delivered() []T {
	if a.Running() {
		return nil
	}
	verdict, ok := inspected(a.Err, len(a.Items))
	if !ok || verdict.Whole {
		return nil
	}
	failed := make(map[int]bool)
	for _, index := range slices.Concat(verdict.Retry, verdict.Permanent) {
		failed[index] = true
	}
	var items []T
	for i, item := range a.Items {
		if !failed[i] {
			items = append(items, item)
		}
	}
	return items
}

// inspected is flusher.Inspect of an answer that may panic when it is read.
func inspected(err error, n int) (verdict flusher.Verdict, ok bool) {
	defer func() { _ = recover() }()
	return flusher.Inspect(err, n), true
}

// Recorder is a Flusher that records what it is given. The zero value takes
// everything and is ready to use; [Record] makes one that stands before another
// Flusher. Its methods may be called from any goroutine. It must not be copied.
type Recorder[T any] struct {
	to flusher.Flusher[T] // nil: it takes everything

	mu        sync.Mutex // protects the fields below
	attempts  []*Attempt[T]
	delivered []T
	waiting   []waiting
}

// waiting is a Wait that has not returned.
type waiting struct {
	items   int
	reached chan struct{}
}

// Record makes a Recorder before the Flusher, whose answers, panics and Goexits
// it passes on. A nil Flusher takes everything.
func Record[T any](to flusher.Flusher[T]) *Recorder[T] {
	return &Recorder[T]{to: to}
}

// Flush records the batch, and has the Flusher behind it answer.
func (r *Recorder[T]) Flush(ctx context.Context, batch flusher.Batch[T]) error {
	attempt := &Attempt[T]{Batch: batch, Begun: time.Now()}
	attempt.Items = slices.Clone(batch.Items)
	r.mu.Lock()
	r.attempts = append(r.attempts, attempt)
	r.mu.Unlock()

	answer := flusher.ErrGoexit // unless something else is written over it
	defer func() {
		value := recover()
		if value != nil {
			answer = &flusher.PanicError{Value: value, Stack: debug.Stack()}
		}
		r.end(attempt, answer)
		if value != nil {
			panic(value) // above the frames of the first, so that these stay in its stack
		}
	}()
	answer = flush(ctx, r.to, batch)
	return answer
}

// flush has the Flusher answer, where there is one.
func flush[T any](ctx context.Context, to flusher.Flusher[T], batch flusher.Batch[T]) error {
	if to == nil {
		return nil
	}
	return to.Flush(ctx, batch)
}

// end notes the answer, and lets go those who have waited for it.
func (r *Recorder[T]) end(attempt *Attempt[T], err error) {
	now := time.Now()
	// Without the lock: it reads the error, which is the user's code.
	delivered := Attempt[T]{Batch: attempt.Batch, Ended: now, Err: err}.Delivered()
	r.mu.Lock()
	defer r.mu.Unlock()
	attempt.Ended, attempt.Err = now, err
	r.delivered = append(r.delivered, delivered...)
	r.waiting = slices.DeleteFunc(r.waiting, func(w waiting) bool {
		if w.items > len(r.delivered) {
			return false
		}
		close(w.reached)
		return true
	})
}

// Wait blocks until at least so many items are delivered: len(Delivered()) is
// that or more. It returns an error when ctx ends before; the error tells how
// many there were, and satisfies errors.Is for ctx.Err() and context.Cause(ctx).
//
// The buffer counts an item as delivered a moment later than the Recorder does.
// Call SyncFlush, or synctest.Wait in a bubble, before you look at its Info.
func (r *Recorder[T]) Wait(ctx context.Context, items int) error {
	w := waiting{items, make(chan struct{})}
	r.mu.Lock()
	if items <= len(r.delivered) {
		r.mu.Unlock()
		return nil
	}
	r.waiting = append(r.waiting, w)
	r.mu.Unlock()

	select {
	case <-w.reached:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if items <= len(r.delivered) { // both at once
		return nil
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(x waiting) bool { return x == w })
	return fmt.Errorf("buffertest: waited for %d items, %d are delivered, in %d attempts: %w", items, len(r.delivered), len(r.attempts), ended(ctx))
}

// Attempts is a copy of what was recorded, in the order in which the attempts
// began, those included that still run. A batch that is retried is in it once for
// each attempt.
func (r *Recorder[T]) Attempts() []Attempt[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	attempts := make([]Attempt[T], len(r.attempts))
	for i, a := range r.attempts {
		attempts[i] = *a
		attempts[i].Items = slices.Clone(a.Items)
	}
	return attempts
}

// Batches is the Batch of each of the Attempts, whatever became of it.
func (r *Recorder[T]) Batches() []flusher.Batch[T] {
	var batches []flusher.Batch[T]
	for _, a := range r.Attempts() {
		batches = append(batches, a.Batch)
	}
	return batches
}

// Items are those of all Batches: an item of a batch that was tried twice is in
// it twice.
func (r *Recorder[T]) Items() []T {
	var items []T
	for _, a := range r.Attempts() {
		items = append(items, a.Items...)
	}
	return items
}

// Delivered is a copy of the items that were delivered, by the answers that were
// given, in the order of these answers. It holds an item twice that was delivered
// twice, as at-least-once allows.
func (r *Recorder[T]) Delivered() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.delivered)
}
