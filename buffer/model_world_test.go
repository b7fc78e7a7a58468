package buffer_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// world is what the model test sees of one case: what was accepted, and every
// attempt. What can be judged at once is; settled judges the rest.
type world struct {
	t   *testing.T
	cfg buffer.Config[int]
	buf *buffer.Buffer[int]

	mu       sync.Mutex // protects the fields below
	accepted map[int]bool
	refused  map[int]time.Time // when
	whole    [][]int           // accepted by one InsertBatch without Key
	attempts []*try
	contents map[flusher.ID][]int
	last     map[tried]int // the number of the newest attempt
	first    map[uint64]int
	running  map[int]int // by partition
	inside   int         // items inserted by a Flusher
	over     time.Time   // when Shutdown returned
	doubtful map[int]bool
	runs     map[int]bool
	final    buffer.Info
}

// try is one attempt at one of the two Flushers.
type try struct {
	batch      flusher.Batch[int]
	dead       bool
	begun, end time.Time    // no end: it runs
	took       map[int]bool // the items that it has taken
}

type tried struct {
	id   flusher.ID
	dead bool
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, accepted: map[int]bool{}, refused: map[int]time.Time{}, contents: map[flusher.ID][]int{},
		last: map[tried]int{}, first: map[uint64]int{}, running: map[int]int{}, doubtful: map[int]bool{}, runs: map[int]bool{},
	}
}

// destination is a Flusher that answers as it was drawn.
type destination struct {
	*world
	dead    bool
	replies []reply
}

func (d *destination) Flush(ctx context.Context, batch flusher.Batch[int]) error {
	attempt, a := d.begin(batch)
	a.wait(ctx)
	if a.inside {
		d.fromInside(ctx)
	}
	failed, err := a.failed(len(batch.Items))
	d.mu.Lock()
	attempt.end = time.Now()
	d.running[batch.Partition]--
	for i, item := range batch.Items {
		if item != attempt.batch.Items[i] {
			d.t.Errorf("the items changed under the attempt: %v, they were %v", batch.Items, attempt.batch.Items)
		}
		if !slices.Contains(failed, i) {
			attempt.took[item] = true
		}
	}
	d.mu.Unlock()
	return a.leave(err)
}

func (d *destination) begin(batch flusher.Batch[int]) (*try, reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var a reply
	if len(d.replies) > 0 {
		a, d.replies = d.replies[0], d.replies[1:]
	}
	attempt := &try{batch: batch, dead: d.dead, begun: time.Now(), took: map[int]bool{}}
	attempt.batch.Items = slices.Clone(batch.Items)
	d.attempts = append(d.attempts, attempt)
	d.running[batch.Partition]++
	d.judge(attempt)
	return attempt, a
}

// judge looks at an attempt that begins. It requires that mu is held.
func (d *destination) judge(attempt *try) {
	t, b, cfg := d.t, attempt.batch, d.cfg
	if !d.over.IsZero() {
		t.Errorf("an attempt begins after Shutdown has returned: %+v", b)
	}
	if n := len(b.Items); n == 0 || n > cfg.MaxSize+cfg.MaxSizeJitter {
		t.Errorf("a batch of %d items", n)
	}
	bytes := 0
	for _, item := range b.Items {
		bytes += sizeOf(item)
	}
	if cfg.MaxBytes > 0 && bytes > cfg.MaxBytes {
		t.Errorf("a batch of %d bytes", bytes)
	}
	if n := d.running[b.Partition]; n > cfg.MaxInFlight+1 {
		t.Errorf("%d attempts run in partition %d", n, b.Partition)
	}
	if (b.Cause != nil) != d.dead {
		t.Errorf("dead letter %v with the cause %v", d.dead, b.Cause)
	}
	if content, seen := d.contents[b.ID]; seen && !slices.Equal(content, b.Items) {
		t.Errorf("one ID, two contents: %v and %v", content, b.Items)
	}
	d.contents[b.ID] = b.Items
	key := tried{b.ID, d.dead}
	if before, seen := d.last[key]; seen && b.Attempt != before+1 || b.Attempt < 1 || d.dead && !seen && b.Attempt != 1 {
		t.Errorf("attempt %d at %v comes after attempt %d", b.Attempt, b.ID, before)
	}
	d.last[key] = b.Attempt
	limit := cfg.Retry.Limit(cfg.DeadLetter != nil)
	if d.dead {
		limit = cfg.Retry.DeadLetterLimit()
	}
	if limit > 0 && b.Attempt > limit {
		t.Errorf("attempt %d of %d", b.Attempt, limit)
	}
	if !d.dead && cfg.MaxInFlight == 1 {
		d.ordered(b.Items)
	}
}

