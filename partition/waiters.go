package partition

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// Waiters are the inserts that wait for room, in one partition or in any of
// several.
//
// No wake-up is lost: a waiter joins first, looks for room once more, and only
// then sleeps; and one that leaves without having used its wake-up passes it on.
// So there are always at least as many wake-ups under way as there is room for
// waiters to take. The oldest waiter is woken first, but an insert that comes
// by may take the room before it.
type Waiters struct {
	length atomic.Int64 // of queue; read without mu, so that waking nobody costs next to nothing

	mu    sync.Mutex // protects queue; no other lock is taken while it is held
	queue list.List  // of *Waiter
}

// Waiter is one insert that waits. It belongs to the goroutine that waits.
type Waiter struct {
	woken   chan struct{} // capacity 1: Wake never blocks
	element *list.Element // protected by Waiters.mu; nil once woken
}

// Woken yields once the waiter should look for room again.
func (w *Waiter) Woken() <-chan struct{} { return w.woken }

// Join adds a waiter. It must Leave.
func (q *Waiters) Join() *Waiter {
	w := &Waiter{woken: make(chan struct{}, 1)}
	q.mu.Lock()
	defer q.mu.Unlock()
	w.element = q.queue.PushBack(w)
	q.length.Add(1)
	return w
}

// Rejoin puts a waiter that was woken back in the queue, before it looks for
// room again, and ahead of those that have not had their turn.
func (q *Waiters) Rejoin(w *Waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w.element = q.queue.PushFront(w)
	q.length.Add(1)
}

// Leave removes w. A wake-up that it got goes on to the next waiter: there may
// still be room, and the room's event is over.
func (q *Waiters) Leave(w *Waiter) {
	q.mu.Lock()
	woken := w.element == nil
	if !woken {
		q.remove(w)
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
	for ; n > 0 && q.queue.Len() > 0; n-- {
		w := q.queue.Front().Value.(*Waiter)
		q.remove(w)
		w.woken <- struct{}{}
	}
}

// Len is the number of inserts that sleep.
func (q *Waiters) Len() int { return int(q.length.Load()) }

// remove requires that mu is held.
func (q *Waiters) remove(w *Waiter) {
	q.queue.Remove(w.element)
	w.element = nil
	q.length.Add(-1)
}
