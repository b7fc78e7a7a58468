package writer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/writer"
)

// The kit of the tests in this package: an output that records what it is given
// and answers as it is told.

// errDisk is how an output fails here.
var errDisk = errors.New("disk failed")

// reply is how an output answers one call.
type reply func(p []byte) (int, error)

// tape is an output that records. Each call takes the next reply; when they have
// run out, it takes everything.
type tape struct {
	t       testing.TB
	replies []reply
	busy    atomic.Bool

	mu    sync.Mutex
	calls []string // what was offered
	taken bytes.Buffer
	times []time.Time // of each call
}

func newTape(t testing.TB, replies ...reply) *tape { return &tape{t: t, replies: replies} }

func (o *tape) Write(p []byte) (int, error) {
	if !o.busy.CompareAndSwap(false, true) {
		o.t.Error("the output is called by two goroutines at once")
	}
	defer o.busy.Store(false)
	o.mu.Lock()
	k := len(o.calls)
	o.calls = append(o.calls, string(p))
	o.times = append(o.times, time.Now())
	o.mu.Unlock()
	n, err := len(p), error(nil)
	if k < len(o.replies) && o.replies[k] != nil {
		n, err = o.replies[k](p)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken.Write(p[:min(max(n, 0), len(p))])
	return n, err
}

// offered are the calls so far.
func (o *tape) offered() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.calls...)
}

// at are the times of the calls so far.
func (o *tape) at() []time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]time.Time(nil), o.times...)
}

// String is what the output has taken.
func (o *tape) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken.String()
}

// takes has the output take n bytes, and answer err.
func takes(n int, err error) reply { return func([]byte) (int, error) { return n, err } }

// takesAll has it take everything, and answer err.
func takesAll(err error) reply { return func(p []byte) (int, error) { return len(p), err } }

// fails has it take nothing.
func fails(err error) reply { return takes(0, err) }

// always repeats a reply.
func always(r reply) []reply {
	replies := make([]reply, 1000)
	for i := range replies {
		replies[i] = r
	}
	return replies
}

// stuck has it take everything, once it is let go.
func stuck(letGo <-chan struct{}) reply {
	return func(p []byte) (int, error) {
		<-letGo
		return len(p), nil
	}
}

// panics has it panic.
func panics([]byte) (int, error) { panic("poison") }

// config is one where nothing is due by itself.
func config() buffer.Config[[]byte] {
	return buffer.Config[[]byte]{Name: "test", FlushInterval: -1, Logger: slog.New(slog.DiscardHandler)}
}

// open makes a Writer, and closes it at the end of the test.
func open(t testing.TB, output *tape, cfg buffer.Config[[]byte], callbacks ...writer.Periodic) *writer.Writer {
	t.Helper()
	w, err := writer.New(output, cfg, callbacks...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// write writes each of the strings.
func write(t testing.TB, w *writer.Writer, writes ...string) {
	t.Helper()
	for _, s := range writes {
		n, err := w.Write([]byte(s))
		require.NoError(t, err)
		require.Equal(t, len(s), n)
	}
}

// background is a context that never ends.
func background() context.Context { return context.Background() }

// within is one that ends.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// ended is one that has.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// grave is a dead letter that keeps what it gets.
type grave struct {
	err    error // what it answers
	mu     sync.Mutex
	writes []string
	causes []error
}

func (g *grave) Flush(_ context.Context, batch flusher.Batch[[]byte]) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return g.err
	}
	for _, p := range batch.Items {
		g.writes = append(g.writes, string(p))
		_ = append(p, "overwritten"...) // it must not reach the next Write
	}
	g.causes = append(g.causes, batch.Cause)
	return nil
}

// texts are those of the errors.
func texts(errs []error) string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return strings.Join(all, "\n")
}

// holds checks that each of the targets is in err.
func holds(t testing.TB, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		assert.ErrorIs(t, err, target)
	}
}

// numbered are n Writes that can be told apart.
func numbered(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("<%d>", i))
	}
	return all
}

// lineOf is the i-th line of a goroutine, of a length that changes.
func lineOf(goroutine, i int) string {
	return fmt.Sprintf("%d %d %s\n", goroutine, i, strings.Repeat(".", i%7))
}

// parse is the inverse of lineOf.
func parse(line string) (goroutine, i int, err error) {
	if _, err = fmt.Sscanf(line, "%d %d", &goroutine, &i); err != nil {
		return 0, 0, err
	}
	if line != lineOf(goroutine, i) {
		return 0, 0, errors.New("not what was written")
	}
	return goroutine, i, nil
}
