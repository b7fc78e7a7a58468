package tests

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/flusher"
)

type entry = aggregate.Entry[any, int]

// openAggregator is one partition that sums, and refuses values below 0.
func openAggregator(t testing.TB, s *sdk, f func() error) *aggregate.Aggregator[any, int] {
	t.Helper()
	cfg := aggregate.Config[any, int]{
		Name: bufferName, MaxSize: 3, FlushInterval: -1, FlushTimeout: -1,
		Flusher:        flusher.Func[entry](func(context.Context, flusher.Batch[entry]) error { return f() }),
		TracerProvider: s.tracers, MeterProvider: s.meters,
	}
	a, err := aggregate.New(func(stored *int, value int) {
		if value < 0 {
			panic("negative")
		}
		*stored += value
	}, cfg)
	require.NoError(t, err)
	return a
}

func nothing() error { return nil }

// Every Add has its span, and its batch's flush is linked to it, merged or not.
func TestSpansOfAdds(t *testing.T) {
	s := newSDK()
	a := openAggregator(t, s, nothing)
	ctx := context.Background()
	for _, key := range []string{"a", "b", "a", "a"} {
		require.NoError(t, a.Add(ctx, key, 1))
	}
	require.Error(t, a.Add(ctx, "a", -1))
	require.Error(t, a.Add(ctx, []int{}, 1))
	require.NoError(t, a.Shutdown(ctx))

	adds := s.ended("insert")
	require.Len(t, adds, 6)
	for i, span := range adds {
		want := codes.Unset
		if i >= 4 {
			want = codes.Error
		}
		assert.Equal(t, want, span.Status().Code)
		assert.Equal(t, map[string]any{"databuffer.name": bufferName, "databuffer.partition": int64(0), "databuffer.item.count": int64(1)}, plain(span.Attributes()))
	}
	flushes := s.ended("flush")
	require.Len(t, flushes, 1)
	require.Len(t, flushes[0].Links(), 4)
	for i, link := range flushes[0].Links() {
		assert.Equal(t, adds[i].SpanContext(), link.SpanContext)
	}
	assert.EqualValues(t, 2, plain(flushes[0].Attributes())["databuffer.item.count"], "entries")
}

// An Add that merge or the key refuses counts like an insert whose Key panics,
// with a tracer or without.
func TestRejectedAdds(t *testing.T) {
	for name, s := range map[string]*sdk{"traced": newSDK(), "sampled never": newSDK(neverSampled())} {
		t.Run(name, func(t *testing.T) {
			a := openAggregator(t, s, nothing)
			require.NoError(t, a.Add(t.Context(), "a", 1))
			require.Error(t, a.Add(t.Context(), "a", -1))
			require.Error(t, a.Add(t.Context(), []int{}, 1))
			assert.Equal(t, map[string]float64{"_OTHER": 2}, rejected(t, s))
			require.NoError(t, a.Shutdown(t.Context()))
		})
	}
	t.Run("without a tracer", func(t *testing.T) {
		s := newSDK()
		cfg := aggregate.Config[any, int]{Name: bufferName, Flusher: flusher.Func[entry](func(context.Context, flusher.Batch[entry]) error { return nil }), MeterProvider: s.meters}
		a, err := aggregate.New(func(*int, int) { panic("always") }, cfg)
		require.NoError(t, err)
		require.NoError(t, a.Add(t.Context(), "a", 1))
		require.Error(t, a.Add(t.Context(), "a", 1))
		require.Error(t, a.Add(t.Context(), []int{}, 1))
		assert.Equal(t, map[string]float64{"_OTHER": 2}, rejected(t, s))
		require.NoError(t, a.Shutdown(t.Context()))
	})
}

// The instruments count entries, also while an Add waits.
func TestMetricsCountEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		hold := make(chan struct{})
		a := openAggregator(t, s, func() error { <-hold; return nil })
		ctx := context.Background()
		for _, key := range []string{"a", "a", "b", "c"} {
			require.NoError(t, a.Add(ctx, key, 1))
		}
		synctest.Wait()
		for _, key := range []string{"d", "d", "e", "f", "f", "d"} { // the last two into a full partition
			require.NoError(t, a.Add(ctx, key, 1))
		}
		go func() { assert.NoError(t, a.Add(ctx, "g", 1)) }()
		synctest.Wait()
		m := s.collect(t)
		for name, want := range map[string]float64{
			"databuffer.item.accepted": 6, "databuffer.queue.size": 3, "databuffer.item.inflight": 3,
			"databuffer.queue.capacity": 3, "databuffer.insert.waiting": 1, "databuffer.flush.inflight": 1,
		} {
			assert.InDelta(t, want, m.value(t, name), 0, name)
		}
		time.Sleep(time.Second)
		close(hold)
		synctest.Wait()
		require.NoError(t, a.Shutdown(ctx))
	})
}
