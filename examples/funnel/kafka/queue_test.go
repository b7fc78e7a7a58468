package kafka

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// queue is a producer without lanes, of so many partitions.
func queue(partitions int) *producer {
	cfg := Config{MaxBatch: 8 << 20, MaxWaiting: 64 << 20, Patience: patience}
	return newProducer(cfg, partitions, cfg.MaxBatch, func() []*assignment { return nil }, func() bool { return true })
}

// put has a request wait for a partition, and returns its answer to come.
func (p *producer) put(t *testing.T, partition int) <-chan error {
	t.Helper()
	r := newRequest(numbered(0, 1))
	r.partition = partition
	p.mu.Lock()
	before := len(p.waiting)
	p.mu.Unlock()
	answer := make(chan error, 1)
	go func() { answer <- p.send(t.Context(), r) }()
	eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.waiting) > before
	}, "it waits")
	return answer
}

// taken takes a round, sends it nowhere, and says so.
func (p *producer) taken(t *testing.T) (partition, requests int) {
	t.Helper()
	round, partition := p.round(nil)
	for _, r := range round {
		r.answer(0, nil)
	}
	return partition, len(round)
}

func TestWhoWaitsForAPartitionThatIsGoneIsAnswered(t *testing.T) {
	t.Parallel()
	p := queue(4)
	gone, there, other := p.put(t, 3), p.put(t, 1), p.put(t, anyPartition)
	p.found(noTopicID, 2)
	require.ErrorIs(t, <-gone, ErrNotSent)
	r := newRequest(numbered(0, 1))
	r.partition = 2
	require.ErrorIs(t, p.send(t.Context(), r), ErrNotSent, "nor does anybody begin to")

	partition, requests := p.taken(t)
	assert.Equal(t, 1, partition)
	assert.Equal(t, 2, requests)
	require.NoError(t, <-there)
	require.NoError(t, <-other)
	p.free(partition)
	assert.Zero(t, p.bytes)
	for range 8 {
		answer := p.put(t, anyPartition)
		partition, _ := p.taken(t)
		require.NoError(t, <-answer)
		assert.Less(t, partition, 2)
		p.free(partition)
	}
	p.found(noTopicID, 3)
	answer := p.put(t, 2)
	partition, _ = p.taken(t)
	assert.Equal(t, 2, partition)
	require.NoError(t, <-answer)
}
