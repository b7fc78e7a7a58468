package kafka

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// producer queues requests for its lanes.
type producer struct {
	maxBatch   int                  // bytes of a batch, at most, whatever the topic takes
	maxWaiting int                  // bytes
	patience   time.Duration        // of a request with the queue
	here       func() []*assignment // the partitions consumed here
	joined     func() bool          // the group has said which these are
	topic      func(id [16]byte)    // is told of the topic's ID, unless nil
	lanes      []*lane
	done       sync.WaitGroup // for the lanes
	produced   atomic.Int64   // readings

	limit atomic.Int64 // bytes of a request, at most

	mu      sync.Mutex
	work    sync.Cond  // a request waits, or closed
	waiting []*request // in the order of Accept
	bytes   int        // in waiting
	health  []health   // by partition; it only grows
	exist   int        // partitions that there are, of those in health
	turn    int        // the partition that is looked at first
	closed  bool
}

func newProducer(cfg Config, partitions, batch int, here func() []*assignment, joined func() bool) *producer {
	p := &producer{
		maxBatch:   cfg.MaxBatch,
		maxWaiting: cfg.MaxWaiting,
		patience:   cfg.Patience,
		here:       here,
		joined:     joined,
		health:     make([]health, partitions),
		exist:      partitions,
	}
	p.work.L = &p.mu
	p.allow(batch)
	return p
}

// start makes the lanes, and blocks until they know the topic's partitions.
func (p *producer) start(ctx context.Context, cfg Config, brokers []string) error {
	for range maxLanes { // also where there are fewer partitions, as more may come
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

// allow says how large a batch the topic takes.
func (p *producer) allow(batch int) { p.limit.Store(int64(min(batch, p.maxBatch) - batchOverhead)) }

// Accept is that of Kafka.
func (p *producer) Accept(ctx context.Context, readings []reading.Reading, stored bool) error {
	if ctx.Err() != nil {
		return endOf(ctx)
	}
	if len(readings) == 0 {
		return nil
	}
	r := newRequest(readings)
	if limit := p.limit.Load(); int64(r.size) > limit {
		return fmt.Errorf("%d readings make %d bytes, and %d are allowed: %w", len(readings), r.size, limit, ErrTooLarge)
	}
	if !stored {
		return p.send(ctx, r)
	}

	// Of its own partitions this process knows what becomes of each record.
	joined := p.joined() // first: what own finds is no older
	a, w := p.own()
	switch {
	case a == nil && !joined:
		return errNotYet
	case a == nil:
		return errNoPartition
	}
	defer a.release(w)
	r.partition = int(a.partition)
	if err := p.send(ctx, r); err != nil {
		return err
	}
	if r.first == noOffset {
		return errNoOffset
	}
	return a.stored(ctx, w, r.first, r.last)
}

// own chooses a partition that this process consumes, in turn.
func (p *producer) own() (*assignment, *wait) {
	all := p.here()
	p.mu.Lock()
	p.turn++
	turn, partitions := p.turn, p.exist
	p.mu.Unlock()
	for i := range all {
		a := all[(turn+i)%len(all)]
		if int(a.partition) >= partitions { // new, and not known to the lanes yet, or gone
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
	case r.partition >= p.exist: // since own has chosen it
		p.mu.Unlock()
		return errGone
	}
	p.waiting = append(p.waiting, r)
	p.bytes += r.size
	p.work.Signal()
	p.mu.Unlock()

	return p.await(ctx, r)
}

// await waits for the answer to a request. While no lane has taken it, it can be
// taken back.
func (p *producer) await(ctx context.Context, r *request) error {
	late := time.NewTimer(p.patience)
	defer late.Stop()
	for {
		select {
		case <-r.done:
			return r.err
		case <-late.C:
			if p.withdraw(r) {
				return fmt.Errorf("kafka: not sent within %v: %w", p.patience, buffer.ErrFull)
			}
			// A lane has it, and with the brokers a patience of its own.
		case <-ctx.Done():
			if p.withdraw(r) {
				return endOf(ctx)
			}
			select {
			case <-r.done:
				return r.err
			default:
				return fmt.Errorf("%w: %w", ErrInDoubt, endOf(ctx))
			}
		}
	}
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
			unsent += r.len()
			r.answer(noOffset, buffer.ErrClosed)
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
