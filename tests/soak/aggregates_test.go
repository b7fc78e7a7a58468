package soak

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// entry is what the aggregator holds: each Add adds 1, so Value and Count agree.
type entry = aggregate.Entry[string, int64]

// aggregates is a station with an aggregator, in which nothing is dropped: what
// is refused for good goes to a dead letter that takes everything.
type aggregates struct {
	agg     *aggregate.Aggregator[string, int64]
	keys    []string
	weather weather

	added, delivered, deadLettered, entries atomic.Int64
}

const (
	aggregateKeys       = 500
	aggregatePartitions = 2
	aggregateSize       = 100
)

func openAggregates(t *testing.T) *aggregates {
	t.Helper()
	a := &aggregates{}
	for i := range aggregateKeys {
		a.keys = append(a.keys, "/path/"+strconv.Itoa(i))
	}
	take := func(sum *atomic.Int64) func(entry) {
		return func(e entry) {
			if e.Value != int64(e.Count) || e.Count == 0 {
				t.Errorf("aggregate: %d values of %q add up to %d", e.Count, e.Key, e.Value)
			}
			sum.Add(e.Value)
			a.entries.Add(1)
		}
	}
	var err error
	a.agg, err = aggregate.New(func(stored *int64, value int64) { *stored += value }, aggregate.Config[string, int64]{
		Name:    "aggregate",
		Flusher: flushes(&a.weather, take(&a.delivered)),
		DeadLetter: flusher.Func[entry](func(_ context.Context, batch flusher.Batch[entry]) error {
			each(batch.Items, take(&a.deadLettered))
			return nil
		}),
		Partitions: aggregatePartitions, MaxSize: aggregateSize,
		FlushInterval: 20 * time.Millisecond, FlushTimeout: 50 * time.Millisecond, FlushGrace: time.Minute,
		Retry:         flusher.Retry{MaxAttempts: -1, MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond},
		MeterProvider: noop.NewMeterProvider(), Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return a
}

func each[T any](items []T, do func(T)) {
	for _, item := range items {
		do(item)
	}
}

func (a *aggregates) name() string { return "aggregate" }

func (a *aggregates) counts() partition.Counts { return a.agg.Info().Total }

func (a *aggregates) burst() {
	ctx := context.Background()
	if rand.IntN(2) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rand.N(20*time.Millisecond))
		defer cancel()
	}
	for range 1 + rand.IntN(4*maxBurst) {
		// Some keys are much more frequent than others.
		if a.agg.Add(ctx, a.keys[rand.IntN(1+rand.IntN(aggregateKeys))], 1) == nil {
			a.added.Add(1)
		}
	}
	if rand.IntN(100) == 0 {
		_, _ = a.agg.SyncFlush(ctx)
	}
}

func (a *aggregates) sample(t *testing.T) {
	for i, p := range a.agg.Info().Partitions {
		lawful(t, "aggregate", p.Counts)
		if held := p.Counts.Buffered + p.Counts.InFlight; held > 2*aggregateSize {
			t.Errorf("aggregate: partition %d holds %d entries, at most %d are promised", i, held, 2*aggregateSize)
		}
	}
}

// bound has room for an index beside the entries.
func (a *aggregates) bound() int {
	return aggregatePartitions * 5 * aggregateSize * (2*int(unsafe.Sizeof(entry{})) + 64)
}

func (a *aggregates) end(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := a.agg.Shutdown(ctx)
	a.weather.settle()
	a.sample(t)
	var returned int64
	if err != nil {
		left, ok := errors.AsType[*buffer.ShutdownError[entry]](err)
		require.True(t, ok, "%v", err)
		assert.Empty(t, left.InDoubt)
		for _, e := range left.Undelivered {
			returned += e.Value
		}
	}
	c := a.counts()
	assert.Equal(t, a.added.Load(), a.delivered.Load()+a.deadLettered.Load()+returned, "aggregate: values added, and values seen again")
	assert.EqualValues(t, a.entries.Load(), c.Delivered+c.DeadLettered, "aggregate: entries")
	assert.Zero(t, c.Dropped)
}
