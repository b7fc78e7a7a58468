package buffer_test

import (
	"context"
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/tests/model"
)

// destination is one of the two Flushers.
type destination struct {
	*world
	dead bool
	sink *model.Sink[int]
}

func (d *destination) Flush(ctx context.Context, batch flusher.Batch[int]) error {
	attempt := d.begin(batch)
	var arrived []int
	var err error
	defer func() { d.finish(attempt, batch.Items, arrived, err) }() // also where it panics or exits
	err = d.sink.Answer(ctx, batch, func(items []int) { arrived = append(arrived, items...) })
	return err
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
		d.counted(passage{item, d.dead}, batch.Attempt)
	}
	return attempt
}

func (d *destination) finish(attempt *try, items, arrived []int, err error) {
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
	if d.late(attempt) {
		return // an error of it changes nothing, and what it took may come at any time
	}
	if !attempt.dead && d.cfg.MaxInFlight == 1 {
		d.taken(attempt)
	}
	if verdict := flusher.Inspect(err, len(items)); !verdict.Final {
		retried := verdict.Retry
		if verdict.Whole {
			retried = everyIndex(len(items))
		}
		for _, i := range retried {
			d.until[passage{items[i], d.dead}] = attempt.end.Add(verdict.After)
		}
	}
}

func everyIndex(n int) []int {
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = i
	}
	return indexes
}

// counted looks at one more attempt at an item. Nothing but a bisection begins to
// count anew, and nothing but Shutdown ends the wait that a RetryAfter has asked
// for. It requires that mu is held.
func (d *destination) counted(at passage, attempt int) {
	d.attempted[at]++
	if n := d.attempted[at]; n != attempt && !d.cfg.Retry.Bisect {
		d.t.Errorf("attempt %d of %+v is told as number %d", n, at, attempt)
	}
	if until := d.until[at]; time.Now().Before(until) && d.closed.IsZero() {
		d.t.Errorf("%+v is retried %v too early", at, time.Until(until))
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
	if b.Trigger == flusher.Shutdown && d.atOnce {
		t.Errorf("an attempt begins though the ctx of Shutdown was over: %+v", b)
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
