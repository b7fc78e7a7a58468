//go:build !race

package tests

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// TestInsertDoesNotAllocateWithMetrics is buffer's TestInsertDoesNotAllocate with
// an SDK's metrics on. The race detector makes allocations of its own.
func TestInsertDoesNotAllocateWithMetrics(t *testing.T) {
	ctx := context.Background()
	buf, err := buffer.New(buffer.Config[int]{
		Name:          "alloc",
		Flusher:       flusher.Items(func(context.Context, []int) error { return nil }),
		Partitions:    8,
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, buf.Shutdown(ctx)) }()
	items := make([]int, 100)
	for range 2000 { // the slices that the partitions cycle through have their size then
		require.NoError(t, buf.InsertBatch(ctx, items))
	}
	producer := buf.Producer()
	for name, insert := range map[string]func() error{
		"Insert":          func() error { return buf.Insert(ctx, 1) },
		"InsertBatch":     func() error { return buf.InsertBatch(ctx, items) },
		"Producer.Insert": func() error { return producer.Insert(ctx, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			// Flush cycles included: their few allocations are for thousands of items.
			assert.Zero(t, testing.AllocsPerRun(50_000, func() { _ = insert() }))
		})
	}
}
