package kafka

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

func TestWhatIsAcceptedIsStoredUnderTheKeyOfItsRecord(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	cfg := topics(Config{Brokers: addresses, Partitions: 3})
	var m memory
	f := start(t, &m, cfg)

	for turn := range 4 { // one batch each at least
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() { assert.NoError(t, f.Accept(t.Context(), numbered((10*turn+i)*250, 250), false)) })
		}
		all.Wait()
	}
	eventually(t, func() bool { return m.len() == 10_000 }, "all readings are stored")

	// What the topic holds, read by another client, is what is stored.
	detail, err := kadm.NewClient(f.admin).ListTopics(t.Context(), cfg.Topic)
	require.NoError(t, err)
	rows := m.snapshot()
	partitions := make(map[int32]int)
	var decoder reading.Decoder
	for _, record := range consumeAll(t, addresses, cfg.Topic, 10_000) {
		key := store.Key{Origin: Origin(cfg.Topic, detail[cfg.Topic].ID, record.Partition), Index: record.Offset}
		want, err := decoder.One(record.Value)
		require.NoError(t, err)
		require.Equal(t, store.Row{Reading: want, Key: key}, rows[key])
		partitions[record.Partition]++
	}
	assert.Len(t, partitions, 3, "all partitions are used")

	for value, times := range m.values() {
		require.Equal(t, 1, times, "value %v", value)
	}
	require.NoError(t, f.end(patience))
	assert.EqualValues(t, 10_000, committed(t, raw(t, addresses), cfg), "all offsets are committed at the end")
	assert.Equal(t, 10_000, m.len())
	assert.Zero(t, m.repeats)
}

func TestStoredReturnsWhenTheReadingsAreInTheStore(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	var m memory
	f := start(t, &m, topics(Config{Brokers: addresses, Partitions: 2}))
	f.owns(t, 2)

	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				from := (i*10 + j) * 20
				if !assert.NoError(t, f.Accept(t.Context(), numbered(from, 20), true)) {
					return
				}
				values := m.values()
				for value := from; value < from+20; value++ {
					assert.Equal(t, 1, values[float64(value)])
				}
			}
		})
	}
	all.Wait()
	assert.Equal(t, 1600, m.len())
}

func TestStoredDoesNotWaitForTheBatchToFill(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	var m memory
	f := start(t, &m, topics(Config{Brokers: addresses, Partitions: 1}), pipeline.Config{FlushInterval: time.Hour})
	f.owns(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, f.Accept(ctx, numbered(0, 3), true))
	assert.Equal(t, 3, m.len())
}

func TestAfterShutdownNothingIsAccepted(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	var m memory
	f := start(t, &m, topics(Config{Brokers: addresses}))
	require.NoError(t, f.Accept(t.Context(), nil, true), "no readings are no error")
	require.NoError(t, f.end(patience))
	require.NoError(t, f.end(patience))
	require.ErrorIs(t, f.Accept(t.Context(), numbered(0, 1), false), buffer.ErrClosed)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.Accept(ended, numbered(0, 1), false), context.Canceled)
}
