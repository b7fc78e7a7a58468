package writer

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/partition"
)

// grace is how long an output or a callback may take to return after the context
// of a Stop has ended. It is the buffer's default FlushGrace.
const grace = time.Second

// run is a Writer from a Start to the next: a buffer of one partition, and the
// callbacks. What is not fixed by its beginning has its own synchronisation.
type run struct {
	partition *partition.Partition[[]byte]
	buffer    *buffer.Buffer[[]byte]
	turn      turn // at the output
	letters   turn // at the DeadLetter
	failures  *failures
	tally     *tally // of this run; protected by the mu of failures
	inside    *inside
	began     time.Time
	cancel    context.CancelCauseFunc // of the callbacks' ctx
	waiting   atomic.Int64            // bytes of Writes that may have to wait for room
	stopping  atomic.Bool

	serials, besides sync.WaitGroup // of Every and of Beside

	// In the order in which they happen, after the partition has stopped, which is
	// when everything accepted has its outcome.
	late      chan struct{} // closed when grace is over since the context of a Stop ended; maybe never
	ended     chan struct{} // closed when output and callbacks have returned for the last time
	answering sync.Once
	answered  chan struct{} // closed when answer is final
	answer    error         // of Stop and Close

	aborting sync.Once
	cause    error // the end of a Stop's context; written before late is closed
}

// inside is the key that marks the contexts of callbacks. It is not empty, so
// that each has an address of its own.
type inside struct{ _ byte }

// begin makes a run over a buffer that has just begun, with the turn of that
// buffer's output.
func (w *Writer) begin(b *buffer.Buffer[[]byte]) *run {
	partitions, _ := b.Inside()
	r := &run{
		partition: partitions[0],
		buffer:    b,
		turn:      w.turn,
		letters:   w.letters,
		failures:  w.failures,
		tally:     w.failures.begin(),
		inside:    w.inside,
		began:     time.Now(),
		late:      make(chan struct{}),
		ended:     make(chan struct{}),
		answered:  make(chan struct{}),
	}
	ctx := context.WithValue(context.Background(), w.inside, true)
	ctx, r.cancel = context.WithCancelCause(ctx)
	for _, c := range w.callbacks {
		if c.serial {
			r.serials.Go(func() { r.every(ctx, c) })
		} else {
			r.besides.Go(func() { r.beside(ctx, c) })
		}
	}
	go r.finish(ctx, w.callbacks)
	return r
}

// finish waits for the end: nothing touches the output any more then, and nobody
// is called. Start and Close wait for it, and a Stop as long as its ctx lasts.
func (r *run) finish(ctx context.Context, callbacks []Periodic) {
	defer close(r.ended)
	defer r.cancel(nil)
	<-r.partition.Stopped()
	r.serials.Wait()
	r.turn <- struct{}{} // an output that a Stop left behind still has it
	for _, c := range callbacks {
		if c.serial {
			r.call(ctx, c)
		}
	}
	r.turn.give()
	r.besides.Wait()
	r.letters <- struct{}{} // so may a DeadLetter
	r.letters.give()
}

// end stops the run, and blocks until everything is over, or grace is since ctx
// or that of any other caller ended. The answer is the same for all.
func (r *run) end(ctx context.Context) error {
	if ctx.Value(r.inside) != nil {
		return buffer.ErrReentrant
	}
	r.stopping.Store(true)
	forget := context.AfterFunc(ctx, func() { r.abort(ctx) })
	defer forget()
	// Not by finish, since an end of ctx that came before ends it before anything
	// is attempted.
	left := r.buffer.Shutdown(ctx)
	select {
	case <-r.ended:
	case <-r.late:
	case <-r.answered:
	}
	r.answering.Do(func() {
		r.answer = r.conclude(left)
		close(r.answered)
	})
	return r.answer
}

// over tells whether somebody has been told that the run is over, and nobody of it
// runs any more.
func (r *run) over() bool {
	for _, done := range []chan struct{}{r.answered, r.ended} {
		select {
		case <-done:
		default:
			return false
		}
	}
	return true
}

// abort ends the callbacks' ctx and gives them grace.
func (r *run) abort(ctx context.Context) {
	r.aborting.Do(func() {
		r.cause = partition.ContextEnd(ctx, "")
		r.cancel(r.cause)
		time.AfterFunc(grace, func() { close(r.late) })
	})
}

// conclude is the answer of Stop and Close: what was not written since the run
// began, what the buffer gave back, and that somebody has not returned.
func (r *run) conclude(left error) error {
	lost := r.failures.sum(r.tally)
	var errs []error
	if back, ok := left.(*buffer.ShutdownError[[]byte]); ok {
		// The bytes are those of a page that the output may still read.
		errs = append(errs, &buffer.ShutdownError[[]byte]{
			Undelivered: cloned(back.Undelivered), InDoubt: cloned(back.InDoubt), Err: back.Err,
		})
		r.failures.told(&leftError{unwritten: len(back.Undelivered), inDoubt: len(back.InDoubt), Opaque: partition.Opaque{Err: back.Err}})
	}
	select {
	case <-r.ended:
	default:
		err := &behindError{r.cause}
		r.failures.told(err)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, lost)...)
}

// cloned is a deep copy.
func cloned(writes [][]byte) [][]byte {
	var copies [][]byte
	for _, p := range writes {
		copies = append(copies, bytes.Clone(p))
	}
	return copies
}
