package kafka

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// producer queues requests for its lanes. It is an ingest.Sink.
type producer struct {
	limit      int                  // bytes of a request, at most
	maxWaiting int                  // bytes
	here       func() []*assignment // the partitions consumed here
	lanes      []*lane
	done       sync.WaitGroup // for the lanes
	produced   atomic.Int64   // readings

	mu      sync.Mutex
	work    sync.Cond  // a request waits, or closed
	waiting []*request // in the order of Accept
	bytes   int        // in waiting
	busy    []bool     // by partition: a lane writes to it
	turn    int        // the partition that is looked at first
	closed  bool
}

var _ ingest.Sink = (*producer)(nil)

func newProducer(cfg Config, partitions, batch int, here func() []*assignment) *producer {
	p := &producer{
		limit:      batch - batchOverhead,
		maxWaiting: cfg.MaxWaiting,
		here:       here,
		busy:       make([]bool, partitions),
	}
	p.work.L = &p.mu
	return p
}

// start makes the lanes, and blocks until they know the topic's partitions.
func (p *producer) start(ctx context.Context, cfg Config, brokers []string) error {
	for range min(maxLanes, len(p.busy)) {
		l, err := newLane(p, cfg, brokers)
		if err != nil {
			return fmt.Errorf("kafka: %w", err)
		}
		p.lanes = append(p.lanes, l)
		if err := l.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Accept implements ingest.Sink. Its errors are also ErrTooLarge, ErrNotSent,
// ErrInDoubt and ErrRejected; see the package documentation for what they leave.
func (p *producer) Accept(ctx context.Context, readings []reading.Reading, stored bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(readings) == 0 {
		return nil
	}
	r := newRequest(readings)
	if r.size > p.limit {
		return fmt.Errorf("%d readings make %d bytes, and %d are allowed: %w", len(readings), r.size, p.limit, ErrTooLarge)
	}
	if !stored {
		return p.send(ctx, r)
	}

	// Of its own partitions this process knows what becomes of each record.
	a, w := p.own()
	if a == nil {
		return errNoPartition
	}
	defer a.release(w)
	r.partition = int(a.partition)
	if err := p.send(ctx, r); err != nil {
		return err
	}
	return a.stored(ctx, w, r.first, r.last)
}

// own chooses a partition that this process consumes, in turn.
func (p *producer) own() (*assignment, *wait) {
	all := p.here()
	p.mu.Lock()
	p.turn++
	turn, partitions := p.turn, len(p.busy)
	p.mu.Unlock()
	for i := range all {
		a := all[(turn+i)%len(all)]
		if int(a.partition) >= partitions { // new, and not known to the lanes yet
			continue
		}
		if w := a.await(); w != nil {
			return a, w
		}
	}
	return nil, nil
}

// send puts r into the queue and waits for its answer.
func (p *producer) send(ctx context.Context, r *request) error {
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return buffer.ErrClosed
	case p.bytes+r.size > p.maxWaiting && p.bytes > 0:
		p.mu.Unlock()
		return buffer.ErrFull
	}
	p.waiting = append(p.waiting, r)
	p.bytes += r.size
	p.work.Signal()
	p.mu.Unlock()

	select {
	case <-r.done:
	case <-ctx.Done():
		if p.withdraw(r) {
			return ctx.Err()
		}
		select {
		case <-r.done:
		default:
			return fmt.Errorf("%w: %w", ErrInDoubt, context.Cause(ctx))
		}
	}
	if err := r.outcome(); err != nil {
		return err
	}
	p.produced.Add(int64(len(r.records)))
	return nil
}

// withdraw takes back a request that no lane has taken.
func (p *producer) withdraw(r *request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, r)
	if i < 0 {
		return false
	}
	p.remove(i)
	return true
}

// remove requires that mu is held.
func (p *producer) remove(i int) {
	p.bytes -= p.waiting[i].size
	p.waiting = slices.Delete(p.waiting, i, i+1)
}

// round waits for requests that can be sent, and takes as many as fit into one
// batch for one partition, which is busy then until free. It returns none when the
// producer is closed and nothing waits.
func (p *producer) round(into []*request) (round []*request, partition int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if i, partition := p.sendable(); i >= 0 {
			p.busy[partition] = true
			return p.collect(into, i, partition), partition
		}
		if p.closed && len(p.waiting) == 0 {
			return nil, 0
		}
		p.work.Wait()
	}
}

// sendable finds the first request that waits for no busy partition, and where to
// send it. It requires that mu is held.
func (p *producer) sendable() (index, partition int) {
	for i, r := range p.waiting {
		if r.partition != anyPartition {
			if !p.busy[r.partition] {
				return i, r.partition
			}
			continue
		}
		for range p.busy {
			p.turn++
			if next := p.turn % len(p.busy); !p.busy[next] {
				return i, next
			}
		}
	}
	return -1, 0
}

// collect takes the request at i and all after it that may go with it. It requires
// that mu is held.
func (p *producer) collect(into []*request, i, partition int) []*request {
	room := min(max(roundBytes, p.waiting[i].size), p.limit)
	kept := p.waiting[:i]
	for _, r := range p.waiting[i:] {
		if (r.partition == anyPartition || r.partition == partition) && r.size <= room {
			room -= r.size
			p.bytes -= r.size
			into = append(into, r)
			continue
		}
		kept = append(kept, r)
	}
	clear(p.waiting[len(kept):])
	p.waiting = kept
	return into
}

// free says that a lane has done with a partition, and how many there are by now.
func (p *producer) free(partition, partitions int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy[partition] = false
	for len(p.busy) < partitions {
		p.busy = append(p.busy, false)
	}
	p.work.Broadcast()
}

// shutdown takes no more requests, and waits until those that wait are sent, or
// ctx ends; then they are refused. It returns how many readings were not sent.
func (p *producer) shutdown(ctx context.Context) (unsent int) {
	p.mu.Lock()
	p.closed = true
	p.work.Broadcast()
	p.mu.Unlock()

	all := make(chan struct{})
	go func() {
		p.done.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-ctx.Done():
		p.mu.Lock()
		left := p.waiting
		p.waiting, p.bytes = nil, 0
		p.mu.Unlock()
		for _, r := range left {
			unsent += len(r.records)
			r.refuse(buffer.ErrClosed)
		}
		for _, l := range p.lanes {
			unsent += l.abandon()
		}
		<-all
	}
	for _, l := range p.lanes {
		l.client.Close()
	}
	return unsent
}
