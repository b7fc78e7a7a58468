package buffer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A sorting is used again, by batches of other lengths, with sizes and without.
func TestSorting(t *testing.T) {
	const partitions = 4
	key := func(p *int) uint64 { return uint64(*p) }
	var s sorting[*int]
	for _, n := range []int{7, 100, 1, 40} {
		items, sizes := make([]*int, n), make([]int, n)
		for i := range items {
			items[i], sizes[i] = new(i), 1000+i
		}
		if n == 40 {
			sizes = nil
		}
		require.NoError(t, s.route(items, key, partitions))
		s.sort(items, sizes)
		seen := 0
		for at, share := range s.shares {
			if at > 0 {
				assert.Less(t, s.shares[at-1].to.first, share.to.first)
			}
			require.Equal(t, len(share.indexes), len(share.offer.Items))
			before := -1
			for j, i := range share.indexes {
				assert.Less(t, before, i, "in order")
				before = i
				assert.Same(t, items[i], share.offer.Items[j])
				assert.Equal(t, spread(key(items[i]), partitions), share.to.first)
				if sizes != nil {
					assert.Equal(t, sizes[i], share.offer.Sizes[j])
				}
			}
			if sizes == nil {
				assert.Nil(t, share.offer.Sizes)
			}
			seen += len(share.indexes)
		}
		assert.Equal(t, n, seen)
		s.release()
		for _, item := range s.items[:cap(s.items)] {
			assert.Nil(t, item, "it would be kept from the garbage collector")
		}
		for _, share := range s.shares[:cap(s.shares)] {
			assert.Zero(t, share)
		}
	}
}
