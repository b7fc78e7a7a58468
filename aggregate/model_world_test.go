package aggregate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// world is what the model test sees of one case. An entry is known by the number
// of the Add that began it, which is the first in its value.
type world struct {
	t   *testing.T
	cfg aggregate.Config[int, serials]
	a   *aggregate.Aggregator[int, serials]

	mu       sync.Mutex // protects the fields below
	closed   bool       // Shutdown was called
	next     int
	panics   map[int]bool
	accepted map[int]bool
	refused  int
	waiting  map[int]int // the keys of Adds that have not returned, by number
	held     map[int]list
	seen     map[int]list // by a Flusher
	lost     map[int]list // displaced by newer ones, and never seen
	returned map[int]list
	at       map[int]int // the partition of each key
	given    *buffer.ShutdownError[list]
	over     bool // Shutdown has returned
}

func newWorld(t *testing.T, cfg aggregate.Config[int, serials]) *world {
	return &world{
		t: t, cfg: cfg, panics: map[int]bool{}, accepted: map[int]bool{}, waiting: map[int]int{}, held: map[int]list{},
		seen: map[int]list{}, lost: map[int]list{}, returned: map[int]list{}, at: map[int]int{},
	}
}

// merge appends; where the Add is to panic, it leaves its number, negative.
func (w *world) merge(stored *serials, value serials) {
	n := value[0]
	w.mu.Lock()
	panics := w.panics[n]
	w.mu.Unlock()
	if panics {
		*stored = append(*stored, -n)
		panic(errSink)
	}
	*stored = append(*stored, n)
}

func (w *world) add(ctx context.Context, add drawnAdd) {
	w.mu.Lock()
	w.next++
	n := w.next
	w.panics[n] = add.panics
	w.waiting[n] = add.key
	w.mu.Unlock()
	err := w.a.Add(ctx, add.key, serials{n})
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, n)
	if err == nil {
		w.accepted[n] = true
		return
	}
	if !w.over {
		w.refused++
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
	w.over = true
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

// destination is a Flusher that answers as it was drawn.
type destination struct {
	*world
	dead    bool
	replies []reply
}

func (d *destination) Flush(ctx context.Context, batch flusher.Batch[list]) error {
	reply, before := d.begin(batch)
	reply.wait(ctx)
	if reply.inside {
		d.add(context.WithValue(ctx, inFlusher{}, true), drawnAdd{key: int(reply.these % modelKeys)})
	}
	if after := fmt.Sprint(batch.Items); after != before {
		d.t.Errorf("the entries changed under the attempt: %v, they were %v", after, before)
	}
	return reply.end(len(batch.Items))
}

// begin looks at an attempt that begins.
func (d *destination) begin(batch flusher.Batch[list]) (reply, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(batch.Items); n == 0 || n > d.cfg.MaxSize+d.cfg.MaxSizeJitter {
		d.t.Errorf("a batch of %d entries", n)
	}
	keys := map[int]bool{}
	for _, e := range batch.Items {
		d.see(e)
		if keys[e.Key] {
			d.t.Errorf("the key %d twice: %v", e.Key, batch.Items)
		}
		keys[e.Key] = true
		if at, known := d.at[e.Key]; known && at != batch.Partition {
			d.t.Errorf("the key %d in partitions %d and %d", e.Key, at, batch.Partition)
		}
		d.at[e.Key] = batch.Partition
	}
	var a reply
	if len(d.replies) > 0 {
		a, d.replies = d.replies[0], d.replies[1:]
	}
	return a, fmt.Sprint(batch.Items)
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
	}
	d.seen[n] = e
}

// look holds everything against each other, where all is quiet.
func (w *world) look() {
	if w.t.Failed() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	info := w.a.Info()
	most := (w.cfg.MaxSize + w.cfg.MaxSizeJitter) * (1 + w.cfg.MaxInFlight)
	for _, p := range info.Partitions {
		if c := p.Counts; c.Accepted != c.Buffered+c.InFlight+c.Delivered+c.DeadLettered+c.Dropped+c.Returned || c.Buffered+c.InFlight > most {
			w.t.Errorf("the law: %+v", c)
		}
	}
	held, newest := w.snapshot()
	if len(held) != info.Total.Buffered || w.a.Len() != len(held) {
		w.t.Errorf("All has %d entries, Len says %d, and Info %d", len(held), w.a.Len(), info.Total.Buffered)
	}
	for key := range modelKeys {
		value, ok := w.a.Get(key)
		if n, held := newest[key]; ok != held || ok && value[0] != n {
			w.t.Errorf("Get(%d) is %v, %v", key, value, ok)
		}
	}
	if w.cfg.Overflow == buffer.DropOldest {
		for n, e := range w.held { // an Add of this step has displaced it
			_, stays := held[n]
			_, seen := w.seen[n]
			_, back := w.returned[n]
			if !stays && !seen && !back && !w.closed {
				w.lost[n] = e
			}
		}
	}
	w.held = held
	for n, key := range w.waiting {
		if _, held := newest[key]; held && !w.closed {
			w.t.Errorf("the Add %d waits, though its key %d is held", n, key)
		}
	}
	// Each partition's counts are final once it has stopped.
	if info.Total.Rejected > w.refused || !w.closed && (info.Total.Rejected != w.refused || info.Waiting != len(w.waiting)) {
		w.t.Errorf("%d Adds were refused and %d wait: %+v", w.refused, len(w.waiting), info)
	}
	if !w.closed {
		w.tally(info.Total)
	}
}

// snapshot is what All yields, and the newest entry of each key in it.
func (w *world) snapshot() (held map[int]list, newest map[int]int) {
	held, newest = map[int]list{}, map[int]int{}
	for key, value := range w.a.All() {
		e := list{Key: key, Value: value, Count: positive(value)}
		held[value[0]] = e
		newest[key] = value[0]
	}
	return held, newest
}

func positive(value serials) (count uint64) {
	for _, n := range value {
		if n > 0 {
			count++
		}
	}
	return count
}

// tally finds every Add in one entry, and every entry in one place. It requires
// that mu is held.
func (w *world) tally(c partition.Counts) {
	entries, found, sum := map[int]bool{}, map[int]int{}, uint64(0)
	for _, place := range []map[int]list{w.held, w.seen, w.lost, w.returned} {
		for begun, e := range place {
			if entries[begun] {
				continue // returned as well, or retried
			}
			entries[begun] = true
			sum += e.Count
			if e.Count != positive(e.Value) {
				w.t.Errorf("the Count of %v", e)
			}
			for _, n := range e.Value {
				if n < 0 {
					continue
				}
				if before, twice := found[n]; twice || !w.accepted[n] {
					w.t.Errorf("the Add %d is in %v, and in that of %d; accepted: %v", n, e, before, w.accepted[n])
				}
				found[n] = begun
			}
		}
	}
	if len(found) != len(w.accepted) || sum != uint64(len(w.accepted)) || len(entries) != c.Accepted {
		w.t.Errorf("%d Adds were accepted, %d were found, the sum of Count is %d; %d entries: %+v", len(w.accepted), len(found), sum, len(entries), c)
	}
}

// settled is the end: everything has its outcome.
func (w *world) settled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.a.Info().Total
	w.tally(c)
	if c.Buffered+c.InFlight != 0 || c.Returned != len(w.returned) || len(w.held)+len(w.waiting) != 0 {
		w.t.Errorf("something is left: %+v, %v", c, w.held)
	}
	if n := len(w.seen) + len(w.lost); c.Delivered+c.DeadLettered+c.Dropped > n {
		w.t.Errorf("%d entries were handed over or displaced: %+v", n, c)
	}
}
