package tests

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/go-databuffer/databuffer/telemetry"
)

// These tests drive the Recorder itself against the SDK.

func newRecorder(t testing.TB, s *sdk, mode telemetry.SpanMode) *telemetry.Recorder {
	t.Helper()
	r, err := telemetry.New(telemetry.Config{
		Name: bufferName, Sized: true, InsertSpans: mode, Triggers: []string{"size", "interval"},
		TracerProvider: s.tracers, MeterProvider: s.meters,
	})
	require.NoError(t, err)
	return r
}

// remote is a sampled span context that is told by n.
func remote(n int) trace.SpanContext {
	config := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled, Remote: true}
	binary.BigEndian.PutUint64(config.TraceID[:], uint64(n))
	binary.BigEndian.PutUint64(config.SpanID[:], uint64(n))
	return trace.NewSpanContext(config)
}

// The table in the documentation.
func TestInstrumentTable(t *testing.T) {
	s := newSDK()
	r := newRecorder(t, s, telemetry.SpanAlways)
	r.Observe(func() telemetry.Observation { return telemetry.Observation{} })
	r.Waited(t.Context(), time.Second)
	r.Batch(0, 1, time.Second)
	r.Flushed(0, time.Second, telemetry.ClassNone)
	r.Attempted(time.Second, telemetry.ClassNone)

	counter, upDown, gauge, histogram, items := "counter", "up-down", "gauge", "histogram", "histogram of items"
	want := map[string][2]string{
		"databuffer.item.accepted":        {counter, "{item}"},
		"databuffer.item.rejected":        {counter, "{item}"},
		"databuffer.item.processed":       {counter, "{item}"},
		"databuffer.item.retried":         {counter, "{item}"},
		"databuffer.queue.size":           {upDown, "{item}"},
		"databuffer.queue.capacity":       {upDown, "{item}"},
		"databuffer.queue.memory.usage":   {upDown, "By"},
		"databuffer.item.inflight":        {upDown, "{item}"},
		"databuffer.insert.waiting":       {upDown, "{insert}"},
		"databuffer.flush.inflight":       {upDown, "{flush}"},
		"databuffer.flush.abandoned":      {upDown, "{flush}"},
		"databuffer.item.oldest.age":      {gauge, "s"},
		"databuffer.insert.wait.duration": {histogram, "s"},
		"databuffer.batch.size":           {items, "{item}"},
		"databuffer.batch.age":            {histogram, "s"},
		"databuffer.flush.duration":       {histogram, "s"},
		"databuffer.attempt.duration":     {histogram, "s"},
	}
	got := make(map[string][2]string)
	for name, instrument := range s.collect(t) {
		assert.NotEmpty(t, instrument.Description, name)
		kind := "?"
		switch data := instrument.Data.(type) {
		case metricdata.Sum[int64]:
			assert.Equal(t, metricdata.CumulativeTemporality, data.Temporality)
			kind = upDown
			if data.IsMonotonic {
				kind = counter
			}
		case metricdata.Gauge[float64]:
			kind = gauge
		case metricdata.Histogram[float64]:
			kind = histogram
			bounds := data.DataPoints[0].Bounds
			assert.InDelta(t, 0.001, bounds[0], 0, name)
			assert.InDelta(t, 300, bounds[len(bounds)-1], 0, name)
		case metricdata.Histogram[int64]:
			kind = items
			for i, bound := range data.DataPoints[0].Bounds {
				assert.InDelta(t, float64(int(1)<<(2*i)), bound, 0, name)
			}
		}
		got[name] = [2]string{kind, instrument.Unit}
	}
	assert.Equal(t, want, got)
}

func TestNoGaugeOfBytesWhereSizesAreUnknown(t *testing.T) {
	s := newSDK()
	r, err := telemetry.New(telemetry.Config{Name: bufferName, MeterProvider: s.meters})
	require.NoError(t, err)
	r.Observe(func() telemetry.Observation { return telemetry.Observation{Bytes: 1} })
	assert.NotContains(t, s.collect(t), "databuffer.queue.memory.usage")
}

