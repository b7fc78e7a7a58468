package partition

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// woken tells whether a waiter has a wake-up.
func woken(w *Waiter) bool {
	select {
	case <-w.Woken():
		return true
	default:
		return false
	}
}

func TestWaitersOldestFirst(t *testing.T) {
	var q Waiters
	a, b, c := q.Join(), q.Join(), q.Join()
	assert.Equal(t, 3, q.Len())
	q.Wake(2)
	assert.True(t, woken(a))
	assert.True(t, woken(b))
	assert.False(t, woken(c))
	assert.Equal(t, 1, q.Len())

	// b finds no room, and is before c again.
	q.Rejoin(b)
	q.Wake(1)
	assert.True(t, woken(b))
	assert.False(t, woken(c))
}

func TestWaitersPassOnWhatTheyLeave(t *testing.T) {
	t.Run("woken, with or without having taken room", func(t *testing.T) {
		var q Waiters
		a, b := q.Join(), q.Join()
		q.Wake(1)
		q.Leave(a)
		assert.True(t, woken(b))
	})
	t.Run("woken, and in the queue again", func(t *testing.T) {
		var q Waiters
		a, b := q.Join(), q.Join()
		q.Wake(1)
		assert.True(t, woken(a))
		q.Rejoin(a)
		q.Leave(a)
		assert.True(t, woken(b))
	})
	t.Run("never woken: there is nothing to pass on", func(t *testing.T) {
		var q Waiters
		a, b, c := q.Join(), q.Join(), q.Join()
		q.Leave(b)
		assert.Equal(t, 2, q.Len())
		assert.False(t, woken(a))
		assert.False(t, woken(c))
		q.Wake(5)
		assert.True(t, woken(a))
		assert.True(t, woken(c))
		assert.Zero(t, q.Len())
	})
	t.Run("one that left starts anew", func(t *testing.T) {
		var q Waiters
		a := q.Join()
		q.Wake(1)
		q.Leave(a) // without having looked at its wake-up
		b := q.Join()
		assert.False(t, woken(b))
		c := q.Join()
		q.Leave(b) // never woken
		assert.False(t, woken(c))
	})
}

// Room comes in turns of a few places at a time, waiters come and go, some give
// up: as long as there is room, nobody sleeps for ever.
func TestWaitersLoseNoWakeUp(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			var q Waiters
			var room atomic.Int64
			take := func() bool {
				for {
					n := room.Load()
					if n == 0 {
						return false
					}
					if room.CompareAndSwap(n, n-1) {
						return true
					}
				}
			}
			var taken atomic.Int64
			var wg sync.WaitGroup
			for i := range 40 {
				giveUp := make(<-chan time.Time)
				if i%4 == 0 {
					giveUp = time.After(time.Duration(i%8) * time.Second)
				}
				wg.Go(func() {
					w := q.Join()
					defer q.Leave(w)
					for !take() {
						select {
						case <-w.Woken():
						case <-giveUp:
							return
						}
						if take() {
							break
						}
						q.Rejoin(w)
					}
					taken.Add(1)
				})
			}
			for range 20 {
				time.Sleep(time.Second)
				room.Add(3)
				q.Wake(1)
			}
			synctest.Wait() // a waiter that sleeps now deadlocks the bubble
			wg.Wait()
			assert.GreaterOrEqual(t, taken.Load(), int64(30))
			assert.Zero(t, q.Len())
		})
	}
}
