package tests

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// record is a 32-byte item.
type record [4]uint64

func benchBuffer(b *testing.B, cfg buffer.Config[record]) *buffer.Buffer[record] {
	b.Helper()
	cfg.Name = bufferName
	cfg.Flusher = flusher.Items(func(context.Context, []record) error { return nil })
	buf, err := buffer.New(cfg)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, buf.Shutdown(context.Background())) })
	return buf
}

// reading collects from s ten times a second, far more often than a reader does.
func (s *sdk) reading(b *testing.B) {
	b.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.collect(b)
			case <-done:
				return
			}
		}
	})
	b.Cleanup(func() { close(done); wg.Wait() })
}

// least runs what it is given in turn, a thousand times each, and returns the
// least time that one took, in nanoseconds: the ratio of two such figures holds
// on a busy machine too.
func least(b *testing.B, what ...func()) []float64 {
	b.Helper()
	const times = 1000
	best := make([]float64, len(what))
	for b.Loop() {
		for i, do := range what {
			start := time.Now()
			for range times {
				do()
			}
			took := float64(time.Since(start).Nanoseconds()) / times
			if best[i] == 0 || took < best[i] {
				best[i] = took
			}
		}
	}
	b.ReportMetric(0, "ns/op") // of all together: it says nothing
	return best
}

// BenchmarkPromises reports the two figures that are promised: what an insert
// that a tracer does not sample costs over the SDK's own Start and End (at most
// 30 ns), and how many times slower an insert is with an SDK's metrics than
// without (at most 1.2).
func BenchmarkPromises(b *testing.B) {
	ctx := context.Background()
	b.Run("never sampled", func(b *testing.B) {
		s := newSDK(neverSampled())
		tracer := s.tracers.Tracer("alone")
		buf := benchBuffer(b, buffer.Config[record]{
			Partitions: 8, MaxSize: 1000, TracerProvider: s.tracers, MeterProvider: metricnoop.NewMeterProvider(),
		})
		best := least(b, func() {
			_, span := tracer.Start(ctx, "insert events")
			span.End()
		}, func() {
			_ = buf.Insert(ctx, record{})
		})
		b.ReportMetric(best[1]-best[0], "ns-over")
	})
	b.Run("metrics", func(b *testing.B) {
		cfg := buffer.Config[record]{
			Partitions: 8, MaxSize: 1000, TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider(),
		}
		without := benchBuffer(b, cfg)
		s := newSDK()
		s.reading(b)
		cfg.MeterProvider = s.meters
		with := benchBuffer(b, cfg)
		best := least(b, func() {
			_ = without.Insert(ctx, record{})
		}, func() {
			_ = with.Insert(ctx, record{})
		})
		b.ReportMetric(best[1]/best[0], "times")
	})
}

// BenchmarkNeverSampled stands beside what the SDK itself takes for a span that
// it does not sample. The promise: Start + End, plus 30 ns.
func BenchmarkNeverSampled(b *testing.B) {
	ctx := context.Background()
	b.Run("StartEnd", func(b *testing.B) {
		tracer := newSDK(neverSampled()).tracers.Tracer("alone")
		b.ReportAllocs()
		for b.Loop() {
			_, span := tracer.Start(ctx, "insert events")
			span.End()
		}
	})
	b.Run("Recorder", func(b *testing.B) { // what package telemetry adds
		r := newRecorder(b, newSDK(neverSampled()), telemetry.SpanAlways)
		var links telemetry.Links
		b.ReportAllocs()
		for b.Loop() {
			insert := r.StartInsert(ctx)
			links.Add(insert.Link())
			insert.End(0, 1, nil)
		}
	})
	for _, mode := range []buffer.SpanMode{buffer.SpanAlways, buffer.SpanChild, buffer.SpanNever} {
		b.Run("Insert/"+mode.String(), func(b *testing.B) {
			s := newSDK(neverSampled())
			buf := benchBuffer(b, buffer.Config[record]{
				Partitions: 8, MaxSize: 1000, InsertSpans: mode,
				TracerProvider: s.tracers, MeterProvider: metricnoop.NewMeterProvider(),
			})
			b.ReportAllocs()
			for b.Loop() {
				_ = buf.Insert(ctx, record{})
			}
		})
	}
}

// BenchmarkSampled is what spans cost that are recorded, without an exporter.
func BenchmarkSampled(b *testing.B) {
	ctx := context.Background()
	s := newSDK()
	s.tracers.UnregisterSpanProcessor(s.spans)
	b.Run("StartEnd", func(b *testing.B) {
		tracer := s.tracers.Tracer("alone")
		b.ReportAllocs()
		for b.Loop() {
			_, span := tracer.Start(ctx, "insert events")
			span.End()
		}
	})
	b.Run("Insert", func(b *testing.B) {
		buf := benchBuffer(b, buffer.Config[record]{
			Partitions: 8, MaxSize: 1000, TracerProvider: s.tracers, MeterProvider: metricnoop.NewMeterProvider(),
		})
		b.ReportAllocs()
		for b.Loop() {
			_ = buf.Insert(ctx, record{})
		}
	})
}

// BenchmarkMetrics stands beside a buffer without an SDK: inserts, and the whole
// cycle of a batch of one. The promise for inserts: at most 1.2 times.
func BenchmarkMetrics(b *testing.B) {
	ctx := context.Background()
	for _, size := range []struct {
		name string
		n    int
	}{{"Insert", 1000}, {"FlushCycle", 1}} {
		for _, with := range []string{"none", "SDK"} {
			b.Run(size.name+"/"+with, func(b *testing.B) {
				cfg := buffer.Config[record]{Partitions: 8, MaxSize: size.n, TracerProvider: tracenoop.NewTracerProvider()}
				if with == "SDK" {
					s := newSDK()
					cfg.MeterProvider = s.meters
					s.reading(b)
				}
				buf := benchBuffer(b, cfg)
				b.ReportAllocs()
				for b.Loop() {
					_ = buf.Insert(ctx, record{})
				}
			})
		}
	}
}
