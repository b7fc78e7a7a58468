package tests

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// sdk is an OpenTelemetry SDK that keeps what it is given: without goroutines,
// so that it works in a synctest bubble.
type sdk struct {
	reader  *sdkmetric.ManualReader
	meters  *sdkmetric.MeterProvider
	spans   *tracetest.SpanRecorder
	tracers *sdktrace.TracerProvider
}

func newSDK(options ...sdktrace.TracerProviderOption) *sdk {
	s := &sdk{reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	s.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))
	s.tracers = sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(s.spans))...)
	return s
}

// neverSampled is what an SDK needs to sample nothing.
func neverSampled() sdktrace.TracerProviderOption {
	return sdktrace.WithSampler(sdktrace.NeverSample())
}

// ended are the spans that have ended and begin with the word: "insert" or
// "flush".
func (s *sdk) ended(word string) []sdktrace.ReadOnlySpan {
	return slices.DeleteFunc(slices.Clone(s.spans.Ended()), func(span sdktrace.ReadOnlySpan) bool {
		return !strings.HasPrefix(span.Name(), word)
	})
}

// plain makes attributes easy to compare.
func plain(attributes []attribute.KeyValue) map[string]any {
	m := make(map[string]any)
	for _, a := range attributes {
		m[string(a.Key)] = a.Value.AsInterface()
	}
	return m
}

// metrics are one collection, by the instruments' names.
type metrics map[string]metricdata.Metrics

// collect does what a reader does.
func (s *sdk) collect(t testing.TB) metrics {
	t.Helper()
	return collect(t, s.reader)
}

func collect(t testing.TB, reader sdkmetric.Reader) metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &all))
	m := make(metrics)
	for _, scope := range all.ScopeMetrics {
		assert.Equal(t, telemetry.Scope, scope.Scope.Name)
		assert.Equal(t, telemetry.Version, scope.Scope.Version)
		for _, instrument := range scope.Metrics {
			m[instrument.Name] = instrument
		}
	}
	return m
}

// bufferName is what all buffers here are called.
const bufferName = "events"

// key is an attribute set as text, without the name of the buffer, which must
// be in it.
func key(t testing.TB, set attribute.Set) string {
	t.Helper()
	name, ok := set.Value("databuffer.name")
	assert.True(t, ok)
	assert.Equal(t, bufferName, name.AsString())
	rest, _ := set.Filter(func(a attribute.KeyValue) bool { return a.Key != "databuffer.name" })
	return rest.Encoded(attribute.DefaultEncoder())
}

// values are the data points of a counter or a gauge, by attributes as text; ""
// is the one that has none but the buffer's name.
func (m metrics) values(t testing.TB, name string) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	switch data := m[name].Data.(type) {
	case metricdata.Sum[int64]:
		for _, point := range data.DataPoints {
			values[key(t, point.Attributes)] = float64(point.Value)
		}
	case metricdata.Gauge[float64]:
		for _, point := range data.DataPoints {
			values[key(t, point.Attributes)] = point.Value
		}
	default:
		require.Failf(t, "no such counter or gauge", "%s is %T", name, data)
	}
	return values
}

// value is that of an instrument with a single data point.
func (m metrics) value(t testing.TB, name string) float64 {
	t.Helper()
	values := m.values(t, name)
	require.Contains(t, values, "", "%s: %v", name, values)
	require.Len(t, values, 1, name)
	return values[""]
}

// recorded is what a histogram holds for one attribute set.
type recorded struct {
	count uint64
	sum   float64
}

// histogram is what a histogram holds, by attributes as text. One that nothing
// was recorded in is not exported, and empty.
func (m metrics) histogram(t testing.TB, name string) map[string]recorded {
	t.Helper()
	values := make(map[string]recorded)
	switch data := m[name].Data.(type) {
	case nil:
	case metricdata.Histogram[int64]:
		for _, point := range data.DataPoints {
			values[key(t, point.Attributes)] = recorded{point.Count, float64(point.Sum)}
		}
	case metricdata.Histogram[float64]:
		for _, point := range data.DataPoints {
			values[key(t, point.Attributes)] = recorded{point.Count, point.Sum}
		}
	default:
		require.Failf(t, "no such histogram", "%s is %T", name, data)
	}
	return values
}

