package aggregate_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/tests/model"
)

// world is what the model sees of one case. An entry is known by the number of the
// Add that began it, which is the first in its value.
type world struct {
	t   *model.T
	cfg aggregate.Config[int, serials]
	a   *aggregate.Aggregator[int, serials]

	mu       sync.Mutex // protects the fields below
	closed   bool       // Shutdown was called
	next     int
	drawn    map[int]drawnAdd
	accepted map[int]bool
	refused  int
	perhaps  int         // refused as Shutdown returned
	waiting  map[int]int // the keys of Adds that have not returned, by number
	looks    int
	born     map[int]int // the look that first found an entry held
	held     map[int]list
	seen     map[int]list    // by a Flusher
	taken    [2]map[int]bool // by the Flusher, and by the dead letter
	lost     map[int]list    // displaced by newer ones, and never seen
	returned map[int]list
	behind   map[int]bool // the Adds that a barrier has covered
	at       map[int]int  // the partition of each key
	given    *buffer.ShutdownError[list]
	over     bool      // Shutdown has returned
	ended    time.Time // when
}

func newWorld(t *model.T, cfg aggregate.Config[int, serials]) *world {
	return &world{
		t: t, cfg: cfg, drawn: map[int]drawnAdd{}, accepted: map[int]bool{}, waiting: map[int]int{}, born: map[int]int{}, held: map[int]list{},
		seen: map[int]list{}, taken: [2]map[int]bool{{}, {}}, lost: map[int]list{}, returned: map[int]list{}, behind: map[int]bool{}, at: map[int]int{},
	}
}

// merge appends; where the Add is to panic or to exit, it leaves its number,
// negative.
func (w *world) merge(stored *serials, value serials) {
	n := value[0]
	w.mu.Lock()
	add := w.drawn[n]
	w.mu.Unlock()
	switch {
	case add.panics:
		*stored = append(*stored, -n)
		panic(model.ErrSink)
	case add.exits:
		*stored = append(*stored, -n)
		runtime.Goexit()
	}
	*stored = append(*stored, n)
}

func (w *world) add(ctx context.Context, add drawnAdd) {
	w.mu.Lock()
	w.next++
	n := w.next
	w.drawn[n] = add
	w.waiting[n] = add.key
	w.mu.Unlock()
	defer func() { // also where merge has ended the goroutine
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.waiting, n)
	}()
	over := ctx.Err() != nil
	err := w.a.Add(ctx, add.key, serials{n})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		if over {
			w.t.Errorf("an Add was accepted though its context was over")
		}
		w.accepted[n] = true
		return
	}
	switch { // what comes after Shutdown is not counted
	case !w.over:
		w.refused++
	case w.ended.Equal(time.Now()): // either may have been first
		w.perhaps++
	}
	var panicked *flusher.PanicError
	switch {
	case errors.As(err, &panicked) && add.panics,
		errors.Is(err, buffer.ErrFull) && (w.cfg.Overflow == buffer.Reject || ctx.Value(inFlusher{}) != nil),
		errors.Is(err, buffer.ErrClosed) && w.closed,
		ctx.Err() != nil && errors.Is(err, ctx.Err()):
	default:
		w.t.Errorf("Add: %v", err)
	}
}

// inFlusher marks a context as one that a Flusher was given.
type inFlusher struct{}

func (w *world) fromInside(ctx context.Context) {
	w.mu.Lock()
	key := w.next % keys
	w.mu.Unlock()
	w.add(context.WithValue(ctx, inFlusher{}, true), drawnAdd{key: key})
}

func (w *world) syncFlush(ctx context.Context) {
	w.mu.Lock()
	before := make(map[int]bool, len(w.accepted))
	for n := range w.accepted {
		before[n] = true
	}
	w.mu.Unlock()
	_, err := w.a.SyncFlush(ctx)
	if errors.Is(err, buffer.ErrClosed) || ctx.Err() != nil {
		return
	}
	for _, value := range w.a.All() {
		// What was merged later into an entry that is still held began after it.
		if before[value[0]] {
			w.t.Errorf("%v is still held behind the barrier", value)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range before {
		w.behind[n] = true
	}
}

// close notes that Shutdown is about to be called.
func (w *world) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

func (w *world) shutDown(ctx context.Context) {
	err := w.a.Shutdown(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.over, w.ended = true, time.Now()
	}
	var given *buffer.ShutdownError[list]
	switch {
	case err == nil && w.given == nil:
	case errors.As(err, &given) && (w.given == nil || w.given == given):
		w.given = given
		for _, e := range slices.Concat(given.Undelivered, given.InDoubt) {
			w.returned[e.Value[0]] = e
		}
	default:
		w.t.Errorf("two answers of Shutdown: %v and %v", w.given, err)
	}
}

// destination is one of the two Flushers.
type destination struct {
	*world
	dead bool
	sink *model.Sink[list]
}

func (d *destination) Flush(ctx context.Context, batch flusher.Batch[list]) error {
	before := d.begin(batch)
	defer func() { // also where it panics or exits
		if after := fmt.Sprint(batch.Items); after != before {
			d.t.Errorf("the entries changed under the attempt: %v, they were %v", after, before)
		}
	}()
	return d.sink.Answer(ctx, batch, d.take)
}

// take notes what has arrived.
func (d *destination) take(entries []list) {
	d.mu.Lock()
	defer d.mu.Unlock()
	sink := 0
	if d.dead {
		sink = 1
	}
	for _, e := range entries {
		d.taken[sink][e.Value[0]] = true
	}
}

// begin looks at an attempt that begins.
func (d *destination) begin(batch flusher.Batch[list]) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(batch.Items); n == 0 || n > d.cfg.MaxSize+d.cfg.MaxSizeJitter {
		d.t.Errorf("a batch of %d entries", n)
	}
	once := map[int]bool{}
	for _, e := range batch.Items {
		d.see(e)
		if once[e.Key] {
			d.t.Errorf("the key %d twice: %v", e.Key, batch.Items)
		}
		once[e.Key] = true
		if at, known := d.at[e.Key]; known && at != batch.Partition {
			d.t.Errorf("the key %d in partitions %d and %d", e.Key, at, batch.Partition)
		}
		d.at[e.Key] = batch.Partition
	}
	return fmt.Sprint(batch.Items)
}

// see notes an entry that was handed over. It requires that mu is held.
func (d *destination) see(e list) {
	n := e.Value[0]
	before, known := d.seen[n]
	switch {
	case d.dead && !known:
		d.t.Errorf("the dead letter is the first to see %v", e)
	case known && fmt.Sprint(before) != fmt.Sprint(e):
		d.t.Errorf("it was %v, and now is %v", before, e)
	case !known && d.over:
		d.t.Errorf("first seen after Shutdown: %v", e)
	case d.behind[n]:
		d.t.Errorf("attempted behind a barrier that covered it: %v", e)
	}
	d.seen[n] = e
}
