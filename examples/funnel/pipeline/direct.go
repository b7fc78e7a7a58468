package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// Direct puts readings straight into a Pipeline. It is an ingest.Sink.
type Direct struct {
	pipeline *Pipeline
	patience time.Duration
	items    sync.Pool // of *[]Item
}

// NewDirect makes a Direct whose Accept waits for room no longer than patience.
func NewDirect(p *Pipeline, patience time.Duration) *Direct {
	return &Direct{pipeline: p, patience: patience}
}

var errPatience = errors.New("no room for as long as a request waits")

// Accept takes all readings or none. It waits for room, and with stored until
// all are in the store. Its errors are buffer.ErrFull where there was no room,
// buffer.ErrClosed, ctx's end, and with stored ingest.ErrRejected, with why, where
// the store refused a reading for good.
func (d *Direct) Accept(ctx context.Context, readings []reading.Reading, stored bool) error {
	if len(readings) == 0 {
		return nil
	}
	var wait *waiter
	if stored {
		wait = &waiter{left: len(readings), done: make(chan struct{})}
	}
	if err := d.insert(ctx, readings, wait); err != nil {
		return err
	}
	if wait == nil {
		return nil
	}
	// Who waits is not to wait for others to fill the batch. Closed meanwhile, it
	// is being flushed anyway.
	if err := d.pipeline.Flush(ctx); err != nil && !errors.Is(err, buffer.ErrClosed) {
		return err
	}
	return wait.wait(ctx)
}

func (d *Direct) insert(ctx context.Context, readings []reading.Reading, wait *waiter) error {
	items, ok := d.items.Get().(*[]Item)
	if !ok {
		items = new([]Item)
	}
	defer func() {
		clear(*items)
		*items = (*items)[:0]
		d.items.Put(items)
	}()
	for i, r := range readings {
		item := Item{Reading: r, Tag: int64(i)}
		if wait != nil {
			item.Done = wait
		}
		*items = append(*items, item)
	}
	limited, cancel := context.WithTimeoutCause(ctx, d.patience, errPatience)
	defer cancel()
	err := d.pipeline.Insert(limited, *items)
	if errors.Is(err, errPatience) {
		return buffer.ErrFull
	}
	return err
}

// waiter waits for all readings of a request.
type waiter struct {
	mu   sync.Mutex
	left int
	err  error         // the first
	done chan struct{} // closed when left is 0
}

// Settled implements Tracker.
func (w *waiter) Settled(_ int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	if w.left--; w.left == 0 {
		close(w.done)
	}
}

func (w *waiter) wait(ctx context.Context) error {
	select {
	case <-w.done:
		if w.err != nil && !errors.Is(w.err, buffer.ErrClosed) {
			return fmt.Errorf("%w: %w", ingest.ErrRejected, w.err)
		}
		return w.err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), context.Cause(ctx))
	}
}
