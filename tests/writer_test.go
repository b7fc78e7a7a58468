package tests

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/writer"
)

// newWriter makes a Writer where nothing is due by itself.
func newWriter(t testing.TB, s *sdk, output io.Writer) *writer.Writer {
	t.Helper()
	w, err := writer.New(output, buffer.Config[[]byte]{
		Name: bufferName, FlushInterval: -1, TracerProvider: s.tracers, MeterProvider: s.meters,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.Close()) })
	return w
}

// A Writer that is stopped and started is one to OpenTelemetry: the counts go on.
func TestAWritersCountsGoOnOverRestarts(t *testing.T) {
	s := newSDK()
	var out strings.Builder
	w := newWriter(t, s, &out)
	for run := range 10 {
		for range 3 {
			_, err := fmt.Fprint(w, "12345")
			require.NoError(t, err)
		}
		m := s.collect(t)
		assert.EqualValues(t, 3*(run+1), m.value(t, "databuffer.item.accepted"))
		assert.EqualValues(t, 3, m.value(t, "databuffer.queue.size"))
		assert.EqualValues(t, 15, m.value(t, "databuffer.queue.memory.usage"))
		assert.EqualValues(t, 64<<10, m.value(t, "databuffer.queue.capacity"))
		require.NoError(t, w.Stop(context.Background()))
		m = s.collect(t)
		assert.EqualValues(t, 3*(run+1), m.value(t, "databuffer.item.accepted"))
		assert.Zero(t, m.value(t, "databuffer.queue.size"))
		assert.Zero(t, m.value(t, "databuffer.queue.capacity"))
		processed := 0.0
		for _, n := range m.values(t, "databuffer.item.processed") {
			processed += n
		}
		assert.EqualValues(t, 3*(run+1), processed)
		require.NoError(t, w.Start())
	}
	assert.Len(t, out.String(), 150)
}

// And it holds no more memory for it.
func TestRestartsOfAWriterHoldNoMemory(t *testing.T) {
	s := newSDK(neverSampled())
	w := newWriter(t, s, io.Discard)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	restart := func(n int) {
		for range n {
			_, err := fmt.Fprint(w, "12345")
			require.NoError(t, err)
			require.NoError(t, w.Restart(context.Background()))
		}
	}
	restart(10)
	before := heap()
	restart(300)
	s.collect(t)
	assert.Less(t, int64(heap())-int64(before), int64(1<<20), "a registration each would be 10 MB")
}

// While an SDK traces, each Write has its span, and arrives all the same.
func TestWritesAreTraced(t *testing.T) {
	s := newSDK(sdktrace.WithSampler(sdktrace.AlwaysSample()))
	var out strings.Builder
	w := newWriter(t, s, &out)
	for i := range 100 {
		n, err := fmt.Fprintf(w, "%d,", i)
		require.NoError(t, err)
		require.Positive(t, n)
	}
	require.NoError(t, w.Sync())
	assert.True(t, strings.HasPrefix(out.String(), "0,1,2,") && strings.HasSuffix(out.String(), "98,99,"))
	assert.Len(t, s.ended("insert"), 100)
	flushes := s.ended("flush")
	require.Len(t, flushes, 1)
	assert.Len(t, flushes[0].Links(), 100)
}

// A late tracer does nothing until an SDK is installed.
type lateTracer struct {
	noop.Tracer
	installed atomic.Bool
	sdk       trace.Tracer
}

func (l *lateTracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if l.installed.Load() {
		return l.sdk.Start(ctx, name, options...)
	}
	return l.Tracer.Start(ctx, name, options...)
}

type lateTracers struct {
	noop.TracerProvider
	tracer *lateTracer
}

func (l lateTracers) Tracer(string, ...trace.TracerOption) trace.Tracer { return l.tracer }

// A Writer sees an SDK that is installed later from the next flush on: as soon as
// that has begun, every Write has a span.
func TestAWriterSeesAnSDKInstalledLater(t *testing.T) {
	s := newSDK()
	tracer := &lateTracer{sdk: s.tracers.Tracer("late")}
	writing, proceed := make(chan struct{}), make(chan struct{})
	w, err := writer.New(output(func(p []byte) (int, error) {
		writing <- struct{}{}
		<-proceed
		return len(p), nil
	}), buffer.Config[[]byte]{Name: bufferName, FlushInterval: -1, MaxBytes: 200, TracerProvider: lateTracers{tracer: tracer}, MeterProvider: s.meters})
	require.NoError(t, err)
	write := func(n int) {
		for range n {
			_, err := fmt.Fprint(w, "12345")
			require.NoError(t, err)
		}
	}
	write(20)
	tracer.installed.Store(true)
	write(20)
	<-writing
	assert.Empty(t, s.ended("insert"), "it is not known yet")
	write(30)
	assert.Len(t, s.ended("insert"), 30, "the flush has found out, and is not over")
	close(proceed)
	go func() { <-writing }()
	require.NoError(t, w.Close())
	require.Len(t, s.ended("flush"), 2)
	assert.Equal(t, contexts(s.ended("insert")), links(s.ended("flush")[1]))
}

// output is an io.Writer.
type output func([]byte) (int, error)

func (o output) Write(p []byte) (int, error) { return o(p) }
