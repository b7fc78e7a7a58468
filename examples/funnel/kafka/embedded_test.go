package kafka

import (
	"bytes"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheStandInSaysThatItIsOneAndKeepsEverything(t *testing.T) {
	t.Parallel()
	if os.Getenv("KAFKA_BROKERS") != "" {
		t.Skip("about the stand-in")
	}
	var (
		log bytes.Buffer
		m   memory
		cfg = topics(Config{
			Embedded: true, DataDir: t.TempDir(), Partitions: 2,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
	)
	f := start(t, &m, cfg)
	assert.True(t, f.StandIn())
	assert.True(t, f.Stats().StandIn)
	require.Len(t, f.Brokers(), 1)
	m.down.Store(true)
	require.NoError(t, f.Accept(t.Context(), numbered(0, 100), false))
	require.NoError(t, f.Ping(t.Context()))
	_ = f.end(0) // what is in the topic is not stored
	assert.Contains(t, log.String(), "stand-in")
	assert.Contains(t, log.String(), "not for production")
	assert.Error(t, f.Ping(t.Context()))

	m.down.Store(false)
	again := start(t, &m, cfg)
	again.owns(t, 2)
	eventually(t, func() bool { return m.len() == 100 }, "the readings were kept")
	require.NoError(t, again.Accept(t.Context(), numbered(100, 100), true))
	require.NoError(t, again.end(patience))

	// Committed offsets were kept as well, and keys are still the same.
	last := start(t, &m, cfg)
	last.owns(t, 2)
	require.NoError(t, last.Accept(t.Context(), numbered(200, 100), true))
	assert.Equal(t, 300, m.len())
	assert.Len(t, m.values(), 300)
	assert.Zero(t, m.repeats)
}

func TestATopicThatIsMadeAnewHasNewKeys(t *testing.T) {
	t.Parallel()
	if os.Getenv("KAFKA_BROKERS") != "" {
		t.Skip("about the stand-in")
	}
	var m memory
	cfg := topics(Config{Embedded: true, DataDir: t.TempDir(), Partitions: 1})
	f := start(t, &m, cfg)
	f.owns(t, 1)
	require.NoError(t, f.Accept(t.Context(), numbered(0, 100), true))
	require.NoError(t, f.end(patience))

	cfg.DataDir = t.TempDir() // as if its folder were removed, and the store were not
	f = start(t, &m, cfg)
	f.owns(t, 1)
	require.NoError(t, f.Accept(t.Context(), numbered(100, 100), true))
	assert.Len(t, m.values(), 200, "offsets begin at 0 again, and swallow nothing")
}
