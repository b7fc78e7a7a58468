package writer

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/partition"
)

var (
	// ErrNotRunning is the answer of Write and Sync after Stop, until Start.
	ErrNotRunning = errors.New("writer: not running: Stop was called; call Start first")
	// ErrRunning is the answer of Start where the Writer runs, or something of it
	// still does that a Stop has left behind.
	ErrRunning = errors.New("writer: running: Start needs a Writer whose output, callbacks and DeadLetter have all returned")
)

// Writer is an io.Writer for many goroutines over one output, which is called by
// one goroutine at a time. Make it with New, end it with Close. Its methods may
// be called from any goroutine.
type Writer struct {
	run    atomic.Pointer[run] // the newest; it may be over
	closed atomic.Bool         // written under mu

	mu sync.Mutex // held while a run is begun, and while closed is set; never while waiting

	// Fixed by New.
	turn      turn // at the output
	letters   turn // at the DeadLetter
	output    *serialOutput
	failures  *failures
	inside    *inside
	callbacks []Periodic
}

// New makes a Writer over output, which runs until Stop or Close, and calls the
// callbacks meanwhile. It does not block.
//
// From cfg it takes
//
//   - Name, which is required;
//   - MaxBytes, how many bytes are written at once at most, 64 KiB by default: a
//     Write that does not fit begins the next batch, and one that is larger is a
//     batch of its own;
//   - MaxSize, how many Writes are written at once at most (and MaxSizeJitter);
//     off by default;
//   - FlushInterval and FlushJitter, after which the first Write of a batch is
//     written though that is not full: 10 s and 2 s by default;
//   - Overflow, which says whether a Write that finds a full batch and another
//     being written waits, is refused with buffer.ErrFull, or displaces the
//     oldest;
//   - Retry, where MaxAttempts 0 means 5: attempts that write nothing, one after
//     another;
//   - DeadLetter, whose Items are one []byte for each Write, which are copies and
//     the DeadLetter's to keep (and FlushMeta for it); it must not use its own
//     Writer;
//   - InsertSpans, TracerProvider, MeterProvider and Logger.
//
// Flusher, Key, Routing, SizeOf, FlushTimeout and FlushGrace must be unset,
// Retry.Bisect off, Partitions and MaxInFlight at most 1. The error joins one
// for every bad setting, of cfg and of the callbacks, each with its field, its
// value and what is allowed; nothing is started then.
//
// The output must keep to the contract of io.Writer, and must not write to its
// own Writer, nor Sync, Stop or Close it: it would wait for itself.
func New(output io.Writer, cfg buffer.Config[[]byte], callbacks ...Periodic) (*Writer, error) {
	cfg, err := settings(output, cfg, callbacks)
	if err != nil {
		return nil, err
	}
	w := &Writer{
		turn:      make(turn, 1),
		letters:   make(turn, 1),
		failures:  new(failures),
		inside:    new(inside),
		callbacks: append([]Periodic(nil), callbacks...),
	}
	w.output = &serialOutput{to: output, turn: w.turn, failures: w.failures}
	cfg.Flusher = w.output
	if cfg.DeadLetter != nil {
		cfg.DeadLetter = deadLetter{to: cfg.DeadLetter, turn: w.letters, inside: w.inside}
	}
	b, err := buffer.NewStored(cfg, w.shape)
	if err != nil {
		return nil, err
	}
	w.run.Store(w.begin(b))
	return w, nil
}

// shape has the partition of a run keep bytes.
func (w *Writer) shape(p *partition.Config[[]byte]) {
	p.Pages, p.Witness = w.output, w.failures
}

// Write accepts p, of which it keeps a copy, and returns len(p): the bytes are in
// memory then, and not written yet. They will be written in one piece, with those
// of other Writes before and behind them, in the order accepted. Write never
// waits for the output, unless there is no room: with Overflow Block it waits
// then until there is, or Stop or Close is called.
//
// With an error it returns 0, and nothing was accepted: ErrNotRunning after
// Stop, buffer.ErrClosed after Close, buffer.ErrFull with Overflow Reject. An
// empty p is nothing to accept.
func (w *Writer) Write(p []byte) (int, error) {
	r := w.run.Load()
	if len(p) > 0 {
		// All that most Writes do.
		r.partition.Lock()
		if room := r.partition.Reserve(len(p)); room != nil {
			copy(room, p)
			r.partition.Unlock()
			return len(p), nil
		}
		r.partition.Unlock()
	}
	return w.insert(r, p)
}

// WriteString is Write for a string, without a copy but the one that is kept.
func (w *Writer) WriteString(s string) (int, error) {
	return w.Write(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// insert is the rest of Write: for the first of a batch and the one that fills
// it, where there is no room or no run, and where an SDK traces.
func (w *Writer) insert(r *run, p []byte) (int, error) {
	n := len(p)
	switch {
	case n == 0 && r.stopping.Load():
		return 0, w.refusal()
	case n == 0:
		return 0, nil
	}
	r.waiting.Add(int64(n))
	err := r.buffer.Insert(context.Background(), p)
	r.waiting.Add(-int64(n))
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, buffer.ErrClosed):
		return 0, w.refusal()
	default:
		return 0, err
	}
}

// refusal is why a run that is over, or about to be, does not take anything.
func (w *Writer) refusal() error {
	if w.closed.Load() {
		return buffer.ErrClosed
	}
	return ErrNotRunning
}

// Sync has everything written that was accepted before the call, and blocks until
// that has its outcome, with all its retries. It returns what has failed since
// the last Sync: Writes that were dropped or went to the dead letter, and Every
// callbacks; the newest of them, where they are many. What was written at a
// second attempt has not failed; see Errors. Of two Syncs at once, each failure is
// told by one.
//
// It is a barrier, and calls no Sync of the output: an Every callback may. After
// Stop the error has ErrNotRunning in it, after Close buffer.ErrClosed. A Flusher
// of another buffer may return it: it says nothing of that one's items.
func (w *Writer) Sync() error {
	r := w.run.Load()
	_, err := r.buffer.SyncFlush(context.Background())
	// What is in err is in failures, unless it is that the run ends. The output may
	// have an ErrClosed of its own.
	if !r.stopping.Load() || !closing(err) {
		return w.failures.sync()
	}
	return errors.Join(w.refusal(), w.failures.sync())
}

// closing tells whether a run that ends is why a Sync has failed. The output's error
// may panic when it is asked, and then it may well be.
func closing(err error) (yes bool) {
	defer func() { yes = yes || recover() != nil }()
	return errors.Is(err, buffer.ErrClosed)
}
