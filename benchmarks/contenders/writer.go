package contenders

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
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
)

// held is how many bytes of writes are gathered: what a writer of ours does by
// default.
const held = 64 << 10

// Writers take 32 bytes a Write. An item is a Write.
func Writers() []measure.Contender {
	return []measure.Contender{
		{Name: Writer, Kind: measure.Ours, Start: func(_ measure.Work, sink *measure.Sink) (measure.Load, error) {
			w, err := writer.New(&output{sink: sink}, buffer.Config[[]byte]{Name: "bench", Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				return measure.Load{}, err
			}
			return measure.Load{Insert: writes(w), Close: w.Close}, nil
		}},
		{Name: Nabbar, Kind: measure.Library, Notes: []string{"one call of the output a Write", "Close sometimes takes 2 s after the last item came, which is not counted, and loses what is still queued"}, Start: startNabbar},
		{Name: Zap, Kind: measure.Library, Notes: []string{"the Write that fills the buffer writes it out, under the lock"}, Start: func(_ measure.Work, sink *measure.Sink) (measure.Load, error) {
			w := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(&output{sink: sink}), Size: held, FlushInterval: time.Minute}
			return measure.Load{Insert: writes(w), Close: w.Stop}, nil
		}},
		{Name: MutexBufio, Kind: measure.ByHand, Notes: []string{"the Write that fills the buffer writes it out, under the lock", "splits a Write that does not fit", "no interval"}, Start: func(_ measure.Work, sink *measure.Sink) (measure.Load, error) {
			w := &locked{w: bufio.NewWriterSize(&output{sink: sink}, held)}
			return measure.Load{Insert: writes(w), Close: w.w.Flush}, nil
		}},
	}
}

func startNabbar(_ measure.Work, sink *measure.Sink) (measure.Load, error) {
	out := &output{sink: sink}
	w, err := aggregator.New(context.Background(), aggregator.Config{
		BufWriter:  held / bytes,
		BufMaxSize: bytes,
		FctWriter:  out.Write,
	})
	if err != nil {
		return measure.Load{}, err
	}
	w.SetLoggerError(func(string, ...error) {})
	w.SetLoggerInfo(func(string, ...any) {})
	if err := w.Start(context.Background()); err != nil {
		return measure.Load{}, err
	}
	for deadline := time.Now().Add(5 * time.Second); !w.IsRunning(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return measure.Load{}, errors.New("is not running 5 s after Start")
		}
	}
	return measure.Load{Insert: writes(w), Lingers: true, Close: func() error {
		if err := w.Close(); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}}, nil
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
	over int
}

func (o *output) Write(p []byte) (int, error) {
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
