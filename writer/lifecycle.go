package writer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
)

// Stop ends the run: from the call on Writes are refused with ErrNotRunning,
// those that wait at once. It blocks until everything accepted is written, or
// has failed for good, the Every callbacks were called once more and all have
// returned. Backoffs that run end, so that each batch gets an attempt at once.
//
// When ctx ends before, or that of anybody else who stops this run, nothing more
// is attempted. The output and the callbacks get a second to return; one that
// does not is left behind, and Start is ErrRunning until it has returned.
//
// The error joins what was not written since Start, the newest of it where it is
// much; the Every callbacks that failed; at the end of ctx a
// *buffer.ShutdownError[[]byte], with a copy of each Write that is left over; and
// ErrRunning, where something is left behind. It says nothing of anybody else's
// items, so that a Flusher may return it. It is the same for all who stop this run,
// also afterwards. With the ctx of a callback or of the DeadLetter it
// is buffer.ErrReentrant, and does nothing.
func (w *Writer) Stop(ctx context.Context) error { return w.run.Load().end(ctx) }

// Start begins a new run after a Stop. It does not block. It is ErrRunning where
// Stop was not called or something of the last run has not returned, and
// buffer.ErrClosed after Close. Errors are kept, and the metrics go on.
func (w *Writer) Start() error { return w.start(w.run.Load()) }

// start begins a run unless another than last has been begun, which must be
// over then.
func (w *Writer) start(last *run) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.Load() {
		return buffer.ErrClosed
	}
	if w.run.Load() != last {
		return errRestarted
	}
	if !last.over() {
		return ErrRunning
	}
	w.run.Store(w.begin(last.buffer.Again(w.shape)))
	return nil
}

// errRestarted is ErrRunning, where that is because somebody else was quicker.
var errRestarted = fmt.Errorf("%w: somebody else has started it", ErrRunning)

// Restart is Stop, where the Writer runs, and Start. Writes in between are
// refused. Its error joins those of both: what was not written does not keep it
// from starting, what is left behind does. After Close it is buffer.ErrClosed, and
// does not cut that short.
func (w *Writer) Restart(ctx context.Context) error {
	if w.closed.Load() && ctx.Value(w.inside) == nil {
		return buffer.ErrClosed
	}
	r := w.run.Load()
	var stopped error
	if !r.over() {
		if stopped = r.end(ctx); stopped == buffer.ErrReentrant {
			return stopped
		}
	}
	started := w.start(r)
	if started == errRestarted {
		started = nil // it is what was asked for
	}
	return errors.Join(stopped, started)
}

// Close is Stop without an end: it waits for an output and for callbacks as long
// as they need, also for those that a Stop left behind. Its error is that of
// Stop, and the same each time. From the call on Write, Sync, Start and Restart
// are buffer.ErrClosed.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.closed.Store(true)
	w.mu.Unlock()
	r := w.run.Load() // the last one
	err := r.end(context.Background())
	<-r.ended
	return err
}

// IsRunning tells whether Writes are accepted.
func (w *Writer) IsRunning() bool { return !w.run.Load().stopping.Load() }

// Uptime is how long the Writer has been running since New or Start; 0 while it
// does not.
func (w *Writer) Uptime() time.Duration {
	r := w.run.Load()
	if r.stopping.Load() {
		return 0
	}
	return time.Since(r.began)
}

// Stats is what a Writer holds that is not being written yet. It is zero while it
// is stopped.
type Stats struct {
	Waiting       int   // Writes that wait for room
	Buffered      int   // Writes that are accepted
	WaitingBytes  int64 // of those that wait
	BufferedBytes int64 // of those that are accepted
}

// Stats takes a snapshot, of which what waits is read apart from its bytes. It takes
// the partition's lock for a moment.
func (w *Writer) Stats() Stats {
	r := w.run.Load()
	info := r.buffer.Info()
	stats := Stats{
		Waiting:       info.Waiting,
		Buffered:      info.Total.Buffered,
		BufferedBytes: int64(info.Partitions[0].Bytes),
	}
	if stats.Waiting > 0 { // else it is that of Writes which are just passing
		stats.WaitingBytes = r.waiting.Load()
	}
	return stats
}

// LastError is the newest of Errors; nil where there is none.
func (w *Writer) LastError() error { return w.failures.last() }

// Errors are the newest 100 failures, the oldest of them first: of each attempt
// of the output, also where a later one succeeded, and of the DeadLetter; of
// Writes that were given up, with their number; of callbacks; and what a Stop
// left over. A panic is a *flusher.PanicError. They are kept over Stop and Start.
func (w *Writer) Errors() []error { return w.failures.all() }