// ordered checks that no actor's item comes for the first time after a later one
// of the same stream: a key's, and a Producer's, and anybody's in the only
// partition. It requires that mu is held.
func (d *destination) ordered(items []int) {
	for _, item := range items {
		stream := keyOf(item)
		if actorOf(item) == insider || d.cfg.Key == nil && d.cfg.Partitions > 1 && !d.pinned(item) {
			continue
		}
		seen := slices.ContainsFunc(d.attempts[:len(d.attempts)-1], func(x *try) bool { return slices.Contains(x.batch.Items, item) })
		if seen {
			continue
		}
		if before := d.first[stream]; before > item {
			d.t.Errorf("item %d comes after %d", item, before)
		}
		d.first[stream] = item
	}
}

// insider numbers the items that a Flusher inserts, and pinner the first actor
// with a Producer.
const (
	insider = 20
	pinner  = 10
)

func (d *destination) pinned(item int) bool {
	return actorOf(item) >= pinner && actorOf(item) < insider
}

// fromInside calls the buffer with a context of its own Flusher.
func (d *destination) fromInside(ctx context.Context) {
	d.mu.Lock()
	d.inside++
	item := itemOf(insider, d.inside)
	d.mu.Unlock()
	type key struct{}
	derived, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
	defer cancel()
	start := time.Now()
	d.took([]int{item}, d.buf.Insert(derived, item))
	if err := d.buf.Flush(derived); err != nil && derived.Err() == nil && !errors.Is(err, buffer.ErrClosed) {
		d.t.Errorf("Flush inside the Flusher: %v", err)
	}
	if _, err := d.buf.SyncFlush(derived); !errors.Is(err, buffer.ErrReentrant) {
		d.t.Errorf("SyncFlush inside the Flusher: %v", err)
	}
	if err := d.buf.Shutdown(derived); !errors.Is(err, buffer.ErrReentrant) {
		d.t.Errorf("Shutdown inside the Flusher: %v", err)
	}
	if waited := time.Since(start); waited != 0 {
		d.t.Errorf("calls inside the Flusher waited %v", waited)
	}
}

// took notes the answer of an insert.
func (w *world) took(items []int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	refused := map[int]bool{}
	var partly *buffer.PartialInsertError
	switch {
	case errors.As(err, &partly):
		for _, i := range partly.Rejected {
			refused[items[i]] = true
		}
	case err != nil:
		for _, item := range items {
			refused[item] = true
		}
	case w.cfg.Key == nil:
		w.whole = append(w.whole, items)
	}
	for _, item := range items {
		if refused[item] {
			w.refused[item] = time.Now()
		} else {
			w.accepted[item] = true
		}
	}
}

// shut notes the state at which Shutdown has returned.
func (w *world) shut() {
	info := w.buf.Info()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over.IsZero() {
		return
	}
	w.over, w.final = time.Now(), info
	for _, attempt := range w.attempts {
		running := attempt.end.IsZero()
		for _, item := range attempt.batch.Items {
			// A partition that had nothing to wait for has judged when the grace began.
			w.runs[item] = w.runs[item] || running
			w.doubtful[item] = w.doubtful[item] || running || !attempt.end.Before(w.over.Add(-w.cfg.FlushGrace))
		}
	}
}

