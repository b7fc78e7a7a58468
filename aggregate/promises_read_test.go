package aggregate_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPromiseGetSeesWhatIsNotHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		a := open(t, sum, config(&sink[string, int]{answer: g.answer}))
		_, ok := a.Get("a")
		assert.False(t, ok)
		add(t, a, "a", "b", "a")
		got, ok := a.Get("a")
		assert.True(t, ok)
		assert.Equal(t, 2, got)
		add(t, a, "c")
		synctest.Wait()
		got, ok = a.Get("a")
		assert.False(t, ok, "it is in flight")
		assert.Zero(t, got)
		add(t, a, "a")
		got, _ = a.Get("a")
		assert.Equal(t, 1, got, "what was added since")
		close(g.open)
		require.NoError(t, a.Shutdown(t.Context()))
		_, ok = a.Get("a")
		assert.False(t, ok)
	})
}

// A batch that is ready but not handed over is seen as well: here Shutdown has
// closed it while all slots are taken.
func TestPromiseGetSeesReadyBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		a := open(t, sum, config(&sink[string, int]{answer: g.answer}))
		fillUp(t, a, synctest.Wait)
		var wg sync.WaitGroup
		wg.Go(func() { assert.NoError(t, a.Shutdown(context.Background())) })
		synctest.Wait()
		for _, key := range []string{"d", "e", "f"} {
			got, ok := a.Get(key)
			assert.True(t, ok, key)
			assert.Equal(t, 1, got)
		}
		_, ok := a.Get("a")
		assert.False(t, ok)
		assert.Equal(t, map[string]int{"d": 1, "e": 1, "f": 1}, held(a))
		assert.Equal(t, 3, a.Len())
		close(g.open)
		wg.Wait()
		assert.Zero(t, a.Len())
		assert.Empty(t, held(a))
	})
}

// Of two entries of one key Get returns the newest, and All both. The Add of b
// fills the batch; the partition's goroutine cannot run before the test gives it
// a turn, so that the batch is ready and nothing else.
func TestPromiseOfTwoEntriesGetReturnsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &sink[string, int]{}
		cfg := config(to)
		cfg.MaxSize = 2
		a := open(t, sum, cfg)
		twice := false
		for i := 0; !twice && i < 1000; i++ { // where there are processors to spare it may run at once
			add(t, a, "a", "a", "b", "a")
			var values []int
			for key, value := range a.All() {
				if key == "a" {
					values = append(values, value)
				}
			}
			if twice = len(values) == 2; twice {
				assert.Equal(t, []int{2, 1}, values, "the newer last")
			}
			got, ok := a.Get("a")
			assert.True(t, ok)
			assert.Equal(t, 1, got)
			_, err := a.SyncFlush(t.Context())
			require.NoError(t, err)
		}
	})
}

func TestPromiseAllIsASnapshot(t *testing.T) {
	cfg := config(&sink[int, int]{})
	cfg.Partitions, cfg.MaxSize = 4, 1000
	a := open(t, sum, cfg)
	for i := range 100 {
		require.NoError(t, a.Add(t.Context(), i, i))
	}
	seen := map[int]int{}
	for key, value := range a.All() {
		seen[key] = value
		assert.Equal(t, key, value)
		assert.NoError(t, a.Add(t.Context(), key, 1000), "no lock is held")
		_, ok := a.Get(key)
		assert.True(t, ok)
	}
	assert.Len(t, seen, 100)
	assert.Equal(t, 100, a.Len())

	n := 0
	for range a.All() {
		if n++; n == 3 {
			break
		}
	}
	assert.Equal(t, 3, n)
	for key, value := range maps.All(held(a)) {
		assert.Equal(t, key+1000, value)
	}
	one := config(&sink[int, int]{})
	one.MaxSize = 1000
	b := open(t, sum, one)
	add(t, b, 3, 1, 2, 1)
	var order []int
	for key := range b.All() {
		order = append(order, key)
	}
	assert.Equal(t, []int{3, 1, 2}, order, "in the order in which the keys came")
}
