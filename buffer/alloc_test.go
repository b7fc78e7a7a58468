//go:build !race

package buffer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// What is not noise about the speed: allocations. The race detector makes some
// of its own.

func TestInsertDoesNotAllocate(t *testing.T) {
	ctx := context.Background()
	items := make([]record, 100)
	for i := range items {
		items[i][0] = uint64(i)
	}
	open := func(change func(*buffer.Config[record])) *buffer.Buffer[record] {
		cfg := buffer.Config[record]{Name: "alloc", Flusher: flusher.Items(discard[record]), Partitions: 8}
		change(&cfg)
		buf, err := buffer.New(cfg)
		require.NoError(t, err)
		t.Cleanup(func() { _ = buf.Shutdown(ctx) })
		for range 2000 { // the slices that the partitions cycle through have their size then
			_ = buf.InsertBatch(ctx, items)
		}
		return buf
	}
	plain := open(func(*buffer.Config[record]) {})
	sticky := open(func(c *buffer.Config[record]) { c.Routing = buffer.Sticky })
	keyed := open(func(c *buffer.Config[record]) { c.Key = func(r record) uint64 { return r[0] } })
	metered := open(func(c *buffer.Config[record]) { c.MeterProvider = enabledMeters{} })
	producer := plain.Producer()

	for name, insert := range map[string]func(i uint64) error{
		"Insert":               func(i uint64) error { return plain.Insert(ctx, record{i}) },
		"Insert, Sticky":       func(i uint64) error { return sticky.Insert(ctx, record{i}) },
		"Insert, Key":          func(i uint64) error { return keyed.Insert(ctx, record{i}) },
		"Producer.Insert":      func(i uint64) error { return producer.Insert(ctx, record{i}) },
		"InsertBatch":          func(uint64) error { return plain.InsertBatch(ctx, items) },
		"InsertBatch, Key":     func(uint64) error { return keyed.InsertBatch(ctx, items) },
		"InsertBatch, Sticky":  func(uint64) error { return sticky.InsertBatch(ctx, items) },
		"Producer.InsertBatch": func(uint64) error { return producer.InsertBatch(ctx, items) },
		"Insert, metrics":      func(i uint64) error { return metered.Insert(ctx, record{i}) },
		"InsertBatch, metrics": func(uint64) error { return metered.InsertBatch(ctx, items) },
	} {
		t.Run(name, func(t *testing.T) {
			// Flush cycles included: their few allocations are for thousands of items.
			var i uint64
			assert.Zero(t, testing.AllocsPerRun(50_000, func() {
				i++
				_ = insert(i)
			}))
		})
	}
}

// enabledMeters makes histograms that want to be recorded. The SDK's own metrics
// are tried in the module tests.
type enabledMeters struct{ noop.MeterProvider }

func (enabledMeters) Meter(string, ...metric.MeterOption) metric.Meter { return enabledMeter{} }

type enabledMeter struct{ noop.Meter }

func (enabledMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return enabledFloats{}, nil
}

func (enabledMeter) Int64Histogram(string, ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	return enabledInts{}, nil
}

type enabledFloats struct{ noop.Float64Histogram }

func (enabledFloats) Enabled(context.Context) bool { return true }

type enabledInts struct{ noop.Int64Histogram }

func (enabledInts) Enabled(context.Context) bool { return true }

func TestFlushCycleAllocatesLittle(t *testing.T) {
	ctx := context.Background()
	delivered := make(chan struct{})
	buf, err := buffer.New(buffer.Config[record]{
		Name: "alloc", MaxSize: 4,
		Flusher: flusher.Items(func(context.Context, []record) error { delivered <- struct{}{}; return nil }),
	})
	require.NoError(t, err)
	defer buf.Shutdown(ctx)
	assert.LessOrEqual(t, testing.AllocsPerRun(2000, func() {
		for i := range 4 {
			_ = buf.Insert(ctx, record{uint64(i)})
		}
		<-delivered
	}), 10.0)
}
