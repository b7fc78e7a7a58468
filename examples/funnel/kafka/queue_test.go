package kafka

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
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
	p.free(partition, nil)
	assert.Zero(t, p.bytes)
	for range 8 {
		answer := p.put(t, anyPartition)
		partition, _ := p.taken(t)
		require.NoError(t, <-answer)
		assert.Less(t, partition, 2)
		p.free(partition, nil)
	}
	p.found(noTopicID, 3)
	answer := p.put(t, 2)
	partition, _ = p.taken(t)
	assert.Equal(t, 2, partition)
	require.NoError(t, <-answer)
}

func TestSickPartitionsDoNotTakeAllLanes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := queue(6)
		var answers []<-chan error
		wait := func(partition int) {
			r := newRequest(numbered(0, 1))
			r.partition = partition
			answer := make(chan error, 1)
			go func() { answer <- p.send(t.Context(), r) }()
			synctest.Wait()
			answers = append(answers, answer)
		}
		// next is where the next round goes, or -1 where none can be sent.
		next := func() int {
			p.mu.Lock()
			turn := p.turn
			i, _ := p.sendable()
			p.turn = turn
			p.mu.Unlock()
			if i < 0 {
				return -1
			}
			partition, _ := p.taken(t)
			return partition
		}
		for sick := range 4 {
			wait(sick)
			require.Equal(t, sick, next())
			p.free(sick, ErrNotSent)
		}
		for range 10 {
			wait(anyPartition)
			partition := next()
			require.GreaterOrEqual(t, partition, 4, "those that are well are chosen")
			p.free(partition, nil)
		}

		for sick := range 4 {
			wait(sick)
		}
		for sick := range maxLanes - 1 {
			require.Equal(t, sick, next())
		}
		require.Equal(t, -1, next(), "one lane is left")
		wait(anyPartition)
		well := next()
		require.GreaterOrEqual(t, well, 4)
		p.free(well, fmt.Errorf("%w: %w", ErrNotSent, kerr.InvalidRecord)) // which is not the partition's
		wait(well)
		require.Equal(t, well, next())
		p.free(well, nil)
		p.free(0, ErrNotSent)
		require.Equal(t, 3, next(), "one that was sick may have a lane again")

		// Those that are spared get their turn.
		for _, sick := range []int{1, 2, 3} {
			p.free(sick, ErrInDoubt)
		}
		time.Sleep(sickPause + time.Millisecond)
		seen := make(map[int]bool)
		for range 12 {
			wait(anyPartition)
			partition := next()
			seen[partition] = true
			p.free(partition, nil)
		}
		assert.Len(t, seen, 6)

		for partition := range 6 {
			wait(partition)
			require.Equal(t, partition, next())
			p.free(partition, ErrNotSent)
		}
		for range 6 {
			wait(anyPartition)
			require.GreaterOrEqual(t, next(), 0, "where all are sick, any will do")
		}
		for _, answer := range answers {
			require.NoError(t, <-answer)
		}
	})
}