// late tells whether the attempt has outlived its timeout and its grace.
func (w *world) late(attempt *try) bool {
	return w.cfg.FlushTimeout > 0 && attempt.end.Sub(attempt.begun) >= w.cfg.FlushTimeout+w.cfg.FlushGrace
}

// settled judges a case that is over, against what Shutdown gave back.
func (w *world) settled(left *buffer.ShutdownError[int]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, counts := w.t, w.final.Total
	returned := map[int]bool{}
	for _, item := range slices.Concat(left.Undelivered, left.InDoubt) {
		if returned[item] || !w.accepted[item] {
			t.Errorf("item %d was given back: twice, or was not accepted", item)
		}
		returned[item] = true
	}
	for _, item := range left.Undelivered {
		if w.runs[item] {
			t.Errorf("item %d is undelivered, but an attempt runs", item)
		}
	}
	for _, item := range left.InDoubt {
		if !w.doubtful[item] {
			t.Errorf("item %d is in doubt, but no attempt runs", item)
		}
	}

	// Whoever has taken an item in time has settled it; whoever has taken it too
	// late may have.
	var surely, maybe [2]map[int]bool
	for i := range surely {
		surely[i], maybe[i] = map[int]bool{}, map[int]bool{}
	}
	places := map[int]int{}
	retried := 0
	for _, attempt := range w.attempts {
		if attempt.batch.Attempt > 1 {
			retried += len(attempt.batch.Items)
		}
		sink := 0
		if attempt.dead {
			sink = 1
		}
		for _, item := range attempt.batch.Items {
			if !w.accepted[item] {
				t.Errorf("item %d is flushed, but was not accepted", item)
			}
			if place, seen := places[item]; seen && place != attempt.batch.Partition {
				t.Errorf("item %d is in two partitions", item)
			}
			places[item] = attempt.batch.Partition
			if !attempt.took[item] || attempt.end.After(w.over) {
				continue
			}
			if !w.late(attempt) {
				surely[sink][item] = true
				if returned[item] {
					t.Errorf("item %d was given back, but taken before", item)
				}
			}
			if !returned[item] {
				maybe[sink][item] = true
			}
		}
	}
	for i, n := range []int{counts.Delivered, counts.DeadLettered} {
		if n < len(surely[i]) || n > len(maybe[i]) {
			t.Errorf("sink %d has taken %d to %d items, but %d are counted", i, len(surely[i]), len(maybe[i]), n)
		}
	}
	for _, items := range w.whole {
		for _, item := range items[1:] {
			place, seen := places[item]
			if other, too := places[items[0]]; seen && too && place != other {
				t.Errorf("an InsertBatch went to two partitions: %v", items)
			}
		}
	}
	rejected := 0
	for _, at := range w.refused {
		if at.Before(w.over) { // what comes after Shutdown is not counted
			rejected++
		}
	}
	for what, n := range map[string][2]int{
		"accepted": {counts.Accepted, len(w.accepted)},
		"returned": {counts.Returned, len(returned)},
		"rejected": {counts.Rejected, min(max(counts.Rejected, rejected), len(w.refused))},
		"retried":  {counts.Retried, retried},
		"held":     {counts.Buffered + counts.InFlight, 0},
	} {
		if n[0] != n[1] {
			t.Errorf("%s: %d are counted, and there are %d", what, n[0], n[1])
		}
	}
}

// full tells whether the partition may have no room, as far as its Info shows.
func (w *world) full(p partition.Info) bool {
	const largest = 3 // of all sizes
	return p.Batches >= w.cfg.MaxInFlight &&
		(p.Counts.Buffered >= w.cfg.MaxSize || w.cfg.MaxBytes > 0 && p.Bytes > w.cfg.MaxBytes-largest)
}
