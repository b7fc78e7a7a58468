package aggregate_test

import (
	"context"
	"math"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/flusher"
)

// point is a key with all that a struct may have.
type point struct {
	name string
	at   [2]float64
	tag  any
	on   bool
}

// testKeys adds one to each of n keys, in two rounds, and expects to find each
// with two, in the partition that it always has.
func testKeys[K comparable](t *testing.T, n int, key func(i int) K) {
	t.Helper()
	for _, partitions := range []int{1, 3, 8} {
		to := &sink[K, int]{}
		cfg := config(to)
		cfg.Partitions, cfg.MaxSize = partitions, 2*n
		a := open(t, sum, cfg)
		for range 2 {
			for i := range n {
				add(t, a, key(i))
			}
		}
		assert.Equal(t, n, a.Len())
		all := held(a)
		assert.Len(t, all, n)
		for i := range n {
			got, ok := a.Get(key(i))
			assert.True(t, ok)
			assert.Equal(t, 2, got)
			assert.Equal(t, 2, all[key(i)])
		}
		_, ok := a.Get(key(n))
		assert.False(t, ok)
		if n >= 100 {
			for _, p := range a.Info().Partitions {
				assert.Greater(t, p.Counts.Buffered, n/partitions/4, "spread evenly: %+v", p)
			}
		}
		require.NoError(t, a.Shutdown(context.Background()))
		assert.Len(t, to.delivered(), n)
		assert.EqualValues(t, 2*n, counts(to.delivered()))
	}
}

func TestAnyComparableTypeIsAKey(t *testing.T) {
	t.Run("string", func(t *testing.T) { testKeys(t, 500, func(i int) string { return "/users/" + strconv.Itoa(i) }) })
	t.Run("int", func(t *testing.T) { testKeys(t, 500, func(i int) int { return i }) })
	t.Run("pointer-aligned int", func(t *testing.T) { testKeys(t, 500, func(i int) uint64 { return uint64(i) << 32 }) })
	t.Run("float", func(t *testing.T) { testKeys(t, 500, func(i int) float64 { return float64(i) / 7 }) })
	t.Run("complex", func(t *testing.T) { testKeys(t, 500, func(i int) complex128 { return complex(1, float64(i)) }) })
	t.Run("bool", func(t *testing.T) { testKeys(t, 1, func(i int) bool { return i == 0 }) })
	t.Run("array", func(t *testing.T) {
		testKeys(t, 500, func(i int) [3]string { return [3]string{"a", strconv.Itoa(i), ""} })
	})
	t.Run("struct", func(t *testing.T) {
		testKeys(t, 500, func(i int) point { return point{strconv.Itoa(i % 10), [2]float64{0, float64(i)}, i, true} })
	})
	t.Run("empty struct", func(t *testing.T) {
		a := open(t, sum, config(&sink[struct{}, int]{}))
		add(t, a, struct{}{}, struct{}{})
		got, ok := a.Get(struct{}{})
		assert.True(t, ok)
		assert.Equal(t, 2, got)
	})
	t.Run("interface", func(t *testing.T) {
		testKeys(t, 500, func(i int) any {
			if i%2 == 0 {
				return i
			}
			return strconv.Itoa(i)
		})
	})
	t.Run("address", func(t *testing.T) {
		testKeys(t, 200, func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) })
	})
	t.Run("pointer", func(t *testing.T) {
		all := make([]int, 501)
		testKeys(t, 500, func(i int) *int { return &all[i] })
	})
	t.Run("channel", func(t *testing.T) {
		all := make([]chan int, 11)
		for i := range all {
			all[i] = make(chan int)
		}
		testKeys(t, 10, func(i int) chan int { return all[i] })
	})
	t.Run("nil interface", func(t *testing.T) {
		a := open(t, sum, config(&sink[any, int]{}))
		add[any](t, a, nil, nil)
		got, ok := a.Get(nil)
		assert.True(t, ok)
		assert.Equal(t, 2, got)
	})
}

func TestBothZerosAreOneKey(t *testing.T) {
	for _, partitions := range []int{1, 7} {
		cfg := config(&sink[float64, int]{})
		cfg.Partitions = partitions
		a := open(t, sum, cfg)
		add(t, a, 0, math.Copysign(0, -1))
		got, ok := a.Get(math.Copysign(0, -1))
		assert.True(t, ok)
		assert.Equal(t, 2, got)
		assert.Equal(t, 1, a.Len())
	}
}

// A NaN equals nothing: each is an entry of its own. They must not stay in the
// index either, where delete would never find them.
func TestEachNaNIsAnEntry(t *testing.T) {
	for _, partitions := range []int{1, 3} {
		to := &sink[[2]float64, int]{}
		cfg := config(to)
		cfg.Partitions, cfg.MaxSize = partitions, 10
		a := open(t, sum, cfg)
		nan := [2]float64{1, math.NaN()}
		for range 1000 {
			add(t, a, nan)
		}
		_, ok := a.Get(nan)
		assert.False(t, ok)
		add(t, a, [2]float64{1, 1})
		results, err := a.SyncFlush(t.Context())
		require.NoError(t, err)
		assert.Len(t, results, partitions)
		assert.Len(t, to.delivered(), 1001)
		assert.EqualValues(t, 1001, counts(to.delivered()))
		assert.Equal(t, 1001, lawful(t, a).Delivered)
	}
}

// An interface may hold what cannot be compared. That is the error of its Add,
// and not a panic; it is refused, and counted as such, on every way.
func TestAKeyThatCannotBeCompared(t *testing.T) {
	for _, partitions := range []int{1, 3} {
		for name, key := range map[string]any{"slice": []int{1}, "map": map[int]int{}, "func": func() {}, "in a struct": struct{ any }{[]int{}}} {
			t.Run(name, func(t *testing.T) {
				cfg := config(&sink[any, int]{})
				cfg.Partitions = partitions
				a := open(t, sum, cfg)
				for _, others := range []int{0, 2, 4} { // into an empty batch, one that is filled, and others
					for i := range others {
						add[any](t, a, i)
					}
					rejected := a.Info().Total.Rejected
					var panicked *flusher.PanicError
					err := a.Add(t.Context(), key, 1)
					require.ErrorAs(t, err, &panicked)
					assert.ErrorContains(t, err, "the key holds a value that cannot be compared, the value was not added")
					assert.NotEmpty(t, panicked.Stack)
					assert.Equal(t, rejected+1, a.Info().Total.Rejected)
					_, ok := a.Get(key)
					assert.False(t, ok)
				}
				add[any](t, a, "still", "works")
				lawful(t, a)
			})
		}
	}
}

// The same where every partition is full: it is still the key that is wrong.
func TestAKeyThatCannotBeComparedInAFullPartition(t *testing.T) {
	gate := make(chan struct{})
	to := &sink[any, int]{answer: func(context.Context, flusher.Batch[aggregate.Entry[any, int]]) error {
		<-gate
		return nil
	}}
	cfg := config(to)
	cfg.MaxSize = 1
	a := open(t, sum, cfg)
	add[any](t, a, 1)
	require.Eventually(t, func() bool { return a.Info().Total.InFlight == 1 }, time.Minute, time.Millisecond)
	add[any](t, a, 2)
	err := a.Add(t.Context(), []int{}, 1)
	assert.ErrorAs(t, err, new(*flusher.PanicError))
	close(gate)
}
