package writer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// serialOutput is the Flusher that writes batches. The partition has one attempt at a
// time, and none is abandoned, as there is no timeout.
type serialOutput struct {
	to       io.Writer
	failures *failures

	// turn is held by whoever may touch the output, and what is below.
	turn turn

	// cut is how many bytes of the first Write of the next attempt are written.
	// What an attempt leaves over comes next, by Flush, before any other batch.
	cut int
}

// turn is held by one at a time: it holds one value then. It is a channel and no
// mutex, so that the wait for it can end.
type turn chan struct{}

// take waits for the turn. Where ctx has ended, its error is the cause, and the
// turn was not taken.
func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
	default: // the long way alone needs a larger stack than a new goroutine has
		if !t.wait(ctx) {
			return context.Cause(ctx)
		}
	}
	if ctx.Err() != nil { // both, and the other was picked
		t.give()
		return context.Cause(ctx)
	}
	return nil
}

// wait is take where somebody has the turn. It tells whether it was got.
func (t turn) wait(ctx context.Context) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// give gives the turn back.
func (t turn) give() { <-t }

// FlushPage writes the bytes of a batch, in one call. A panic in it is the
// partition's to recover.
func (o *serialOutput) FlushPage(ctx context.Context, page []byte, ends []int) error {
	if err := o.turn.take(ctx); err != nil { // Stop does not wait for a callback
		return err
	}
	defer o.turn.give()
	o.cut = 0
	return o.write(page, ends)
}

// Flush writes what an attempt has left over of a batch.
func (o *serialOutput) Flush(ctx context.Context, batch flusher.Batch[[]byte]) error {
	if err := o.turn.take(ctx); err != nil {
		return err
	}
	defer o.turn.give()
	page, ends := joined(batch.Items)
	return o.write(page, ends)
}

// write writes the bytes that are not written yet of Writes that stand one behind
// the other in page, and end at ends. It requires the turn.
func (o *serialOutput) write(page []byte, ends []int) error {
	rest := page[o.cut:]
	n, err := o.to.Write(rest)
	switch {
	case n >= len(rest):
		// Whatever else went wrong, the bytes are written, and not to be written
		// again.
		if n > len(rest) {
			err = errors.Join(fmt.Errorf("writer: the output says that it has written %d of %d bytes, all are taken for written", n, len(rest)), err)
		}
		if err != nil {
			o.failures.Failed(err)
		}
		return nil
	case n < 0:
		err = errors.Join(fmt.Errorf("writer: the output says that it has written %d of %d bytes, none is taken for written", n, len(rest)), err)
		n = 0
	case err == nil:
		err = io.ErrShortWrite
	}
	return o.advance(ends, n, err)
}

// joined is the bytes of the Writes, of which there is at least one, in one piece,
// and where in it each ends: they stand one behind the other in a page, and what
// an attempt leaves over are the last ones of them.
func joined(writes [][]byte) (page []byte, ends []int) {
	end := 0
	for _, p := range writes {
		end += len(p)
		ends = append(ends, end)
	}
	return writes[0][:end], ends
}

// advance notes that n bytes more are written, but not all, because of err. It
// returns what the partition is to know: which Writes are not written, and
// whether the attempts begin anew.
func (o *serialOutput) advance(ends []int, n int, err error) error {
	o.cut += n
	first, _ := slices.BinarySearch(ends, o.cut+1) // of the Writes that are not written
	if first > 0 {
		o.cut -= ends[first-1]
	}
	answer := &halted{err, about(err, first, len(ends))}
	if n == 0 {
		return answer
	}
	return &partition.Progress{Err: answer}
}

// about says of n Writes that those from first on are not written, because of err.
// It reads the class of err once, and nothing else: a flusher.Partial in it speaks
// of items that are none of this Writer's.
func about(err error, first, n int) error {
	verdict := inspected(err)
	var answer error = &partition.Opaque{Err: err}
	if verdict.Final {
		answer = flusher.Permanent(answer)
	}
	answer = flusher.RetryAfter(answer, verdict.After)
	if first == 0 {
		return answer
	}
	left := make([]int, 0, n-first)
	for i := first; i < n; i++ {
		left = append(left, i)
	}
	return flusher.Partial(answer, left...)
}

// inspected is what err says of a batch without items. The output's error may
// panic when it is looked into, and says nothing then.
func inspected(err error) (verdict flusher.Verdict) {
	defer func() { _ = recover() }()
	return flusher.Inspect(err, 0)
}

// halted is an error of the output with what it means for the Writes, which is
// not in its text.
type halted struct{ err, answer error }

func (e *halted) Error() string { return e.err.Error() }
func (e *halted) Unwrap() error { return e.answer }

// deadLetter gives the user's own copies of the Writes, for their page is used
// again, and a ctx that Stop knows. It holds its turn, so that a Stop which leaves
// it behind knows of it.
type deadLetter struct {
	to     flusher.Flusher[[]byte]
	turn   turn
	inside *inside
}

func (d deadLetter) Flush(ctx context.Context, batch flusher.Batch[[]byte]) error {
	if err := d.turn.take(ctx); err != nil {
		return err
	}
	defer d.turn.give()
	batch.Items = cloned(batch.Items)
	return d.to.Flush(context.WithValue(ctx, d.inside, true), batch)
}
