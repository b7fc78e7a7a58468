package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
	"github.com/go-databuffer/databuffer/writer"
)

// writers is a station with a Writer, whose output takes lines in bad weather.
type writers struct {
	t       *testing.T
	w       *writer.Writer
	ledger  *ledger
	weather weather
	streams [8]struct {
		sync.Mutex // one producer at a time, so that its lines have an order
		last       atomic.Int64
	}
	busy    atomic.Bool
	partly  []byte // the end of what the output took: the beginning of a line
	written atomic.Int64
}

const writerBytes = 8 << 10

func openWriters(t *testing.T) *writers {
	t.Helper()
	s := &writers{t: t, ledger: newLedger()}
	for i := range s.streams {
		s.streams[i].last.Store(-1)
	}
	var err error
	s.w, err = writer.New(output{s}, buffer.Config[[]byte]{
		Name: "writer", MaxBytes: writerBytes, FlushInterval: 5 * time.Millisecond,
		DeadLetter: flusher.Items(func(_ context.Context, lines [][]byte) error {
			for _, line := range lines {
				s.line(deadLettered, line)
			}
			return nil
		}),
		Retry:         flusher.Retry{MaxAttempts: -1, MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond},
		MeterProvider: noop.NewMeterProvider(), Logger: slog.New(slog.DiscardHandler),
	}, writer.Every(10*time.Millisecond, func(context.Context) error {
		assert.True(t, s.busy.CompareAndSwap(false, true), "writer: Every beside the output")
		s.busy.Store(false)
		return nil
	}))
	require.NoError(t, err)
	return s
}

// output is the Writer's.
type output struct{ *writers }

func (s output) Write(p []byte) (int, error) {
	if !s.busy.CompareAndSwap(false, true) {
		s.t.Error("writer: two calls of the output at once")
	}
	defer s.busy.Store(false)
	n, err := len(p), error(nil)
	// In the middle of a line nothing is lost for good, or the lines would not be
	// told apart any more.
	between := len(s.partly) == 0
	switch s.weather.look() {
	case flaky:
		if rand.IntN(2) == 0 {
			n, err = rand.IntN(len(p)), errDown
		}
	case down:
		return 0, errDown
	case slow:
		time.Sleep(rand.N(10 * time.Millisecond))
	case stuck:
		time.Sleep(rand.N(50 * time.Millisecond))
	case hostile:
		switch n := rand.IntN(10); {
		case n == 0 && between:
			panic(errDown)
		case n == 1 && between:
			return 0, flusher.Permanent(errDown)
		}
	}
	s.partly = append(s.partly, p[:n]...)
	for {
		line, rest, ok := bytes.Cut(s.partly, []byte("\n"))
		if !ok {
			break
		}
		s.line(delivered, line)
		s.partly = rest
	}
	s.partly = bytes.Clone(s.partly)
	return n, err
}

// line takes a line: the number of its stream and its own, which grow.
func (s *writers) line(kind int, line []byte) {
	var stream int
	var id int64
	if _, err := fmt.Sscanf(string(line), "%d %d", &stream, &id); err != nil {
		s.t.Errorf("writer: %q is no line", line)
		return
	}
	if s.ledger.note(kind, id) {
		s.t.Errorf("writer: line %d comes twice", id)
	}
	if kind == delivered {
		s.written.Add(1)
		if last := s.streams[stream].last.Swap(id); last >= id {
			s.t.Errorf("writer: line %d comes after %d", id, last)
		}
	}
}

func (s *writers) name() string { return "writer" }

func (s *writers) counts() partition.Counts {
	return partition.Counts{Accepted: int(s.ledger.next.Load()), Delivered: int(s.written.Load())}
}

func (s *writers) burst() {
	i := rand.IntN(len(s.streams))
	stream := &s.streams[i]
	stream.Lock()
	defer stream.Unlock()
	for range 1 + rand.IntN(maxBurst) {
		id := s.ledger.draw(1)
		if _, err := fmt.Fprintf(s.w, "%d %d\n", i, id); err == nil {
			s.ledger.note(accepted, id)
		} else if !errors.Is(err, writer.ErrNotRunning) {
			s.t.Errorf("writer: %v", err)
		}
	}
	switch rand.IntN(200) {
	case 0:
		_ = s.w.Sync() // it tells of what went to the dead letter
	case 1:
		_ = s.w.Restart(context.Background())
	}
}

func (s *writers) sample(t *testing.T) {
	// What is filled, and one more where the next line does not fit into it.
	if held := s.w.Stats().BufferedBytes; held < 0 || held > 2*writerBytes {
		t.Errorf("writer: %d bytes are held, at most %d are promised", held, 2*writerBytes)
	}
}

func (s *writers) bound() int { return 16*writerBytes + s.ledger.bytes() }

func (s *writers) end(t *testing.T) {
	_ = s.w.Close() // it returns what went to the dead letter
	sums := s.ledger.sums()
	assert.Zero(t, sums.neither, "writer: lines lost")
	assert.Zero(t, sums.phantoms)
	assert.Zero(t, sums.both)
	assert.Equal(t, sums.accepted, sums.delivered+sums.deadLettered)
	assert.Empty(t, s.partly, "writer: half a line at the end")
}
