package partition

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A large InsertBatch can make thousands of batches ready. To move them all for each
// that goes in flight took 14 s for 200,000 of them, under the lock that inserts wait
// for.
func TestReadyBatchesAreNotMoved(t *testing.T) {
	p, _ := still(t)
	p.ready = []*batch[int]{{size: 1}, {size: 2}, {size: 3}}
	all, second := p.ready, &p.ready[1]
	p.shift(1)
	assert.Len(t, p.ready, 2)
	assert.Same(t, second, &p.ready[0])
	p.shift(2)
	assert.Empty(t, p.ready)
	assert.Equal(t, []*batch[int]{nil, nil, nil}, all, "they hold items")
}
