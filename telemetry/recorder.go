package telemetry

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config says for whom a [Recorder] records, and where to.
type Config struct {
	// Name is the buffer's: the attribute databuffer.name and the end of each
	// span's name. Two recorders of one name on one MeterProvider are summed.
	Name string

	// Sized says that the bytes held are known. Without it there is no
	// databuffer.queue.memory.usage.
	Sized bool

	// InsertSpans says which inserts get a span.
	InsertSpans SpanMode

	// Triggers are the values of databuffer.flush.trigger, by the number that
	// the methods take. A number beyond them is "_OTHER".
	Triggers []string

	TracerProvider trace.TracerProvider // nil: OpenTelemetry's global
	MeterProvider  metric.MeterProvider // nil: OpenTelemetry's global
}

// Recorder records the telemetry of one buffer. Its methods may be called from
// any goroutine, do not block and hold no lock. All but source is fixed by
// [New]; tracing only ever goes from false to true.
type Recorder struct {
	tracing atomic.Bool // read by each insert
	mode    SpanMode

	tracer     trace.Tracer
	insertName string
	flushName  string
	name       attribute.KeyValue
	triggers   []string // one more than given, see [Config]

	source atomic.Pointer[func() Observation] // nil until Observe

	gauges     *observables
	histograms *histograms
}

// New creates the instruments, registers their callback and finds out whether
// an SDK traces. It observes nothing before [Recorder.Observe] is called. The
// error joins what the MeterProvider refused.
func New(cfg Config) (*Recorder, error) {
	tracers, meters := cfg.TracerProvider, cfg.MeterProvider
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	triggers := make([]string, 0, len(cfg.Triggers)+1)
	triggers = append(append(triggers, cfg.Triggers...), other)

	r := &Recorder{
		mode:       cfg.InsertSpans,
		tracer:     tracers.Tracer(Scope, trace.WithInstrumentationVersion(Version)),
		insertName: "insert " + cfg.Name,
		flushName:  "flush " + cfg.Name,
		name:       keyName.String(cfg.Name),
		triggers:   triggers,
	}
	in := instruments{meter: meters.Meter(Scope, metric.WithInstrumentationVersion(Version))}
	r.gauges = newObservables(&in, r.name, cfg.Sized)
	r.histograms = newHistograms(&in, r.name, len(triggers))
	// Registered for good: after Unregister the last collection exports nothing,
	// and the final counts would be lost.
	in.register(r.collect)
	if err := in.err(); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	r.tracing.Store(traces(tracers, r.tracer))
	return r, nil
}

// Tracing reports whether an SDK's tracer is there. It is one atomic load: all
// that an insert pays while none is.
func (r *Recorder) Tracing() bool { return r.tracing.Load() }

// TracingFlag is what Tracing loads. A generic function is compiled in the
// package that uses it, and calls of a package that this one does not import are
// not inlined there; a load always is.
func (r *Recorder) TracingFlag() *atomic.Bool { return &r.tracing }

// trigger returns the index of a trigger's prebuilt options and name.
func (r *Recorder) trigger(t uint8) int { return min(int(t), len(r.triggers)-1) }

// traces finds out whether tracer is an SDK's. A tracer has no Enabled, so it
// is known by what it does: an SDK gives each span an ID of its own, sampled or
// not, while the API's no-ops, and its global before an SDK is installed, hand
// on the parent's.
//
// Starting a span to see has a price where an SDK records it, for it must not
// be ended, or it would be exported. So the two kinds that can be told without
// are, and the parent of the probe is one that is not sampled, which is what
// most samplers go by.
func traces(provider trace.TracerProvider, tracer trace.Tracer) bool {
	// An SDK that was shut down hands out no-ops too, so this is asked first.
	if _, ok := tracer.(noop.Tracer); ok {
		return false
	}
	// The flushing of spans is an SDK's: the API's providers have no such method.
	if _, ok := provider.(interface {
		ForceFlush(ctx context.Context) error
	}); ok {
		return true
	}
	parent := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, Remote: true,
	})
	ctx := trace.ContextWithSpanContext(context.Background(), parent)
	_, span := tracer.Start(ctx, "probe")
	sc := span.SpanContext()
	return sc.IsValid() && sc.SpanID() != parent.SpanID()
}
