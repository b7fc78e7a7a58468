package contenders

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/nabbar/golib/ioutils/aggregator"
	"go.uber.org/zap/zapcore"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/writer"
)

// The names of those that write bytes.
const (
	Writer     = "databuffer writer"
	Nabbar     = "nabbar/golib aggregator"
	Zap        = "zap BufferedWriteSyncer"
	MutexBufio = "bufio.Writer under a mutex"

	// FloorWriter is the least that is left of it where a goroutine writes.
	FloorWriter = "floor: mutex + copy + goroutine"
)

// held is how many bytes of writes are gathered: what a writer of ours does by
// default.
const held = 64 << 10

// Writers take 32 bytes a Write, into an output that only counts. An item is a
// Write.
func Writers() []measure.Contender { return writersTo(toNowhere) }

// FileWriters are Writers into a file of their own, which is removed.
func FileWriters() []measure.Contender { return writersTo(toFile) }

// opener opens the output of a run. remove is called when that is over.
type opener func(*measure.Sink) (out io.Writer, remove func() error, err error)

func toNowhere(sink *measure.Sink) (io.Writer, func() error, error) {
	return &output{sink: sink}, func() error { return nil }, nil
}

func toFile(sink *measure.Sink) (io.Writer, func() error, error) {
	file, err := os.CreateTemp("", "bench-*.log")
	if err != nil {
		return nil, nil, err
	}
	return &output{sink: sink, to: file}, func() error { return errors.Join(file.Close(), os.Remove(file.Name())) }, nil
}

func writersTo(open opener) []measure.Contender {
	// to is a contender by how it starts on an output, and how it is closed.
	to := func(name string, kind measure.Kind, notes []string, start func(io.Writer, *measure.Sink) (io.Writer, func() error, error)) measure.Contender {
		return measure.Contender{Name: name, Kind: kind, Notes: notes, Start: func(_ measure.Work, sink *measure.Sink) (measure.Load, error) {
			out, remove, err := open(sink)
			if err != nil {
				return measure.Load{}, err
			}
			w, end, err := start(out, sink)
			if err != nil {
				return measure.Load{}, errors.Join(err, remove())
			}
			return measure.Load{
				Insert:  writes(w),
				Close:   func() error { return errors.Join(end(), remove()) },
				Lingers: name == Nabbar,
			}, nil
		}}
	}
	underLock := "the Write that fills the buffer writes it out, under the lock"
	return []measure.Contender{
		to(Writer, measure.Ours, nil, func(out io.Writer, _ *measure.Sink) (io.Writer, func() error, error) {
			w, err := writer.New(out, buffer.Config[[]byte]{Name: "bench", Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				return nil, nil, err
			}
			return w, w.Close, nil
		}),
		to(FloorWriter, measure.ByHand, []string{"no interval, no isolation of the output, no retry, no counts, and nobody knows where one Write ends"}, func(out io.Writer, _ *measure.Sink) (io.Writer, func() error, error) {
			w := newPages(out)
			return w, w.close, nil
		}),
		to(Nabbar, measure.Library, []string{"one call of the output a Write", "Close sometimes takes 2 s after the last item came, which is not counted, and loses what is still queued"}, startNabbar),
		to(Zap, measure.Library, []string{underLock}, func(out io.Writer, _ *measure.Sink) (io.Writer, func() error, error) {
			w := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(out), Size: held, FlushInterval: time.Minute}
			return w, w.Stop, nil
		}),
		to(MutexBufio, measure.ByHand, []string{underLock, "splits a Write that does not fit", "no interval"}, func(out io.Writer, _ *measure.Sink) (io.Writer, func() error, error) {
			w := &locked{w: bufio.NewWriterSize(out, held)}
			return w, w.w.Flush, nil
		}),
	}
}

func startNabbar(out io.Writer, _ *measure.Sink) (io.Writer, func() error, error) {
	w, err := aggregator.New(context.Background(), aggregator.Config{
		BufWriter:  held / bytes,
		BufMaxSize: bytes,
		FctWriter:  out.Write,
	})
	if err != nil {
		return nil, nil, err
	}
	w.SetLoggerError(func(string, ...error) {})
	w.SetLoggerInfo(func(string, ...any) {})
	if err := w.Start(context.Background()); err != nil {
		return nil, nil, err
	}
	for deadline := time.Now().Add(5 * time.Second); !w.IsRunning(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return nil, nil, errors.New("is not running 5 s after Start")
		}
	}
	return w, func() error {
		if err := w.Close(); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}, nil
}

// writes inserts by writing a line of 32 bytes for each item.
func writes(w io.Writer) func(int, int) int {
	return func(_, n int) (accepted int) {
		line := []byte("level=info msg=request status=2\n")
		for range n {
			if _, err := w.Write(line); err == nil {
				accepted++
			}
		}
		return accepted
	}
}

// output counts the bytes that it is given, and tells the sink of whole writes.
// It is called by one goroutine at a time.
type output struct {
	sink *measure.Sink
	to   io.Writer // where they go; nil: nowhere
	over int
}

func (o *output) Write(p []byte) (int, error) {
	if o.to != nil {
		if n, err := o.to.Write(p); err != nil {
			return n, err
		}
	}
	o.over += len(p)
	o.sink.Take(o.over / bytes)
	o.over %= bytes
	return len(p), nil
}

// locked is a bufio.Writer under a mutex.
type locked struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// pages are the floor under a writer of ours: Writes are copied one behind the
// other under a mutex, and a goroutine writes what is full.
type pages struct {
	desk[byte]
	ends []uint32
	out  io.Writer
	err  error // of the goroutine; read it after done
}

func newPages(out io.Writer) *pages {
	w := &pages{out: out}
	w.wake, w.done = make(chan struct{}, 1), make(chan struct{})
	w.room.L = &w.mu
	w.items = make([]byte, 0, held)
	go w.run(func(page []byte) {
		if _, err := out.Write(page); err != nil && w.err == nil {
			w.err = err
		}
	})
	return w
}

// Write implements io.Writer, for less than a page.
func (w *pages) Write(p []byte) (int, error) {
	w.mu.Lock()
	if len(p) <= cap(w.items)-len(w.items) {
		w.items = append(w.items, p...)
		w.ends = append(w.ends, uint32(len(w.items)))
		w.mu.Unlock()
		return len(p), nil
	}
	w.turn()
	w.ends = w.ends[:0]
	if w.items == nil {
		w.items = make([]byte, 0, held)
	}
	w.items = append(w.items, p...)
	w.mu.Unlock()
	w.signal()
	return len(p), nil
}

func (w *pages) close() error {
	w.desk.close()
	return w.err
}
