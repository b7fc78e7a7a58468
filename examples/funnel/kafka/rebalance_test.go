package kafka

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestConsumersThatComeAndGoUnderLoadLoseNothing has three processes' worth of
// consumers join and leave while readings come in, with a store that is slow enough
// for much to be in flight.
func TestConsumersThatComeAndGoUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	cfg := topics(Config{Brokers: addresses, Partitions: 6})
	m := memory{delay: 5 * time.Millisecond}
	steady := start(t, &m, cfg)
	steady.owns(t, 6)

	var (
		accepted atomic.Int64
		stop     = make(chan struct{})
		users    sync.WaitGroup
	)
	for range 4 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				from := int(accepted.Add(100)) - 100
				assert.NoError(t, steady.Accept(t.Context(), numbered(from, 100), false))
			}
		})
	}
	shared := func(all ...*funnel) {
		eventually(t, func() bool {
			sum := 0
			for _, f := range all {
				n := len(f.Stats().Partitions)
				if n != 6/len(all) {
					return false
				}
				sum += n
			}
			return sum == 6
		}, "%d consumers share 6 partitions", len(all))
	}
	everyone := []*funnel{steady}
	for range 2 {
		second := start(t, &m, cfg)
		shared(steady, second)
		third := start(t, &m, cfg)
		everyone = append(everyone, second, third)
		shared(steady, second, third)
		require.NoError(t, second.end(patience))
		shared(steady, third)
		require.NoError(t, third.end(patience))
		shared(steady)
	}
	close(stop)
	users.Wait()

	total := int(accepted.Load())
	eventually(t, func() bool { return m.len() >= total }, "all readings are stored")
	require.NoError(t, steady.end(patience))
	assert.Len(t, m.values(), total, "none is lost")
	assert.Equal(t, total, m.len(), "none has two keys")
	assert.Zero(t, m.changed, "a repetition writes what is there")
	lost := int64(0)
	for _, f := range everyone {
		lost += f.Stats().Lost
	}
	if lost == 0 { // else this machine was too busy for a heartbeat
		assert.Zero(t, m.repeats, "each partition was finished and committed before it went to another")
	}
	assert.EqualValues(t, total, committed(t, raw(t, addresses), cfg))
	t.Logf("%d readings, %d rebalances of the first consumer, %d partitions lost, %d repetitions", total, steady.Stats().Rebalances, lost, m.repeats)
}

// TestARevokedPartitionWaitsOnlySoLong has a partition go to another consumer while
// the store of the first is down, so that it cannot finish.
func TestARevokedPartitionWaitsOnlySoLong(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	cfg := topics(Config{Brokers: addresses, Partitions: 2, RevokeTimeout: 200 * time.Millisecond})
	var stuck, fine memory
	first := start(t, &stuck, cfg)
	first.owns(t, 2)
	stuck.down.Store(true)
	require.NoError(t, first.Accept(t.Context(), numbered(0, 1000), false))
	eventually(t, func() bool { return first.Stats().Consumed > 0 }, "the first consumer has them in flight")

	second := start(t, &fine, cfg)
	second.owns(t, 1)
	require.NoError(t, first.Accept(t.Context(), numbered(1000, 1000), false))
	_ = first.end(50 * time.Millisecond)
	second.owns(t, 2)
	eventually(t, func() bool { return len(fine.values()) == 2000 }, "the second consumer has all of them")
	assert.Zero(t, stuck.len())
	require.NoError(t, second.end(patience))
}