func TestObservationIsExported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		r := newRecorder(t, s, telemetry.SpanAlways)
		assert.Empty(t, s.collect(t), "nothing before Observe")

		now := telemetry.Observation{
			Accepted: 1, Retried: 2, Queue: 3, Capacity: 4, Bytes: 5, InFlight: 6, Waiting: 7, Flushes: 8, Abandoned: 9,
			Oldest: time.Now(),
		}
		for i := range now.Rejected {
			now.Rejected[i] = 10 + i
		}
		for o := range now.Processed {
			for c := range now.Processed[o] {
				now.Processed[o][c] = 100*(o+1) + c
			}
		}
		r.Observe(func() telemetry.Observation { return now })
		time.Sleep(90 * time.Second)

		m := s.collect(t)
		for name, n := range map[string]float64{
			"databuffer.item.accepted": 1, "databuffer.item.retried": 2, "databuffer.queue.size": 3,
			"databuffer.queue.capacity": 4, "databuffer.queue.memory.usage": 5, "databuffer.item.inflight": 6,
			"databuffer.insert.waiting": 7, "databuffer.flush.inflight": 8, "databuffer.flush.abandoned": 9,
			"databuffer.item.oldest.age": 90,
		} {
			assert.InDelta(t, n, m.value(t, name), 0, name)
		}
		assert.Equal(t, map[string]float64{
			"databuffer.reject.reason=closed": 10, "databuffer.reject.reason=full": 11,
			"databuffer.reject.reason=too_large": 12, "databuffer.reject.reason=canceled": 13,
			"databuffer.reject.reason=_OTHER": 14,
		}, m.values(t, "databuffer.item.rejected"))

		processed := make(map[string]float64)
		for o := range telemetry.Outcome(telemetry.Outcomes) {
			for c := range telemetry.Class(telemetry.Classes) {
				attributes := "databuffer.outcome=" + o.String()
				if c != telemetry.ClassNone {
					attributes += ",error.type=" + c.String()
				}
				processed[attributes] = float64(now.Processed[o][c])
			}
		}
		assert.Len(t, processed, telemetry.Outcomes*telemetry.Classes)
		assert.Equal(t, processed, m.values(t, "databuffer.item.processed"))
	})
}

func TestHistogramAttributes(t *testing.T) {
	s := newSDK()
	r := newRecorder(t, s, telemetry.SpanAlways)
	r.Waited(t.Context(), 2*time.Second)
	r.Batch(1, 30, 4*time.Second)
	r.Batch(1, 12, time.Second)
	r.Flushed(0, time.Second, telemetry.ClassNone)
	r.Flushed(0, 3*time.Second, telemetry.ClassPermanent)
	r.Attempted(5*time.Second, telemetry.ClassTimeout)
	r.Attempted(500*time.Millisecond, telemetry.ClassNone)

	m := s.collect(t)
	assert.Equal(t, map[string]recorded{"": {1, 2}}, m.histogram(t, "databuffer.insert.wait.duration"))
	assert.Equal(t, map[string]recorded{"databuffer.flush.trigger=interval": {2, 42}}, m.histogram(t, "databuffer.batch.size"))
	assert.Equal(t, map[string]recorded{"databuffer.flush.trigger=interval": {2, 5}}, m.histogram(t, "databuffer.batch.age"))
	assert.Equal(t, map[string]recorded{
		"databuffer.flush.trigger=size":                      {1, 1},
		"databuffer.flush.trigger=size,error.type=permanent": {1, 3},
	}, m.histogram(t, "databuffer.flush.duration"))
	assert.Equal(t, map[string]recorded{"": {1, 0.5}, "error.type=timeout": {1, 5}},
		m.histogram(t, "databuffer.attempt.duration"))
}

func TestFrozenCountsStayReadable(t *testing.T) {
	s := newSDK()
	r := newRecorder(t, s, telemetry.SpanAlways)
	r.Observe(func() telemetry.Observation { return telemetry.Observation{Accepted: 1} })
	s.collect(t)
	r.Freeze(telemetry.Observation{Accepted: 5})
	for range 3 {
		assert.InDelta(t, 5, s.collect(t).value(t, "databuffer.item.accepted"), 0)
	}
	require.NoError(t, s.meters.Shutdown(t.Context()), "the last collection is one too")
}

// A later buffer of the same name goes on counting where the first one ended.
func TestRecordersOfOneNameAreSummed(t *testing.T) {
	s := newSDK()
	first, second := newRecorder(t, s, telemetry.SpanAlways), newRecorder(t, s, telemetry.SpanAlways)
	first.Freeze(telemetry.Observation{Accepted: 5})
	second.Observe(func() telemetry.Observation { return telemetry.Observation{Accepted: 2} })
	assert.InDelta(t, 7, s.collect(t).value(t, "databuffer.item.accepted"), 0)
}

