package telemetry

import (
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// The tests of this package do without an SDK, so that the root module does.
// These stand in for one: they embed the API's no-ops and note what comes.

// tracers is a provider whose spans have IDs of their own, sampled or not: what
// tells an SDK from a no-op.
type tracers struct {
	tracenoop.TracerProvider
	sampled   bool
	recording bool // though not sampled
	spans     []*span
	last      atomic.Uint64
	scope     string
	version   string
}

func (t *tracers) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	config := trace.NewTracerConfig(options...)
	t.scope, t.version = name, config.InstrumentationVersion()
	return &tracer{provider: t}
}

// flushable is a provider as an SDK's is: it can be flushed.
type flushable struct{ *tracers }

func (flushable) ForceFlush(context.Context) error { return nil }

type tracer struct {
	tracenoop.Tracer
	provider *tracers
}

func (t *tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	config := trace.NewSpanStartConfig(options...)
	parent := trace.SpanContextFromContext(ctx)
	sc := spanContext(t.provider.last.Add(1)+1000, t.provider.sampled)
	if parent.IsValid() {
		sc = sc.WithTraceID(parent.TraceID())
	}
	s := &span{
		name: name, sc: sc, parent: parent, recording: t.provider.sampled || t.provider.recording,
		attributes: config.Attributes(), links: config.Links(),
	}
	t.provider.spans = append(t.provider.spans, s)
	return trace.ContextWithSpan(ctx, s), s
}

type span struct {
	tracenoop.Span
	name        string
	sc, parent  trace.SpanContext
	recording   bool
	attributes  []attribute.KeyValue
	links       []trace.Link
	events      []string
	eventValues [][]attribute.KeyValue
	status      codes.Code
	description string
	ended       int
}

func (s *span) SpanContext() trace.SpanContext { return s.sc }
func (s *span) IsRecording() bool              { return s.recording }
func (s *span) End(...trace.SpanEndOption)     { s.ended++ }
func (s *span) SetStatus(c codes.Code, description string) {
	s.status, s.description = c, description
}

func (s *span) SetAttributes(attributes ...attribute.KeyValue) {
	s.attributes = append(s.attributes, attributes...)
}

func (s *span) AddEvent(name string, options ...trace.EventOption) {
	s.events = append(s.events, name)
	config := trace.NewEventConfig(options...)
	s.eventValues = append(s.eventValues, config.Attributes())
}