// config is one partition that reports to s, where nothing is due by itself.
func (s *sdk) config(f flusher.Flusher[int]) buffer.Config[int] {
	return buffer.Config[int]{
		Name: bufferName, Flusher: f, MaxSize: 3, FlushInterval: -1, FlushTimeout: -1,
		Retry:          flusher.Retry{MinBackoff: time.Second, MaxBackoff: time.Second},
		TracerProvider: s.tracers, MeterProvider: s.meters,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// answer is a Flusher.
type answer = flusher.Func[int]

func answers(err error) answer {
	return func(context.Context, flusher.Batch[int]) error { return err }
}

// open makes a buffer, which the test shuts down.
func open(t testing.TB, cfg buffer.Config[int]) *buffer.Buffer[int] {
	t.Helper()
	buf, err := buffer.New(cfg)
	require.NoError(t, err)
	return buf
}

// shutdown flushes everything.
func shutdown(t testing.TB, buf *buffer.Buffer[int]) {
	t.Helper()
	require.NoError(t, buf.Shutdown(context.Background()))
}

// abort gives up at once, and returns what came back.
func abort(t testing.TB, buf *buffer.Buffer[int]) *buffer.ShutdownError[int] {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var left *buffer.ShutdownError[int]
	require.ErrorAs(t, buf.Shutdown(ctx), &left)
	return left
}

func insert(t testing.TB, buf *buffer.Buffer[int], items ...int) {
	t.Helper()
	for _, item := range items {
		require.NoError(t, buf.Insert(context.Background(), item))
	}
}

// agree checks that the instruments say what Info says.
func agree(t testing.TB, s *sdk, buf *buffer.Buffer[int]) {
	t.Helper()
	m, info := s.collect(t), buf.Info()
	total := func(name string) int {
		sum := 0.0
		for _, n := range m.values(t, name) {
			sum += n
		}
		return int(sum)
	}
	outcome := func(outcome string) int {
		sum := 0.0
		for attributes, n := range m.values(t, "databuffer.item.processed") {
			if attributes == outcome || strings.HasPrefix(attributes, outcome+",") {
				sum += n
			}
		}
		return int(sum)
	}
	batches, bytes := 0, 0
	for _, p := range info.Partitions {
		batches += p.Batches
		bytes += p.Bytes
	}
	assert.Equal(t, info.Total.Accepted, total("databuffer.item.accepted"), "accepted")
	assert.Equal(t, info.Total.Rejected, total("databuffer.item.rejected"), "rejected")
	assert.Equal(t, info.Total.Retried, total("databuffer.item.retried"), "retried")
	assert.Equal(t, info.Total.Buffered, total("databuffer.queue.size"), "buffered")
	assert.Equal(t, info.Total.InFlight, total("databuffer.item.inflight"), "in flight")
	assert.Equal(t, info.Total.Delivered, outcome("databuffer.outcome=delivered"), "delivered")
	assert.Equal(t, info.Total.DeadLettered, outcome("databuffer.outcome=dead_lettered"), "dead-lettered")
	assert.Equal(t, info.Total.Dropped, outcome("databuffer.outcome=dropped"), "dropped")
	assert.Equal(t, info.Total.Returned, outcome("databuffer.outcome=returned"), "returned")
	assert.Equal(t, info.Waiting, total("databuffer.insert.waiting"), "waiting")
	assert.Equal(t, batches, total("databuffer.flush.inflight"), "batches")
	if _, sized := m["databuffer.queue.memory.usage"]; sized {
		assert.Equal(t, bytes, total("databuffer.queue.memory.usage"), "bytes")
	}
}
