package buffer_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The kit of the tests in real time: items that are numbers, and a ledger of what
// became of each. A test in real time finds what a bubble cannot, since there
// goroutines do not run at once on several processors; it must be exact at its
// end all the same.

// What a ledger notes of an item.
const (
	isAccepted = 1 << iota
	isDelivered
	isDeadLettered
	isUndelivered
	isInDoubt
)

// ledger notes what became of each item. Items are numbers below the length of
// marks, each used once.
type ledger struct {
	marks   []atomic.Uint32
	next    atomic.Int64
	running atomic.Int64 // calls of hostile Flushers
}

func newLedger(items int) *ledger { return &ledger{marks: make([]atomic.Uint32, items)} }

// draw is n new items, or nil when they have run out.
func (l *ledger) draw(n int) []int {
	last := int(l.next.Add(int64(n)))
	if last > len(l.marks) {
		return nil
	}
	items := make([]int, n)
	for i := range items {
		items[i] = last - n + i
	}
	return items
}

// note fails the test where an item has this outcome already.
func (l *ledger) note(t testing.TB, what uint32, items ...int) {
	for _, item := range items {
		if l.marks[item].Or(what)&what != 0 {
			t.Errorf("item %d has outcome %b twice", item, what)
		}
	}
}

// hostile is a Flusher that fails in every way and at random; what it takes is
// noted. It never takes what its answer says it did not. Where its context ends
// it may go on for a while, but it does not outlive what a timeout would give it:
// so each item is taken once, unless Shutdown left an attempt behind.
func (l *ledger) hostile(t testing.TB, what uint32, stubborn time.Duration) flusher.Func[int] {
	return func(ctx context.Context, b flusher.Batch[int]) error {
		l.running.Add(1)
		defer l.running.Add(-1)
		var failed []int
		switch n := rand.IntN(100); {
		case n < 10:
			return errSink
		case n < 14:
			return flusher.RetryAfter(errSink, time.Duration(rand.IntN(int(time.Millisecond))))
		case n < 18:
			return flusher.Permanent(errSink)
		case n < 22:
			panic(errSink)
		case n < 26:
			runtime.Goexit()
		case n < 30:
			time.Sleep(time.Duration(rand.IntN(int(time.Millisecond))))
		case n < 32 && stubborn > 0:
			time.Sleep(stubborn)
		case n < 34:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Millisecond):
			}
		case n < 44:
			for i := range b.Items {
				if rand.IntN(4) == 0 {
					failed = append(failed, i)
				}
			}
		}
		for i, item := range b.Items {
			if !slices.Contains(failed, i) {
				l.note(t, what, item)
			}
		}
		if len(failed) == 0 {
			return nil
		}
		// Without an index a Partial would fail the whole batch.
		first, rest := failed[:1], failed[1:]
		if rand.IntN(2) == 0 || len(rest) == 0 {
			return flusher.Partial(errSink, failed...)
		}
		return errors.Join(flusher.Partial(errSink, first...), flusher.Partial(flusher.Permanent(errSink), rest...))
	}
}

// balance checks at the end of a buffer that each item has exactly the outcome
// that counted it. Err is what Shutdown returned.
func (l *ledger) balance(t testing.TB, buf *buffer.Buffer[int], err error) {
	t.Helper()
	for l.running.Load() > 0 { // what Shutdown left behind
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		var left *buffer.ShutdownError[int]
		require.ErrorAs(t, err, &left)
		l.note(t, isUndelivered, left.Undelivered...)
		l.note(t, isInDoubt, left.InDoubt...)
	}
	counts := lawful(t, buf)
	var got [1 << 5]int
	for item := range l.marks {
		got[l.marks[item].Load()]++
	}
	dropped := got[isAccepted]
	doubt := got[isAccepted|isInDoubt] + got[isAccepted|isInDoubt|isDelivered] + got[isAccepted|isInDoubt|isDeadLettered]
	assert.Equal(t, counts.Delivered, got[isAccepted|isDelivered], "delivered")
	assert.Equal(t, counts.DeadLettered, got[isAccepted|isDeadLettered], "dead-lettered")
	assert.Equal(t, counts.Dropped, dropped, "dropped")
	assert.Equal(t, counts.Returned, got[isAccepted|isUndelivered]+doubt, "returned")
	assert.Equal(t, len(l.marks), got[0]+counts.Accepted, "and nothing else: %v", got)
	assert.Zero(t, counts.Buffered+counts.InFlight)
}

// chance inserts items in one of the ways there are, and notes what was accepted.
func (l *ledger) chance(ctx context.Context, t testing.TB, buf *buffer.Buffer[int], producer *buffer.Producer[int]) error {
	n := 1
	if rand.IntN(4) == 0 {
		n = 1 + rand.IntN(20)
	}
	items := l.draw(n)
	if items == nil {
		return errNoMore
	}
	var err error
	switch pinned := rand.IntN(2) == 0; {
	case n > 1 && pinned:
		err = producer.InsertBatch(ctx, items)
	case n > 1:
		err = buf.InsertBatch(ctx, items)
	case pinned:
		err = producer.Insert(ctx, items[0])
	default:
		err = buf.Insert(ctx, items[0])
	}
	refused, ok := errors.AsType[*buffer.PartialInsertError](err)
	for i, item := range items {
		if err == nil || ok && !slices.Contains(refused.Rejected, i) {
			l.note(t, isAccepted, item)
		}
	}
	return err
}

// errNoMore is a ledger's that has run out of items.
var errNoMore = errors.New("no more items")
