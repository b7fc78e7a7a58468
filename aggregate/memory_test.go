package aggregate_test

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/flusher"
)

// heap is how many bytes are in use once there is nothing left to collect.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A million keys come by, and memory is that of MaxSize keys in each partition.
func TestAMillionKeysStayWithinTheBound(t *testing.T) {
	const keys, partitions, size = 1_000_000, 4, 1000
	var took atomic.Uint64
	cfg := config[string, int](flusher.Items(func(_ context.Context, entries []entry) error {
		took.Add(counts(entries))
		return nil
	}))
	cfg.Partitions, cfg.MaxSize = partitions, size
	before := heap()
	a := open(t, sum, cfg)
	most := 0
	for i := range keys {
		if err := a.Add(context.Background(), "a key of some length, so that it weighs something: "+strconv.Itoa(i), 1); err != nil {
			t.Fatal(err)
		}
		if i%10_000 == 0 {
			c := a.Info().Total
			most = max(most, c.Buffered+c.InFlight)
		}
	}
	assert.LessOrEqual(t, most, partitions*size*2)
	// An entry is 32 bytes, its key 64 and its place in the index 16 to 32; two
	// batches of each partition are held.
	assert.Less(t, heap()-before, int64(partitions*size*2*200))
	require.NoError(t, a.Shutdown(context.Background()))
	assert.EqualValues(t, keys, took.Load())
}

// After a batch of very many keys, such as one that was held up by an outage, the
// index gives its memory back, and small batches do not pay for clearing it.
func TestTheIndexShrinks(t *testing.T) {
	const many = 300_000
	cfg := config[int, struct{}](flusher.Items(func(context.Context, []aggregate.Entry[int, struct{}]) error { return nil }))
	cfg.MaxSize = 2 * many
	a := open(t, func(*struct{}, struct{}) {}, cfg)
	flush := func(n int) {
		for i := range n {
			if err := a.Add(context.Background(), i, struct{}{}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := a.SyncFlush(context.Background())
		require.NoError(t, err)
	}
	flush(many)
	large := heap()
	flush(10)
	flush(10)
	assert.Greater(t, large-heap(), int64(many*16), "the index had at least two slots for each")
}

// Keys are let go of with their batch, though the index stays.
func TestKeysAreLetGoOf(t *testing.T) {
	cfg := config[string, int](flusher.Items(func(context.Context, []entry) error { return nil }))
	cfg.MaxSize = 100
	a := open(t, sum, cfg)
	before := heap()
	for i := range 50 {
		require.NoError(t, a.Add(context.Background(), strings.Repeat(strconv.Itoa(i), 100_000), 1))
	}
	assert.Greater(t, heap()-before, int64(50*100_000))
	_, err := a.SyncFlush(context.Background())
	require.NoError(t, err)
	assert.Less(t, heap()-before, int64(10*100_000))
}
