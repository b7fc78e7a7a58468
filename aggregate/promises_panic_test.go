package aggregate_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/flusher"
)

func TestPromiseAPanicInMergeIsTheAddsError(t *testing.T) {
	errBoom := errors.New("boom")
	to := &sink[string, int]{}
	a := open(t, func(stored *int, value int) {
		*stored += value
		if value < 0 {
			panic(errBoom)
		}
	}, config(to))
	for i, others := range []string{"", "b"} { // the only entry of the batch, and not
		if others != "" {
			add(t, a, others)
		}
		require.NoError(t, a.Add(t.Context(), "a", 10))
		err := a.Add(t.Context(), "a", -1)
		var panicked *flusher.PanicError
		require.ErrorAs(t, err, &panicked)
		require.ErrorIs(t, err, errBoom)
		assert.ErrorContains(t, err, "merge panicked, the value was not added")
		assert.Contains(t, string(panicked.Stack), t.Name())
		assert.Equal(t, i+1, a.Info().Total.Rejected)
	}
	got, _ := a.Get("a") // so the lock is free
	assert.Equal(t, 18, got, "what merge left")
	require.NoError(t, a.Shutdown(t.Context()))
	assert.Equal(t, []entry{{"a", 18, 2}, {"b", 1, 1}}, to.delivered(), "the Adds that panicked are not counted")
}

// The Add that panics is one that waits for room, and so comes by another way.
func TestPromiseAPanicInMergeOfAWaitingAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gates := make(chan struct{})
		to := &sink[string, int]{answer: func(context.Context, flusher.Batch[entry]) error { <-gates; return nil }}
		cfg := config(to)
		cfg.MaxSize = 1
		a := open(t, func(*int, int) { panic("boom") }, cfg)
		add(t, a, "a")
		synctest.Wait()
		add(t, a, "b")
		answers := make(chan error, 2)
		for range 2 {
			go func() { answers <- a.Add(context.Background(), "c", 1) }()
		}
		synctest.Wait()
		gates <- struct{}{}
		require.NoError(t, <-answers, "the first takes the room")
		assert.ErrorAs(t, <-answers, new(*flusher.PanicError), "the second is merged into it")
		assert.Equal(t, 1, lawful(t, a).Rejected)
		close(gates)
		require.NoError(t, a.Shutdown(t.Context()))
		assert.Equal(t, []entry{{"a", 1, 1}, {"b", 1, 1}, {"c", 1, 1}}, to.delivered())
	})
}

// A merge that ends its goroutine, as require does in a test, leaves no lock
// behind.
func TestPromiseGoexitInMergeLeavesNoLockBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		to := &sink[string, int]{answer: g.answer}
		a := open(t, func(stored *int, value int) {
			if value < 0 {
				runtime.Goexit()
			}
			*stored += value
		}, config(to))
		leave := func() {
			var wg sync.WaitGroup
			wg.Go(func() {
				_ = a.Add(t.Context(), "d", -1)
				t.Error("Add returned")
			})
			wg.Wait()
		}
		add(t, a, "a", "b", "c")
		synctest.Wait()
		add(t, a, "d")
		leave()
		add(t, a, "e", "f")
		leave()
		add(t, a, "d")
		assert.Equal(t, map[string]int{"d": 2, "e": 1, "f": 1}, held(a))
		close(g.open)
		require.NoError(t, a.Shutdown(t.Context()))
		assert.EqualValues(t, 7, counts(to.delivered()))
	})
}

// The same for an Add that waits for room, and so comes by another way.
func TestPromiseGoexitInMergeOfAWaitingAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gates := make(chan struct{})
		to := &sink[string, int]{answer: func(context.Context, flusher.Batch[entry]) error { <-gates; return nil }}
		cfg := config(to)
		cfg.MaxSize = 1
		a := open(t, func(*int, int) { runtime.Goexit() }, cfg)
		add(t, a, "a")
		synctest.Wait()
		add(t, a, "b")
		returned := 0
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if a.Add(context.Background(), "c", 1) == nil {
					returned++
				}
			})
		}
		synctest.Wait()
		assert.Equal(t, 3, a.Info().Waiting)
		gates <- struct{}{}
		wg.Wait()
		assert.Equal(t, 1, returned, "the one that took the room; the others were merged")
		assert.Zero(t, a.Info().Waiting)
		close(gates)
		require.NoError(t, a.Shutdown(t.Context()))
		assert.Equal(t, []entry{{"a", 1, 1}, {"b", 1, 1}, {"c", 1, 1}}, to.delivered())
	})
}

// asking is an error whose text asks the Aggregator.
type asking struct{ info func() }

func (e asking) Error() string {
	e.info()
	return "asked"
}

func TestTheTextOfAPanicIsNotMadeUnderTheLock(t *testing.T) {
	var a *aggregate.Aggregator[string, int]
	a = open(t, func(*int, int) { panic(asking{func() { a.Info() }}) }, config(&sink[string, int]{}))
	add(t, a, "a")
	err := a.Add(t.Context(), "a", 1)
	require.ErrorContains(t, err, "merge panicked, the value was not added")
}
