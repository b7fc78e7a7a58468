package partition

import (
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/telemetry"
)

// Info is a snapshot of one partition, consistent in itself.
type Info struct {
	Index     int       // of the partition
	Bytes     int       // of the items in Counts.Buffered, by SizeOf; 0 where it is not set
	FlushSize int       // items: the threshold of the batch being filled, MaxSize and its jitter
	FlushAt   time.Time // when the interval of the batch being filled is over; zero when it is empty, or the interval is off
	Batches   int       // in flight
	Counts    Counts
}

// Counts are in items. In every snapshot of a partition
//
//	Accepted = Buffered + InFlight + Delivered + DeadLettered + Dropped + Returned
//
// Buffered and InFlight are what is held now; the others only grow, and past
// the largest int they wrap.
type Counts struct {
	Accepted int // inserts returned nil for them

	Buffered     int // not yet handed to the Flusher
	InFlight     int // handed to the Flusher or the dead letter, without an outcome
	Delivered    int // the Flusher returned nil for them
	DeadLettered int // given up, and the dead letter returned nil for them
	Dropped      int // given up, and lost: see the log, or the metric databuffer.item.processed, for why
	Returned     int // given back in a *ShutdownError

	Rejected  int // inserts returned an error for them, before Shutdown returned
	Retried   int // attempted once more; counted each time, but not for the halves of a bisection
	Abandoned int // in attempts that did not return in time; counted each time
}

// Plus is the sum of both, field by field.
func (c Counts) Plus(other Counts) Counts {
	return Counts{
		Accepted:     c.Accepted + other.Accepted,
		Buffered:     c.Buffered + other.Buffered,
		InFlight:     c.InFlight + other.InFlight,
		Delivered:    c.Delivered + other.Delivered,
		DeadLettered: c.DeadLettered + other.DeadLettered,
		Dropped:      c.Dropped + other.Dropped,
		Returned:     c.Returned + other.Returned,
		Rejected:     c.Rejected + other.Rejected,
		Retried:      c.Retried + other.Retried,
		Abandoned:    c.Abandoned + other.Abandoned,
	}
}

// Info takes a snapshot.
func (p *Partition[T]) Info() Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	buffered, bytes := p.held()
	return Info{
		Index:     p.cfg.Index,
		Bytes:     bytes,
		FlushSize: p.fill.threshold,
		FlushAt:   p.fill.flushAt,
		Batches:   len(p.flights),
		Counts: Counts{
			Accepted:     p.sealed + p.fill.size(),
			Buffered:     buffered,
			InFlight:     p.inFlight,
			Delivered:    total(p.settled[telemetry.Delivered][:]),
			DeadLettered: total(p.settled[telemetry.DeadLettered][:]),
			Dropped:      total(p.settled[telemetry.Dropped][:]),
			Returned:     total(p.settled[telemetry.Returned][:]),
			Rejected:     total(p.rejected[:]),
			Retried:      p.retried,
			Abandoned:    p.lost,
		},
	}
}

// Observe adds a snapshot to o.
func (p *Partition[T]) Observe(o *telemetry.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	buffered, bytes := p.held()
	o.Accepted += p.sealed + p.fill.size()
	for reason, n := range p.rejected {
		o.Rejected[reason] += n
	}
	for outcome, classes := range p.settled {
		for class, n := range classes {
			o.Processed[outcome][class] += n
		}
	}
	o.Retried += p.retried
	o.Queue += buffered
	o.Capacity = sum(o.Capacity, p.fill.threshold)
	o.Bytes = sum(o.Bytes, bytes)
	o.InFlight += p.inFlight
	o.Waiting += p.Waiters.Len()
	o.Flushes += len(p.flights)
	o.Abandoned += p.stray
	if oldest := p.oldest(); !oldest.IsZero() && (o.Oldest.IsZero() || oldest.Before(o.Oldest)) {
		o.Oldest = oldest
	}
}

// Dump is a copy of the items that are accepted and not yet handed to the
// Flusher, in the order accepted.
func (p *Partition[T]) Dump() []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, _ := p.held()
	items := make([]T, 0, n)
	for _, b := range p.ready {
		items = p.show(items, b.items, b.page, b.ends)
	}
	return p.show(items, p.fill.items, p.fill.page, p.fill.ends)
}

// show appends what is held, as copies. It requires that mu is held.
func (p *Partition[T]) show(to, items []T, page []byte, ends []int) []T {
	if p.cfg.Pages != nil {
		return unpacked(to, slices.Clone(page), ends)
	}
	return append(to, items...)
}

// Look shows the items that Dump would copy, batch by batch, the newest first,
// until look returns false: first those of the batch being filled, which may be
// none, then those of the batches that are ready. It is called under the
// partition's lock, so look must neither block nor keep what it is shown.
func (p *Partition[T]) Look(look func(items []T) (more bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !look(p.fill.items) {
		return
	}
	for _, b := range slices.Backward(p.ready) {
		if !look(b.items) {
			return
		}
	}
}

// Size is the length of what Dump would copy.
func (p *Partition[T]) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, _ := p.held()
	return n
}

// held is what is buffered. It requires that mu is held.
func (p *Partition[T]) held() (items, bytes int) {
	items, bytes = p.fill.size(), p.fill.volume()
	for _, b := range p.ready {
		items += b.size
		bytes = sum(bytes, b.bytes)
	}
	return items, bytes
}

// oldest is when the oldest item without an outcome was accepted; zero where
// there is none. It requires that mu is held.
func (p *Partition[T]) oldest() time.Time {
	var oldest time.Time
	for _, b := range slices.Concat(p.flights, p.ready) {
		if b.left > 0 && (oldest.IsZero() || b.oldest.Before(oldest)) {
			oldest = b.oldest
		}
	}
	if oldest.IsZero() {
		return p.fill.oldest
	}
	return oldest
}

func total(counts []int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}
