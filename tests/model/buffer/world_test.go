package buffer_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/tests/model"
)

// world is what the model sees of one case: what was accepted, and every attempt.
// What can be judged at once is; settled judges the rest.
type world struct {
	t     *model.T
	scene scene
	cfg   buffer.Config[int]
	buf   *buffer.Buffer[int]
	main  *model.Sink[int]

	mu       sync.Mutex   // protects the fields below
	open     map[int]bool // of an insert that has not returned; with Key, parts of it may be accepted
	accepted map[int]bool
	refused  map[int]time.Time // when
	behind   map[int]bool      // a barrier has passed that covered it
	whole    [][]int           // accepted by one InsertBatch without Key
	attempts []*try
	seen     map[int]bool // in an attempt
	contents map[flusher.ID]flusher.Batch[int]
	last     map[tried]int // the number of the newest attempt
	first    map[stream]int
	arrived  map[stream]int // the newest that the Flusher has taken
	singled  map[int]bool   // left over by an attempt that took others
	homes    map[uint64]int // the partition of each key, or pinned actor
	running  map[int]int    // by partition
	inside   int            // items inserted by a Flusher
	closed   time.Time      // when Shutdown was called
	over     time.Time      // when it returned
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

// stream is what an actor inserts into a partition: one after another.
type stream struct{ actor, partition int }

func newWorld(t *model.T, s scene) *world {
	w := &world{
		t: t, scene: s, cfg: s.cfg,
		open: map[int]bool{}, accepted: map[int]bool{}, refused: map[int]time.Time{}, behind: map[int]bool{}, seen: map[int]bool{},
		contents: map[flusher.ID]flusher.Batch[int]{}, last: map[tried]int{}, first: map[stream]int{}, arrived: map[stream]int{}, singled: map[int]bool{}, homes: map[uint64]int{},
		running: map[int]int{}, doubtful: map[int]bool{}, runs: map[int]bool{},
	}
	w.main = model.NewSink[int](s.replies, w.fromInside)
	w.cfg.Flusher = &destination{world: w, sink: w.main}
	if s.dead {
		w.cfg.DeadLetter = &destination{world: w, dead: true, sink: model.NewSink[int](s.funerals, w.fromInside)}
	}
	return w
}

// destination is one of the two Flushers.
type destination struct {
	*world
	dead bool
	sink *model.Sink[int]
}

func (d *destination) Flush(ctx context.Context, batch flusher.Batch[int]) error {
	attempt := d.begin(batch)
	var arrived []int
	defer func() { d.finish(attempt, batch.Items, arrived) }() // also where it panics or exits
	return d.sink.Answer(ctx, batch, func(items []int) { arrived = append(arrived, items...) })
}

func (d *destination) begin(batch flusher.Batch[int]) *try {
	d.mu.Lock()
	defer d.mu.Unlock()
	attempt := &try{batch: batch, dead: d.dead, begun: time.Now(), took: map[int]bool{}}
	attempt.batch.Items = slices.Clone(batch.Items)
	d.attempts = append(d.attempts, attempt)
	d.running[batch.Partition]++
	d.judge(attempt.batch)
	d.judgeAttempt(attempt.batch)
	for _, item := range batch.Items {
		if !d.seen[item] {
			d.ordered(item, batch.Partition)
		}
		d.seen[item] = true
	}
	return attempt
}

func (d *destination) finish(attempt *try, items, arrived []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	attempt.end = time.Now()
	d.running[attempt.batch.Partition]--
	if !slices.Equal(items, attempt.batch.Items) {
		d.t.Errorf("the items changed under the attempt: %v, they were %v", items, attempt.batch.Items)
	}
	for _, item := range arrived {
		attempt.took[item] = true
	}
	if !attempt.dead && d.cfg.MaxInFlight == 1 && !d.late(attempt) {
		d.taken(attempt)
	}
}

// taken checks that what the Flusher takes comes in order through retries and
// bisections, but for what it has singled out itself. It requires that mu is held.
func (d *destination) taken(attempt *try) {
	for _, item := range attempt.batch.Items {
		at := stream{actorOf(item), attempt.batch.Partition}
		switch {
		case !attempt.took[item]:
			d.singled[item] = d.singled[item] || len(attempt.took) > 0
		case at.actor == insider || d.singled[item]:
		default:
			if before := d.arrived[at]; before > item {
				d.t.Errorf("item %d is taken after %d", item, before)
			}
			d.arrived[at] = item
		}
	}
}

// judge looks at the batch of an attempt that begins. It requires that mu is held.
func (d *destination) judge(b flusher.Batch[int]) {
	t, cfg := d.t, d.cfg
	if n := len(b.Items); n == 0 || n > cfg.MaxSize+cfg.MaxSizeJitter {
		t.Errorf("a batch of %d items", n)
	}
	bytes := 0
	for _, item := range b.Items {
		bytes += sizeOf(item)
		if d.behind[item] {
			t.Errorf("item %d is attempted behind a barrier that covered it", item)
		}
	}
	if cfg.MaxBytes > 0 && bytes > cfg.MaxBytes {
		t.Errorf("a batch of %d bytes", bytes)
	}
	if b.Buffer != cfg.Name || b.Meta != meta || b.Oldest.IsZero() || b.Oldest.After(time.Now()) {
		t.Errorf("what is known of a batch: %+v", b)
	}
	if b.Trigger == flusher.Bytes && cfg.MaxBytes == 0 || b.Trigger == flusher.Interval && cfg.FlushInterval < 0 || b.Trigger == flusher.Shutdown && d.closed.IsZero() {
		t.Errorf("a trigger that was none: %v", b.Trigger)
	}
	if before, seen := d.contents[b.ID]; seen && (!slices.Equal(before.Items, b.Items) || before.Oldest != b.Oldest || before.Trigger != b.Trigger || before.Partition != b.Partition) {
		t.Errorf("one ID, two contents: %v and %v", before, b)
	}
	d.contents[b.ID] = b
}

// judgeAttempt looks at its number, and at what runs beside it. It requires that
// mu is held.
func (d *destination) judgeAttempt(b flusher.Batch[int]) {
	t, cfg := d.t, d.cfg
	if !d.over.IsZero() {
		t.Errorf("an attempt begins after Shutdown has returned: %+v", b)
	}
	if n := d.running[b.Partition]; n > cfg.MaxInFlight+1 {
		t.Errorf("%d attempts run in partition %d", n, b.Partition)
	}
	if (b.Cause != nil) != d.dead {
		t.Errorf("dead letter %v with the cause %v", d.dead, b.Cause)
	}
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
}

// ordered looks at an item that comes for the first time: none of an actor's may
// come after a later one into the same partition, and those of one key or of one
// Producer go to the same partition. It requires that mu is held.
func (d *destination) ordered(item, partition int) {
	actor := actorOf(item)
	if d.dead {
		d.t.Errorf("the dead letter is the first to see item %d", item)
	}
	if d.cfg.Key != nil || actor >= pinner && actor < insider {
		home := uint64(actor)
		if d.cfg.Key != nil {
			home = keyOf(item)
		}
		if before, known := d.homes[home]; known && before != partition {
			d.t.Errorf("item %d is in partition %d, those before it in %d", item, partition, before)
		}
		d.homes[home] = partition
	}
	if d.cfg.MaxInFlight > 1 || actor == insider {
		return
	}
	at := stream{actor, partition}
	if before := d.first[at]; before > item {
		d.t.Errorf("item %d comes after %d", item, before)
	}
	d.first[at] = item
}
