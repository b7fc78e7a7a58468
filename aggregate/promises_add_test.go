package aggregate_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

func TestPromiseTheFirstValueIsStoredAsItIs(t *testing.T) {
	merged := 0
	to := &sink[string, int]{}
	a := open(t, func(stored *int, value int) { merged++; *stored = *stored*10 + value }, config(to))
	for i, key := range []string{"a", "a", "b", "a"} {
		require.NoError(t, a.Add(t.Context(), key, i+1))
	}
	assert.Equal(t, 2, merged)
	_, err := a.SyncFlush(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []entry{{"a", 124, 3}, {"b", 3, 1}}, to.delivered(), "in the order in which the keys came")
}

func TestPromiseMaxSizeCountsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &sink[string, int]{}
		a := open(t, sum, config(to))
		add(t, a, "a", "a", "b", "b", "a", "b", "a")
		synctest.Wait()
		assert.Empty(t, to.batches())
		add(t, a, "c", "c")
		synctest.Wait()
		assert.Equal(t, [][]entry{{{"a", 4, 4}, {"b", 3, 3}, {"c", 1, 1}}}, to.batches(), "on the Add that reaches it")
		assert.Equal(t, map[string]int{"c": 1}, held(a), "what comes after begins a new entry")
	})
}

func TestPromiseMergingTakesNoRoom(t *testing.T) {
	for _, overflow := range []buffer.Overflow{buffer.Block, buffer.Reject, buffer.DropOldest} {
		t.Run(overflow.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				to := &sink[string, int]{answer: g.answer}
				cfg := config(to)
				cfg.Overflow = overflow
				a := open(t, sum, cfg)
				fillUp(t, a, synctest.Wait)
				add(t, a, "d", "e", "f", "d") // d, e and f are held: at once, though it is full
				assert.Equal(t, map[string]int{"d": 3, "e": 2, "f": 2}, held(a))
				assert.Equal(t, 6, lawful(t, a).Accepted, "entries")

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := a.Add(ctx, "a", 1) // in flight, so it is a new key
				switch overflow {
				case buffer.Block:
					require.ErrorIs(t, err, context.DeadlineExceeded)
				case buffer.Reject:
					require.ErrorIs(t, err, buffer.ErrFull)
				default:
					require.NoError(t, err)
					assert.Equal(t, map[string]int{"a": 1}, held(a))
					assert.Equal(t, 3, lawful(t, a).Dropped)
					add(t, a, "d")
					assert.Equal(t, map[string]int{"a": 1, "d": 1}, held(a), "what was dropped is forgotten")
				}
				close(g.open)
			})
		})
	}
}

func TestPromiseAFullBatchMergesUntilItIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		to := &sink[string, int]{answer: g.answer}
		a := open(t, sum, config(to))
		fillUp(t, a, synctest.Wait)
		require.NoError(t, a.Flush(t.Context())) // due as well, and there is no slot
		add(t, a, "f", "f")
		close(g.open)
		synctest.Wait()
		assert.Equal(t, []entry{{"d", 1, 1}, {"e", 1, 1}, {"f", 3, 3}}, to.batches()[1])
		add(t, a, "f")
		assert.Equal(t, map[string]int{"f": 1}, held(a))
	})
}

// An Add that waits for room, and finds its key held after all, waits no longer:
// others may have taken all the room, and the next may be far away.
func TestPromiseAWaitingAddMergesOnceItsKeyIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gates := make(chan struct{})
		to := &sink[string, int]{answer: func(context.Context, flusher.Batch[entry]) error { <-gates; return nil }}
		cfg := config(to)
		cfg.MaxSize = 1
		a := open(t, sum, cfg)
		add(t, a, "in flight")
		synctest.Wait()
		add(t, a, "filled")
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { add(t, a, "one") })
			wg.Go(func() { add(t, a, "two") })
		}
		synctest.Wait()
		assert.Equal(t, 20, a.Info().Waiting)
		gates <- struct{}{} // room for one of the two keys
		synctest.Wait()
		assert.Equal(t, 10, a.Info().Waiting, "all who wait with that key are merged")
		assert.Equal(t, 1, a.Len())
		gates <- struct{}{}
		synctest.Wait()
		wg.Wait()
		assert.Zero(t, a.Info().Waiting)
		close(gates)
		require.NoError(t, a.Shutdown(t.Context()))
		assert.EqualValues(t, 22, counts(to.delivered()))
		assert.Len(t, to.delivered(), 4)
	})
}

func TestPromiseAContextThatHasEndedAddsNothing(t *testing.T) {
	errWhy := errors.New("why")
	a := open(t, sum, config(&sink[string, int]{}))
	add(t, a, "a", "b")
	for i, key := range []string{"a", "c"} { // held, and new
		err := a.Add(ended(errWhy), key, 1)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errWhy)
		assert.Equal(t, i+1, a.Info().Total.Rejected)
	}
	assert.Equal(t, map[string]int{"a": 1, "b": 1}, held(a))
}

func TestPromiseAfterShutdownNothingIsAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		to := &sink[string, int]{answer: g.answer}
		a := open(t, sum, config(to))
		fillUp(t, a, synctest.Wait)
		waiting := make(chan error)
		go func() { waiting <- a.Add(context.Background(), "g", 1) }()
		synctest.Wait()
		var shutdown sync.WaitGroup
		shutdown.Go(func() { assert.NoError(t, a.Shutdown(context.Background())) })
		assert.ErrorIs(t, <-waiting, buffer.ErrClosed)
		synctest.Wait()
		assert.ErrorIs(t, a.Add(t.Context(), "d", 1), buffer.ErrClosed, "though d is not handed over yet")
		assert.Equal(t, map[string]int{"d": 1, "e": 1, "f": 1}, held(a))
		close(g.open)
		shutdown.Wait()
		assert.ErrorIs(t, a.Add(t.Context(), "d", 1), buffer.ErrClosed)
		require.ErrorIs(t, a.Flush(t.Context()), buffer.ErrClosed)
		_, err := a.SyncFlush(t.Context())
		require.ErrorIs(t, err, buffer.ErrClosed)
		assert.Zero(t, a.Len())
		assert.EqualValues(t, 6, counts(to.delivered()))
	})
}

func TestPromiseInsideTheFlusherAddNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs []error
		to := &sink[string, int]{}
		cfg := config(to)
		cfg.MaxSize = 1
		a := open(t, sum, cfg)
		to.answer = func(ctx context.Context, batch flusher.Batch[entry]) error {
			if batch.Items[0].Key == "a" {
				_, sync := a.SyncFlush(ctx)
				errs = append(errs, a.Add(ctx, "b", 1), a.Add(ctx, "c", 1), a.Add(ctx, "b", 1), sync, a.Shutdown(ctx), a.Flush(ctx))
			}
			return nil
		}
		add(t, a, "a")
		synctest.Wait()
		require.NoError(t, a.Shutdown(t.Context()))
		assert.Equal(t, []error{nil, buffer.ErrFull, nil, buffer.ErrReentrant, buffer.ErrReentrant, nil}, errs)
		assert.Equal(t, []entry{{"a", 1, 1}, {"b", 2, 2}}, to.delivered())
	})
}

// Many goroutines, several partitions: each Add is in the Count of one entry.
func TestPromiseEveryAddIsCountedOnce(t *testing.T) {
	const goroutines, adds, keys = 8, 20_000, 97
	to := &sink[string, int]{}
	cfg := config(to)
	cfg.Partitions, cfg.MaxSize, cfg.MaxInFlight = 3, 10, 2
	a := open(t, sum, cfg)
	names := benchKeys(keys)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range adds {
				if err := a.Add(context.Background(), names[(g*31+i*i)%keys], i); err != nil {
					t.Error(err)
				}
				if i%1000 == 0 {
					a.Get(names[i%keys])
					for range a.All() {
					}
					_ = a.Flush(context.Background())
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, a.Shutdown(context.Background()))
	assert.EqualValues(t, goroutines*adds, counts(to.delivered()))
	total := 0
	for _, e := range to.delivered() {
		total += e.Value
	}
	assert.Equal(t, goroutines*adds*(adds-1)/2, total)
	for _, batch := range to.batches() {
		seen := map[string]bool{}
		for _, e := range batch {
			assert.False(t, seen[e.Key], "each key once: %v", batch)
			seen[e.Key] = true
		}
	}
	assert.Equal(t, len(to.delivered()), lawful(t, a).Delivered)
}

// The values of a key meet in one partition, always the same.
func TestPromiseAKeyHasOnePartition(t *testing.T) {
	var mu sync.Mutex
	at := map[string]map[int]bool{}
	cfg := config[string, int](flusher.Func[entry](func(_ context.Context, batch flusher.Batch[entry]) error {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range batch.Items {
			if at[e.Key] == nil {
				at[e.Key] = map[int]bool{}
			}
			at[e.Key][batch.Partition] = true
		}
		return nil
	}))
	cfg.Partitions = 5
	a := open(t, sum, cfg)
	for i := range 2000 {
		add(t, a, strconv.Itoa(i%100))
	}
	require.NoError(t, a.Shutdown(context.Background()))
	assert.Len(t, at, 100)
	used := map[int]bool{}
	for key, partitions := range at {
		assert.Len(t, partitions, 1, key)
		for p := range partitions {
			used[p] = true
		}
	}
	assert.Len(t, used, 5)
}
