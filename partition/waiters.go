package partition

import (
	"sync"
	"sync/atomic"
)

// Waiters are the inserts that wait for room, in one partition or in any of
// several.
//
// No wake-up is lost: a waiter joins first, looks for room once more, and only
// then sleeps; and one that leaves after it was woken wakes the next. So while
// there is room, one of those who wait has been woken and not looked yet, and it
// is enough that room wakes one: they come one after another, until one finds
// everything full and sleeps again. The oldest is woken first, but an insert that
// comes by may take the room before it.
type Waiters struct {
	length atomic.Int64 // of the queue; read without mu, so that waking nobody costs next to nothing

	mu          sync.Mutex // protects the queue; no other lock is taken while it is held
	first, last *Waiter
	spare       *Waiter // those that have left, by next. They stay with their queue, as a channel must stay in its synctest bubble
	spares      int
}

// Waiter is one insert that waits. It belongs to the goroutine that waits.
type Waiter struct {
	signal chan struct{} // capacity 1: Wake never blocks

	// Protected by Waiters.mu.
	queued         bool
	woken          bool // once, since it joined
	previous, next *Waiter
}

// maxSpare bounds how many waiters that have left are kept for the next ones:
// under backpressure every batch makes some insert wait.
const maxSpare = 64

// Woken yields once the waiter should look for room again.
func (w *Waiter) Woken() <-chan struct{} { return w.signal }

// Join adds a waiter. It must Leave.
func (q *Waiters) Join() *Waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.spare
	if w == nil {
		w = &Waiter{signal: make(chan struct{}, 1)}
	} else {
		q.spare, w.next = w.next, nil
		q.spares--
	}
	w.queued, w.previous = true, q.last
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
	q.length.Add(1)
	return w
}

// Rejoin puts a waiter that was woken and found no room back in the queue, ahead
// of those that have not had their turn. It must look for room once more before
// it sleeps.
func (q *Waiters) Rejoin(w *Waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.queued, w.next = true, q.first
	if q.first == nil {
		q.last = w
	} else {
		q.first.previous = w
	}
	q.first = w
	q.length.Add(1)
}

// Leave removes w, which the caller must not use any more. Where it was woken,
// the next waiter is woken in its place: there may be more room than w took,
// and the event that made it is over.
func (q *Waiters) Leave(w *Waiter) {
	q.mu.Lock()
	if w.queued {
		q.remove(w)
	}
	select {
	case <-w.signal:
	default:
	}
	woken := w.woken
	w.woken = false
	if q.spares < maxSpare {
		q.spare, w.next = w, q.spare
		q.spares++
	}
	q.mu.Unlock()
	if woken {
		q.Wake(1)
	}
}

// Wake wakes up to n waiters.
func (q *Waiters) Wake(n int) {
	if n <= 0 || q.length.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for ; n > 0 && q.first != nil; n-- {
		w := q.first
		q.remove(w)
		w.woken = true
		w.signal <- struct{}{}
	}
}

// Len is the number of inserts that sleep.
func (q *Waiters) Len() int { return int(q.length.Load()) }

// remove requires that mu is held.
func (q *Waiters) remove(w *Waiter) {
	if w.previous == nil {
		q.first = w.next
	} else {
		w.previous.next = w.next
	}
	if w.next == nil {
		q.last = w.previous
	} else {
		w.next.previous = w.previous
	}
	w.queued, w.previous, w.next = false, nil, nil
	q.length.Add(-1)
}
