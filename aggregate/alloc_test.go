//go:build !race

package aggregate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/flusher"
)

// What is not noise about the speed: allocations. The race detector makes some
// of its own.

func testMergeAllocs[K comparable](t *testing.T, partitions int, keys []K) {
	t.Helper()
	ctx := context.Background()
	cfg := config[K, int](&sink[K, int]{})
	cfg.Partitions, cfg.MaxSize = partitions, 2*len(keys)
	a := open(t, sum, cfg)
	add(t, a, keys...)
	i := 0
	assert.Zero(t, testing.AllocsPerRun(10_000, func() {
		_ = a.Add(ctx, keys[i%len(keys)], 1)
		i++
	}), "Add")
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		a.Get(keys[i%len(keys)])
		i++
	}), "Get")
}

func TestMergingDoesNotAllocate(t *testing.T) {
	type pair struct {
		a string
		b int
	}
	for _, partitions := range []int{1, 8} {
		testMergeAllocs(t, partitions, benchKeys(1000))
		testMergeAllocs(t, partitions, []int{1, 2, 3})
		testMergeAllocs(t, partitions, []pair{{"a", 1}, {"b", 2}})
		testMergeAllocs(t, partitions, []any{1, "b", pair{"c", 3}})
	}
}

// Nor where the partition is full, and it is the fullness that is new.
func TestMergingIntoAFullPartitionDoesNotAllocate(t *testing.T) {
	ctx := context.Background()
	g := newGate()
	a := open(t, sum, config(&sink[string, int]{answer: g.answer}))
	fillUp(t, a, func() {
		for a.Info().Total.InFlight == 0 {
		}
	})
	assert.Zero(t, testing.AllocsPerRun(10_000, func() { _ = a.Add(ctx, "d", 1) }))
	close(g.open)
}

// New keys go into slices and maps that are used again.
func TestNewKeysDoNotAllocate(t *testing.T) {
	ctx := context.Background()
	cfg := config[int, int](flusher.Items(func(context.Context, []aggregate.Entry[int, int]) error { return nil }))
	cfg.MaxSize = 5000
	a := open(t, sum, cfg)
	i := 0
	next := func() {
		i++
		require.NoError(t, a.Add(ctx, i, 1))
	}
	for range 50_000 {
		next()
	}
	assert.Zero(t, testing.AllocsPerRun(50_000, next), "some 10 for each batch of 5000")
}
