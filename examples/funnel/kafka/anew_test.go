package kafka

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
