package aggregate

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The index is a map, whatever the hashes: few of them, so that keys meet in a
// slot, and so large that the search goes on at the table's beginning.
func TestTheIndexIsAMap(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		different := 1 + random.IntN(5)
		hash := func(key int) uint64 { return uint64(key)<<34 | (1<<32-3+uint64(key%different))&(1<<32-1) }
		operations := make([]int, random.IntN(400)) // keys, and at times the end of a batch
		for i := range operations {
			operations[i] = random.IntN(60)
			if random.IntN(80) == 0 {
				operations[i] = -1
			}
		}

		x := newIndex[int, struct{}](0)
		var entries []Entry[int, struct{}]
		places := map[int]int{}
		for n, key := range operations {
			if key < 0 {
				x.reset()
				entries, places = entries[:0], map[int]int{}
				continue
			}
			at, held := places[key]
			i, ok := x.find(entries, key, hash(key))
			require.Equal(t, held, ok, "seed %d, operation %d: key %d", seed, n, key)
			require.Equal(t, at, i, "seed %d, operation %d: key %d", seed, n, key)
			if !held {
				places[key] = len(entries)
				entries = append(entries, Entry[int, struct{}]{Key: key})
				x.add(len(entries)-1, hash(key))
			}
			require.GreaterOrEqual(t, len(x.slots), 2*len(entries), "half of the slots are free")
		}
	}
}
