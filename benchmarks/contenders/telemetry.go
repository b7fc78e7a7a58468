package contenders

import (
	"context"
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/buffer"
)

// The names of ours with an SDK, and of the SDK alone.
const (
	WithMetrics = RoundRobin + ", metrics"
	tracedAt    = RoundRobin + ", tracing %v %%"
	spansAt     = "the SDK's Start + End alone, %v %%"
)

// Traced is the name of ours with so many percent of traces sampled, and Spans
// of the SDK's own part of that.
func Traced(percent int) string { return fmt.Sprintf(tracedAt, percent) }

// Spans is the SDK alone.
func Spans(percent int) string { return fmt.Sprintf(spansAt, percent) }

// Telemetry is ours with and without an SDK, and the SDK alone.
func Telemetry() []measure.Contender {
	items := Values()
	all := []measure.Contender{Ours(items, RoundRobin), metered(items)}
	for _, percent := range []int{0, 1, 100} {
		all = append(all, traced(items, percent), spans(percent))
	}
	return all
}

func metered(items *Items[Record]) measure.Contender {
	return measure.Contender{Name: WithMetrics, Kind: measure.Ours, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		reader := sdkmetric.NewManualReader()
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		load, err := Ours(items, RoundRobin, func(cfg *buffer.Config[Record]) { cfg.MeterProvider = provider }).Start(w, sink)
		if err != nil {
			return load, err
		}
		shut := load.Close
		load.Close = func() error {
			if err := shut(); err != nil {
				return err
			}
			return reader.Collect(context.Background(), new(metricdata.ResourceMetrics))
		}
		return load, nil
	}}
}

// sampling is a provider that samples so many percent of traces, and exports
// them to nowhere by the SDK's own batcher.
func sampling(percent int) *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.TraceIDRatioBased(float64(percent)/100)),
		sdktrace.WithBatcher(exporter{new(measure.Sink)}),
	)
}

func traced(items *Items[Record], percent int) measure.Contender {
	return measure.Contender{Name: Traced(percent), Kind: measure.Ours, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		provider := sampling(percent)
		load, err := Ours(items, RoundRobin, func(cfg *buffer.Config[Record]) { cfg.TracerProvider = provider }).Start(w, sink)
		if err != nil {
			return load, err
		}
		shut := load.Close
		load.Close = func() error {
			if err := shut(); err != nil {
				return err
			}
			return provider.Shutdown(context.Background())
		}
		return load, nil
	}}
}

func spans(percent int) measure.Contender {
	return measure.Contender{Name: Spans(percent), Kind: measure.ByHand, Notes: []string{"spans only, no items"}, Start: func(_ measure.Work, sink *measure.Sink) (measure.Load, error) {
		provider := sampling(percent)
		tracer := provider.Tracer("bench")
		return measure.Load{
			Insert: func(_, n int) int {
				for range n {
					_, span := tracer.Start(ctx, "insert bench")
					span.End()
				}
				sink.Take(n)
				return n
			},
			Close: func() error { return provider.Shutdown(context.Background()) },
		}, nil
	}}
}
