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
// time, and none is abandoned, as there is no timeout; so its attempts own it,
// one after another.
type serialOutput struct {
	to       io.Writer
	turn     turn
	failures *failures

	// cut is how many bytes of the first Write of the next attempt are written.
	// What an attempt leaves over comes next, by Flush, before any other batch.
	cut int
}

// turn is held by whoever may touch the output: it holds one value then. It is a
// channel and no mutex, so that the wait for it can end.
type turn chan struct{}

// FlushPage writes the bytes of a batch, in one call. A panic in it is the
// partition's to recover.
func (o *serialOutput) FlushPage(ctx context.Context, page []byte, ends []int) error {
	o.cut = 0
	return o.write(ctx, page, ends)
}

// Flush writes what an attempt has left over of a batch.
func (o *serialOutput) Flush(ctx context.Context, batch flusher.Batch[[]byte]) error {
	page, ends := joined(batch.Items)
	return o.write(ctx, page, ends)
}

// write writes the bytes that are not written yet of Writes that stand one behind
// the other in page, and end at ends.
func (o *serialOutput) write(ctx context.Context, page []byte, ends []int) error {
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done(): // Stop does not wait for a callback
		return context.Cause(ctx)
	}
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
	answer := about(err, first, len(ends))
	if !understood(answer, first, len(ends)) {
		answer = about(textOf(err), first, len(ends))
	}
	if n == 0 {
		return answer
	}
	return &partition.Progress{Err: answer}
}

// about says of n Writes that those from first on are not written, because of
// err.
func about(err error, first, n int) error {
	if first == 0 {
		return err
	}
	left := make([]int, 0, n-first)
	for i := first; i < n; i++ {
		left = append(left, i)
	}
	return &halted{err, flusher.Partial(err, left...)}
}

// understood tells whether the partition will read what about has said. It does
// not where the output's error has a flusher.Partial of its own in it, which
// speaks of items that are none of this Writer's, or panics when it is looked
// into.
func understood(answer error, first, n int) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	verdict := flusher.Inspect(answer, n)
	if first == 0 {
		return verdict.Whole
	}
	return !verdict.Whole && len(verdict.Retry)+len(verdict.Permanent) == n-first
}

// halted is an error of the output with what it means for the Writes, which is
// not in its text.
type halted struct{ err, partial error }

func (e *halted) Error() string { return e.err.Error() }
func (e *halted) Unwrap() error { return e.partial }

// textOf is all that is left of an error that cannot be handed on.
func textOf(err error) error { return fmt.Errorf("writer: the output failed: %v", err) }

// deadLetter gives the user's own one Writes that end where they end, for an
// append to one must not run into the next, and a ctx that Stop knows.
type deadLetter struct {
	to     flusher.Flusher[[]byte]
	inside *inside
}

func (d deadLetter) Flush(ctx context.Context, batch flusher.Batch[[]byte]) error {
	writes := make([][]byte, len(batch.Items))
	for i, p := range batch.Items {
		writes[i] = p[:len(p):len(p)]
	}
	batch.Items = writes
	return d.to.Flush(context.WithValue(ctx, d.inside, true), batch)
}