func TestCollectingWhileFreezing(t *testing.T) {
	s := newSDK()
	r := newRecorder(t, s, telemetry.SpanAlways)
	r.Observe(func() telemetry.Observation { return telemetry.Observation{Accepted: 1} })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				n := s.collect(t).value(t, "databuffer.item.accepted")
				assert.True(t, n == 1 || n == 2, n)
			}
		})
	}
	wg.Go(func() { r.Freeze(telemetry.Observation{Accepted: 2}) })
	wg.Wait()
	assert.InDelta(t, 2, s.collect(t).value(t, "databuffer.item.accepted"), 0)
}

func TestTracingIsFoundOutWithoutATrace(t *testing.T) {
	samplers := map[string]sdktrace.Sampler{
		"parent-based": sdktrace.ParentBased(sdktrace.AlwaysSample()),
		"always":       sdktrace.AlwaysSample(),
		"never":        sdktrace.NeverSample(),
	}
	for name, sampler := range samplers {
		t.Run(name, func(t *testing.T) {
			s := newSDK(sdktrace.WithSampler(sampler))
			assert.True(t, newRecorder(t, s, telemetry.SpanAlways).Tracing())
			assert.Empty(t, s.spans.Started())

			// A provider that wraps the SDK's shows nothing of it but its spans.
			exporter := tracetest.NewInMemoryExporter()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithSyncer(exporter))
			r, err := telemetry.New(telemetry.Config{Name: bufferName, TracerProvider: wrapped{TracerProvider: noop.NewTracerProvider(), inner: provider}})
			require.NoError(t, err)
			assert.True(t, r.Tracing())
			require.NoError(t, provider.Shutdown(t.Context()))
			assert.Empty(t, exporter.GetSpans(), "the probe is not exported")
		})
	}

	t.Run("an SDK that was shut down", func(t *testing.T) {
		s := newSDK()
		require.NoError(t, s.tracers.Shutdown(t.Context()))
		assert.False(t, newRecorder(t, s, telemetry.SpanAlways).Tracing())
	})
}

// wrapped hides the methods of a provider that are not the API's.
type wrapped struct {
	noop.TracerProvider
	inner trace.TracerProvider
}

func (w wrapped) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return w.inner.Tracer(name, options...)
}

func TestInsertSpan(t *testing.T) {
	s := newSDK()
	r := newRecorder(t, s, telemetry.SpanAlways)
	accepted := r.StartInsert(t.Context())
	accepted.End(2, 10, nil)
	r.StartInsert(t.Context()).End(-1, 1, errors.New("secret"))

	spans := s.spans.Ended()
	require.Len(t, spans, 2)
	assert.Equal(t, "insert events", spans[0].Name())
	assert.Equal(t, telemetry.Scope, spans[0].InstrumentationScope().Name)
	assert.Equal(t, telemetry.Version, spans[0].InstrumentationScope().Version)
	assert.Equal(t, trace.SpanKindInternal, spans[0].SpanKind())
	assert.Equal(t, accepted.Link(), spans[0].SpanContext(), "also once it has ended")
	assert.Equal(t, map[string]any{
		"databuffer.name": bufferName, "databuffer.partition": int64(2), "databuffer.item.count": int64(10),
	}, plain(spans[0].Attributes()))
	assert.Equal(t, sdktrace.Status{}, spans[0].Status())
	assert.Equal(t, sdktrace.Status{Code: codes.Error, Description: "insert refused"}, spans[1].Status())
	assert.Empty(t, spans[1].Events(), "no exception with a text")
}

