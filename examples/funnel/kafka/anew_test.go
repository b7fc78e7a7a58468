package kafka

import (
	"testing"

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
