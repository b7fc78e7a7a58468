package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/buffer"
)

// Origin is the Origin of the keys of a partition's rows: the first 16 bytes of
// SHA-256 over the topic's name, a zero byte, the topic's ID and the partition as
// four bytes, big-endian. The ID is what the brokers gave the topic when it was
// created, so that the offsets of one that is deleted and created anew are not
// taken for those of the old; brokers before 2.8 have none, which is all zero.
func Origin(topic string, id [16]byte, partition int32) (origin [16]byte) {
	data := append([]byte(topic), 0)
	data = append(data, id[:]...)
	data = binary.BigEndian.AppendUint32(data, uint32(partition))
	sum := sha256.Sum256(data)
	copy(origin[:], sum[:])
	return origin
}

// assignment is a partition from being assigned to this process until it is
// revoked or lost; assigned again it is another one. It is the pipeline.Tracker of
// its items, whose tags are those of offsets.
type assignment struct {
	partition int32
	origin    [16]byte
	dead      func(deadLetter) // takes a dead letter, does not block

	mu      sync.Mutex
	offsets offsets
	saved   int64              // the offset committed
	known   int64              // the partition's next offset, when the last records were fetched
	behind  int64              // records in the partition after the last that was consumed
	stopped bool               // takes no more records
	ended   bool               // nothing counts any more
	taking  context.CancelFunc // set while the consumer hands in records
	waits   map[*wait]struct{} // Accepts that want to know of their readings

	changed  chan struct{} // closed at the next change that somebody waits for; nil: nobody does
	atOffset int64         // the mark that is waited for, at least
	atLen    int           // the number of records that is waited for, at most
}

func newAssignment(partition int32, origin [16]byte, dead func(deadLetter)) *assignment {
	return &assignment{
		partition: partition,
		origin:    origin,
		dead:      dead,
		waits:     make(map[*wait]struct{}),
		atOffset:  math.MaxInt64,
		atLen:     -1,
	}
}

// Settled implements pipeline.Tracker. It does not block.
func (a *assignment) Settled(tag int64, err error) {
	switch {
	case err == nil:
		a.done(tag, false)
	case errors.Is(err, buffer.ErrClosed):
		// Given back at Shutdown: nothing became of it, and it will be consumed
		// again. Its offset holds up all after it.
	default:
		a.mu.Lock()
		record := a.offsets.get(tag)
		ended := a.ended
		a.mu.Unlock()
		if record != nil && !ended {
			a.dead(deadLetter{assignment: a, tag: tag, record: record, reason: ReasonRejected, err: err})
		}
	}
}

// done says that a record is in the store, or in the dead-letter topic.
func (a *assignment) done(tag int64, rejected bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return
	}
	if record := a.offsets.get(tag); rejected && record != nil {
		for w := range a.waits {
			w.rejected = append(w.rejected, record.Offset)
		}
	}
	// Once for what is waited for, and not for every record.
	if a.offsets.done(tag) && (a.offsets.mark.offset >= a.atOffset || a.offsets.len() <= a.atLen) {
		a.tell()
	}
}

// tell wakes all that wait for a change. It requires that mu is held.
func (a *assignment) tell() {
	if a.changed != nil {
		close(a.changed)
		a.changed, a.atOffset, a.atLen = nil, math.MaxInt64, -1
	}
}

// atMost says whether so few records are not done, and else has those who wait
// woken when it is so. It requires that mu is held.
func (a *assignment) atMost(records int) bool {
	a.atLen = max(a.atLen, records)
	return a.offsets.len() <= records
}

// upTo says whether all before offset are done, and else has those who wait woken
// when it is so. It requires that mu is held.
func (a *assignment) upTo(offset int64) bool {
	a.atOffset = min(a.atOffset, offset)
	return a.offsets.mark.offset >= offset
}

// until waits for what holds, which is asked with mu held, or the end of ctx.
func (a *assignment) until(ctx context.Context, holds func() bool) error {
	for {
		a.mu.Lock()
		if holds() {
			a.mu.Unlock()
			return nil
		}
		if a.changed == nil {
			a.changed = make(chan struct{})
		}
		changed := a.changed
		a.mu.Unlock()

		select {
		case <-changed:
		case <-ctx.Done():
			return endOf(ctx)
		}
	}
}

// enter begins to take records. It returns false where no more are taken, else a
// context that ends when the assignment is to stop; leave follows.
func (a *assignment) enter(ctx context.Context) (context.Context, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return nil, false
	}
	ctx, a.taking = context.WithCancel(ctx)
	return ctx, true
}

func (a *assignment) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taking()
	a.taking = nil
	a.tell()
}

// add takes records and appends their tags to tags, which is returned.
func (a *assignment) add(tags []int64, records []*kgo.Record) []int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, record := range records {
		tags = append(tags, a.offsets.add(record))
	}
	return tags
}

// cut forgets the newest records, from tag on.
func (a *assignment) cut(tag int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.offsets.cut(tag)
}

// stop makes the assignment take no more records, and does not wait.
func (a *assignment) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	if a.taking != nil {
		a.taking()
	}
	a.tell()
}

// settle waits, after stop, until all that was taken is done, or ctx ends.
func (a *assignment) settle(ctx context.Context) error {
	return a.until(ctx, func() bool { return a.taking == nil && a.atMost(0) })
}

// end makes what comes after it count no more.
func (a *assignment) end() (unsettled int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped, a.ended = true, true
	if a.taking != nil {
		a.taking()
	}
	unsettled = a.offsets.len()
	a.tell()
	return unsettled
}

// over says whether nothing counts any more.
func (a *assignment) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}

// room says whether a chunk more may be taken.
func (a *assignment) room() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.offsets.len() <= maxUnsettled && a.offsets.bytes <= maxHeld
}