func TestFlushSpan(t *testing.T) {
	s := newSDK()
	r := newRecorder(t, s, telemetry.SpanAlways)
	var links telemetry.Links
	for range 2 { // each comes twice
		for n := range 200 {
			links.Add(remote(n + 1))
		}
	}
	ctx, flush := r.StartFlush(t.Context(), telemetry.FlushInfo{
		Partition: 3, Items: 200, Trigger: 0, ID: [16]byte{1, 2, 15: 0xff}, Links: &links,
	})
	_, child := s.tracers.Tracer("database").Start(ctx, "INSERT")
	child.End()
	flush.AttemptFailed(1, 200, telemetry.ClassOther)
	flush.End(telemetry.ClassExhausted)

	spans := s.spans.Ended()
	require.Len(t, spans, 2)
	database, span := spans[0], spans[1]
	assert.Equal(t, span.SpanContext().SpanID(), database.Parent().SpanID())
	assert.Equal(t, "flush events", span.Name())
	assert.False(t, span.Parent().IsValid())
	assert.Equal(t, map[string]any{
		"databuffer.name": bufferName, "databuffer.partition": int64(3), "databuffer.item.count": int64(200),
		"databuffer.flush.trigger": "size", "databuffer.batch.id": "010200000000000000000000000000ff",
		"databuffer.link.dropped": int64(72), "error.type": "exhausted",
	}, plain(span.Attributes()))
	require.Len(t, span.Links(), 128)
	for i, link := range span.Links() {
		assert.Equal(t, remote(i+1), link.SpanContext)
	}
	assert.Zero(t, span.DroppedLinks(), "the SDK had none to drop")
	assert.Equal(t, sdktrace.Status{Code: codes.Error, Description: "exhausted"}, span.Status())
	require.Len(t, span.Events(), 1)
	assert.Equal(t, "attempt failed", span.Events()[0].Name)
	assert.Equal(t, map[string]any{
		"error.type": "_OTHER", "databuffer.attempt": int64(1), "databuffer.item.count": int64(200),
	}, plain(span.Events()[0].Attributes))
}

// A sampler can go by what a batch links to: it sees the links at the start.
func TestSamplerSeesLinksAndAttributes(t *testing.T) {
	var seen sdktrace.SamplingParameters
	s := newSDK(sdktrace.WithSampler(sampler(func(p sdktrace.SamplingParameters) { seen = p })))
	r := newRecorder(t, s, telemetry.SpanAlways)
	var links telemetry.Links
	links.Add(remote(1))
	r.StartFlush(t.Context(), telemetry.FlushInfo{Items: 7, Trigger: 1, Links: &links})
	assert.Len(t, seen.Links, 1)
	assert.Contains(t, seen.Attributes, attribute.Int("databuffer.item.count", 7))
	assert.Contains(t, seen.Attributes, attribute.String("databuffer.flush.trigger", "interval"))
}

type sampler func(sdktrace.SamplingParameters)

func (s sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s(p)
	return sdktrace.SamplingResult{Decision: sdktrace.Drop}
}

func (sampler) Description() string { return "test" }

// A view that drops an instrument, or changes its buckets, is the user's right.
func TestViews(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader),
		sdkmetric.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: "databuffer.item.*"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}})),
		sdkmetric.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: "databuffer.batch.size"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}})),
	)
	r, err := telemetry.New(telemetry.Config{Name: bufferName, MeterProvider: provider})
	require.NoError(t, err)
	r.Observe(func() telemetry.Observation { return telemetry.Observation{Queue: 3} })
	r.Batch(0, 1, time.Second)
	m := collect(t, reader)
	assert.InDelta(t, 3, m.value(t, "databuffer.queue.size"), 0)
	assert.NotContains(t, m, "databuffer.item.accepted")
	assert.NotContains(t, m, "databuffer.batch.size")
	assert.Contains(t, m, "databuffer.batch.age")
}

// What is recorded allocates next to nothing: the sets are built beforehand.
func TestRecordingAllocatesNothing(t *testing.T) {
	s := newSDK(neverSampled())
	r := newRecorder(t, s, telemetry.SpanAlways)
	ctx := context.Background()
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		r.Waited(ctx, time.Second)
		r.Batch(0, 10, time.Second)
		r.Flushed(0, time.Second, telemetry.ClassTimeout)
		r.Attempted(time.Second, telemetry.ClassTimeout)
	}))

	tracer := s.tracers.Tracer("alone")
	alone := testing.AllocsPerRun(1000, func() {
		_, span := tracer.Start(ctx, "insert events")
		span.End()
	})
	var links telemetry.Links
	assert.InDelta(t, alone, testing.AllocsPerRun(1000, func() {
		insert := r.StartInsert(ctx)
		links.Add(insert.Link())
		insert.End(0, 1, nil)
	}), 0, "an insert that nobody samples costs its span and no more")
}