// spanContext is one that is told by n.
func spanContext(n uint64, sampled bool) trace.SpanContext {
	config := trace.SpanContextConfig{}
	binary.BigEndian.PutUint64(config.TraceID[8:], n)
	binary.BigEndian.PutUint64(config.SpanID[:], n)
	if sampled {
		config.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(config)
}

// meters is a provider that notes the instruments and keeps the callback.
type meters struct {
	metricnoop.MeterProvider
	disabled bool
	broken   string // the instrument that cannot be created

	scope, version string
	units          map[string]string
	descriptions   map[string]string
	bounds         map[string][]float64
	observable     int
	callbacks      []metric.Callback
	recorded       map[string][]value
}

// value is what an instrument was given, with its attributes as text.
type value struct {
	number     float64
	attributes string
}

func (m *meters) Meter(name string, options ...metric.MeterOption) metric.Meter {
	config := metric.NewMeterConfig(options...)
	m.scope, m.version = name, config.InstrumentationVersion()
	m.units = make(map[string]string)
	m.descriptions = make(map[string]string)
	m.bounds = make(map[string][]float64)
	m.recorded = make(map[string][]value)
	return meter{meters: m}
}

type meter struct {
	metricnoop.Meter
	*meters
}

var errBroken = errors.New("broken")

func (m meter) note(name, unit, description string) error {
	m.units[name], m.descriptions[name] = unit, description
	if name == m.broken {
		return errBroken
	}
	return nil
}

func (m meter) Int64ObservableCounter(name string, options ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	config := metric.NewInt64ObservableCounterConfig(options...)
	return counter{name: name}, m.note(name, config.Unit(), config.Description())
}

func (m meter) Int64ObservableUpDownCounter(name string, options ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	config := metric.NewInt64ObservableUpDownCounterConfig(options...)
	return upDown{name: name}, m.note(name, config.Unit(), config.Description())
}

func (m meter) Float64ObservableGauge(name string, options ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	config := metric.NewFloat64ObservableGaugeConfig(options...)
	return gauge{name: name}, m.note(name, config.Unit(), config.Description())
}

func (m meter) Int64Histogram(name string, options ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	config := metric.NewInt64HistogramConfig(options...)
	m.bounds[name] = config.ExplicitBucketBoundaries()
	return intHistogram{name: name, meters: m.meters}, m.note(name, config.Unit(), config.Description())
}

func (m meter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	config := metric.NewFloat64HistogramConfig(options...)
	m.bounds[name] = config.ExplicitBucketBoundaries()
	return histogram{name: name, meters: m.meters}, m.note(name, config.Unit(), config.Description())
}

func (m meter) RegisterCallback(f metric.Callback, observed ...metric.Observable) (metric.Registration, error) {
	m.callbacks = append(m.callbacks, f)
	m.observable = len(observed)
	return metricnoop.Registration{}, nil
}

type counter struct {
	metricnoop.Int64ObservableCounter
	name string
}

type upDown struct {
	metricnoop.Int64ObservableUpDownCounter
	name string
}

type gauge struct {
	metricnoop.Float64ObservableGauge
	name string
}

type histogram struct {
	metricnoop.Float64Histogram
	name string
	*meters
}

func (h histogram) Enabled(context.Context) bool { return !h.disabled }

func (h histogram) Record(_ context.Context, n float64, options ...metric.RecordOption) {
	config := metric.NewRecordConfig(options)
	h.recorded[h.name] = append(h.recorded[h.name], value{n, text(config.Attributes())})
}

type intHistogram struct {
	metricnoop.Int64Histogram
	name string
	*meters
}

func (h intHistogram) Enabled(context.Context) bool { return !h.disabled }

func (h intHistogram) Record(_ context.Context, n int64, options ...metric.RecordOption) {
	config := metric.NewRecordConfig(options)
	h.recorded[h.name] = append(h.recorded[h.name], value{float64(n), text(config.Attributes())})
}

// observer notes one collection.
type observer struct {
	metricnoop.Observer
	values map[string]map[string]float64 // by instrument, then attributes
}

func (o observer) put(name string, n float64, options []metric.ObserveOption) {
	config := metric.NewObserveConfig(options)
	if o.values[name] == nil {
		o.values[name] = make(map[string]float64)
	}
	o.values[name][text(config.Attributes())] = n
}

func (o observer) ObserveInt64(instrument metric.Int64Observable, n int64, options ...metric.ObserveOption) {
	switch i := instrument.(type) {
	case counter:
		o.put(i.name, float64(n), options)
	case upDown:
		o.put(i.name, float64(n), options)
	}
}

func (o observer) ObserveFloat64(instrument metric.Float64Observable, n float64, options ...metric.ObserveOption) {
	o.put(instrument.(gauge).name, n, options)
}

// collect is what a reader does.
func (m *meters) collect() map[string]map[string]float64 {
	o := observer{values: make(map[string]map[string]float64)}
	for _, callback := range m.callbacks {
		if err := callback(context.Background(), o); err != nil {
			panic(err)
		}
	}
	return o.values
}

func text(set attribute.Set) string { return set.Encoded(attribute.DefaultEncoder()) }

func plain(attributes []attribute.KeyValue) map[string]any {
	m := make(map[string]any)
	for _, a := range attributes {
		m[string(a.Key)] = a.Value.AsInterface()
	}
	return m
}
