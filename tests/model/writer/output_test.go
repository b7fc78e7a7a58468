package writer_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/tests/model"
)

// output is an io.Writer that answers as it was drawn, and keeps what it takes.
type output struct {
	t       *model.T
	replies []reply
	busy    atomic.Bool

	mu    sync.Mutex // protects the fields below
	calls int
	taken bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	if !o.busy.CompareAndSwap(false, true) {
		o.t.Errorf("the output is called by two goroutines at once")
	}
	defer o.busy.Store(false)
	var r reply
	o.mu.Lock()
	if o.calls < len(o.replies) {
		r = o.replies[o.calls]
	}
	o.calls++
	o.mu.Unlock()
	before := slices.Clone(p)
	n, err := r.answer(p)
	if !bytes.Equal(before, p) {
		o.t.Errorf("the bytes changed under the output: %q, they were %q", p, before)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken.Write(p[:min(max(n, 0), len(p))])
	return n, err
}

// count is how often it was called.
func (o *output) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls
}

// String is what it has taken.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken.String()
}

// grave is the dead letter. It keeps what it takes.
type grave struct {
	*ledger
	sink *model.Sink[[]byte]
}

func (g *grave) Flush(ctx context.Context, batch flusher.Batch[[]byte]) error {
	if batch.Cause == nil {
		g.t.Errorf("a dead letter without a cause")
	}
	return g.sink.Answer(ctx, batch, func(writes [][]byte) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, p := range writes {
			g.dead = append(g.dead, string(p))
			_ = append(p, "overwritten"...) // it must not reach the next Write
		}
	})
}
