package telemetry

import (
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The units, in UCUM with the annotations that OpenTelemetry asks for.
const (
	unitItems   = "{item}"
	unitInserts = "{insert}"
	unitFlushes = "{flush}"
	unitBytes   = "By"
	unitSeconds = "s"
)

// The buckets' bounds. OpenTelemetry's default ones are milliseconds and of no
// use for seconds. A flush takes from a millisecond (a local file) to minutes
// (a backoff without end); a batch any number of items.
var (
	secondBounds = []float64{
		0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
	}
	itemBounds = []float64{
		1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576,
	}
)

// instruments creates instruments, gathering the errors and what the callback
// observes.
type instruments struct {
	meter      metric.Meter
	observable []metric.Observable
	errs       []error
}

func (in *instruments) counter(name, unit, description string) metric.Int64ObservableCounter {
	c, err := in.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	in.add(c, err)
	return c
}

func (in *instruments) upDown(name, unit, description string) metric.Int64ObservableUpDownCounter {
	c, err := in.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	in.add(c, err)
	return c
}

func (in *instruments) age(name, description string) metric.Float64ObservableGauge {
	g, err := in.meter.Float64ObservableGauge(name, metric.WithUnit(unitSeconds), metric.WithDescription(description))
	in.add(g, err)
	return g
}

func (in *instruments) seconds(name, description string) metric.Float64Histogram {
	h, err := in.meter.Float64Histogram(name, metric.WithUnit(unitSeconds), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(secondBounds...))
	in.errs = append(in.errs, err)
	return h
}

func (in *instruments) items(name, description string) metric.Int64Histogram {
	h, err := in.meter.Int64Histogram(name, metric.WithUnit(unitItems), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(itemBounds...))
	in.errs = append(in.errs, err)
	return h
}

func (in *instruments) add(o metric.Observable, err error) {
	in.observable = append(in.observable, o)
	in.errs = append(in.errs, err)
}

// register sets the one callback of all observable instruments, unless one
// could not be created. One callback means one reading, so that the counts of a
// collection belong together.
func (in *instruments) register(callback metric.Callback) {
	if in.err() != nil {
		return
	}
	_, err := in.meter.RegisterCallback(callback, in.observable...)
	in.errs = append(in.errs, err)
}

func (in *instruments) err() error { return errors.Join(in.errs...) }

// options are one attribute set, ready to be given to an instrument. Built once
// they cost nothing, built for each value half a microsecond.
type (
	observeOptions []metric.ObserveOption
	recordOptions  []metric.RecordOption
)

func observing(attributes ...attribute.KeyValue) observeOptions {
	return observeOptions{metric.WithAttributeSet(attribute.NewSet(attributes...))}
}

func recording(attributes ...attribute.KeyValue) recordOptions {
	return recordOptions{metric.WithAttributeSet(attribute.NewSet(attributes...))}
}

// lazy is options that are made when they are first needed: most of what can fail
// never does, and a recorder stays with its MeterProvider for good.
type lazy[O any] struct{ made atomic.Pointer[O] }

func (l *lazy[O]) get(build func() O) O {
	if made := l.made.Load(); made != nil {
		return *made
	}
	made := build()
	l.made.Store(&made) // where somebody else was quicker, theirs is the same
	return made
}

// withClass adds error.type where c is a failure.
func withClass(c Class, attributes ...attribute.KeyValue) []attribute.KeyValue {
	if c == ClassNone {
		return attributes
	}
	return append(attributes, keyErrorType.String(c.String()))
}
