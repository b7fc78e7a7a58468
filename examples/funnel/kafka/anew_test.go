package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestOfATopicMadeAnewStoredIsNotSaidOfTheOldOffsets(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	f := start(t, &m, cfg)
	require.NoError(t, f.Accept(t.Context(), numbered(0, 10), whenOwned(t, f)))
	require.NoError(t, cluster.DeleteTopic(cfg.Topic))
	require.NoError(t, cluster.CreateTopic(cfg.Topic, 1, nil))
	if err := f.Accept(t.Context(), numbered(100, 5), true); err != nil {
		require.ErrorIs(t, err, ErrElsewhere)
		return
	}
	assert.Equal(t, 15, m.len(), "it was said that they are stored")
}

func TestATopicMadeAnewWithFewerPartitionsIsWrittenTo(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 4})
	f := start(t, &m, cfg)
	for i := range 8 {
		require.NoError(t, f.Accept(t.Context(), numbered(i, 1), false))
	}
	require.NoError(t, cluster.DeleteTopic(cfg.Topic))
	require.NoError(t, cluster.CreateTopic(cfg.Topic, 1, nil))
	began, refused := time.Now(), 0
	for i := range 32 {
		err := f.Accept(t.Context(), numbered(100+i, 1), false)
		if err != nil {
			require.ErrorIs(t, err, ErrNotSent)
			refused++
		}
	}
	assert.LessOrEqual(t, refused, maxLanes, "each lane may find it out by itself")
	assert.Less(t, time.Since(began), patience, "and need not be patient for that")
	assert.EqualValues(t, 32-refused, cluster.PartitionInfo(cfg.Topic, 0).HighWatermark)
}

func TestATopicMadeAnewIsConsumed(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]bool{"and written to by us": false, "and written to by another": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := fake(t)
			var m memory
			cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
			f := start(t, &m, cfg)
			require.NoError(t, f.Accept(t.Context(), numbered(0, 10), whenOwned(t, f)))
			client := raw(t, cluster.ListenAddrs())
			eventually(t, func() bool { return committed(t, client, cfg) == 10 }, "the old offsets are committed")
			old := f.consumer.assignments()[0].origin
			require.NoError(t, cluster.DeleteTopic(cfg.Topic))
			require.NoError(t, cluster.CreateTopic(cfg.Topic, 1, nil))
			if other {
				var records []*kgo.Record
				for i := range 20 {
					records = append(records, &kgo.Record{Topic: cfg.Topic, Value: fmt.Appendf(nil, `{"sensor":"a","value":%d}`, 100+i)})
				}
				produce(t, client, records...)
			} else {
				require.NoError(t, f.Accept(t.Context(), numbered(100, 20), false))
			}
			eventually(t, func() bool { return m.len() == 30 }, "all are consumed, from its start")
			eventually(t, func() bool { // it is not, while the partition comes
				return f.Accept(t.Context(), numbered(200, 5), true) == nil
			}, "stored is known again")
			values := m.values()
			assert.Equal(t, 1, values[0])
			assert.Equal(t, 1, values[100])
			assert.Equal(t, 1, values[119])
			now := f.consumer.assignments()[0].origin
			assert.NotEqual(t, old, now, "keys of the new topic are others")
			high := cluster.PartitionInfo(cfg.Topic, 0).HighWatermark
			eventually(t, func() bool { return committed(t, client, cfg) == high }, "and the new offsets are committed")
			assert.Zero(t, m.repeats)
		})
	}
}
