package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
)

type noPipeline struct{}

func (noPipeline) Insert(context.Context, []pipeline.Item) error { return nil }
func (noPipeline) Flush(context.Context) error                   { return nil }

func TestSettingsAreCheckedTogether(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), Config{
		Topic: "a", DeadLetterTopic: "a", Partitions: -1, Replication: -2, MaxBatch: 1,
		MaxWaiting: -1, MaxRecord: -1, DeliveryTimeout: -1, CommitInterval: -1, RevokeTimeout: -1,
	})
	require.Error(t, err)
	for _, field := range []string{
		"Brokers is empty", "Pipeline is", "DeadLetterTopic is a", "Partitions is -1", "Replication is -2",
		"MaxBatch is 1", "MaxWaiting is -1", "MaxRecord is -1", "DeliveryTimeout is -1ns", "CommitInterval is -1ns", "RevokeTimeout is -1ns",
	} {
		assert.ErrorContains(t, err, field)
	}

	for what, cfg := range map[string]Config{
		"empty where Embedded is set":       {Embedded: true, DataDir: "x", Brokers: []string{"a"}},
		"a folder where Embedded is set":    {Embedded: true},
		"EmbeddedPort is 70000: it must be": {Embedded: true, DataDir: "x", EmbeddedPort: 70000},
	} {
		cfg.Pipeline = noPipeline{}
		_, err := New(t.Context(), cfg)
		require.ErrorContains(t, err, what)
	}
}

func TestWithoutBrokersNewEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := New(ctx, Config{Brokers: []string{"127.0.0.1:1"}, Pipeline: noPipeline{}, Logger: logger(t)})
	require.ErrorContains(t, err, "127.0.0.1:1")
	assert.Less(t, time.Since(began), 10*time.Second)
}

func TestMetricsTellWhatStatsTells(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	var m memory
	f := start(t, &m, topics(Config{Brokers: addresses, Partitions: 1, MeterProvider: provider}))
	f.owns(t, 1)
	require.NoError(t, f.Accept(t.Context(), numbered(0, 100), true))

	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	values := make(map[string]int64)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				values[m.Name] = data.DataPoints[0].Value
			case metricdata.Gauge[int64]:
				values[m.Name] = data.DataPoints[0].Value
			}
		}
	}
	assert.Equal(t, map[string]int64{
		"funnel.kafka.produced": 100, "funnel.kafka.consumed": 100, "funnel.kafka.dead_lettered": 0,
		"funnel.kafka.rebalances": 1, "funnel.kafka.lost": 0, "funnel.kafka.waiting": 0,
		"funnel.kafka.unsettled": 0, "funnel.kafka.behind": 0,
	}, values)
}
