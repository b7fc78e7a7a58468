// Package observe sets OpenTelemetry up: metrics for Prometheus to collect, and
// traces over OTLP where the environment says where to.
//
// The library and the other packages of funnel know OpenTelemetry's API only.
// This is the one place that knows an SDK.
package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// Config says what is observed.
type Config struct {
	Service string // service.name, unless OTEL_SERVICE_NAME names another; required
	Version string // service.version
	Logger  *slog.Logger
}

// Observe holds the providers. Its methods may be called from several goroutines
// at once.
type Observe struct {
	registry *prometheus.Registry
	logger   *slog.Logger
	meters   *sdkmetric.MeterProvider
	tracers  trace.TracerProvider
	target   string // where spans go; empty: nowhere

	endTraces func(context.Context) error
}

// Start sets up both providers. It does not block: a collector of traces that is
// not there is found out, and logged, when the first spans are sent.
//
// It reads OpenTelemetry's own variables: OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES for the resource, and those that tracing names. A bad
// one is an error that names it.
//
// What the SDK has to complain about, such as spans that could not be sent, goes
// to the Logger. OpenTelemetry has one handler for that in a process, so that of
// several Observes the last one started gets it.
func Start(ctx context.Context, cfg Config) (*Observe, error) {
	if cfg.Service == "" {
		return nil, errors.New("observe: Service is empty, and every metric and span is known by it")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	res, err := describe(ctx, cfg)
	if err != nil {
		return nil, err
	}
	tracing, err := readTracing()
	if err != nil {
		return nil, err
	}

	// A registry of our own: what other packages put into the default one is
	// theirs, and two Observes in one process, as in tests, do not collide.
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	exporter, err := promexporter.New(promexporter.WithRegisterer(registry))
	if err != nil {
		return nil, fmt.Errorf("observe: exporter for Prometheus: %w", err)
	}

	o := &Observe{
		registry:  registry,
		logger:    cfg.Logger,
		meters:    sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(res)),
		tracers:   tracenoop.NewTracerProvider(),
		endTraces: func(context.Context) error { return nil },
	}
	if tracing.on() {
		provider, err := tracing.start(ctx, res)
		if err != nil {
			return nil, errors.Join(err, o.meters.Shutdown(ctx))
		}
		o.tracers, o.endTraces, o.target = provider, provider.Shutdown, tracing.target()
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		cfg.Logger.Warn("OpenTelemetry", "error", err)
	}))
	return o, nil
}

// describe is the resource: what all metrics and spans of this process share.
// What the environment says comes last, so that it wins.
func describe(ctx context.Context, cfg Config) (*resource.Resource, error) {
	res, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(
			semconv.ServiceName(cfg.Service),
			semconv.ServiceVersion(cfg.Version),
		),
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("observe: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return res, nil
}

// Meters is for buffer.Config.MeterProvider and whoever else measures.
func (o *Observe) Meters() metric.MeterProvider { return o.meters }

// Tracers is for buffer.Config.TracerProvider. Without a collector it is a no-op,
// which costs an insert nothing.
func (o *Observe) Tracers() trace.TracerProvider { return o.tracers }

// Traces is where spans are sent to, for the log; empty where tracing is off.
func (o *Observe) Traces() string { return o.target }

// Metrics answers a Prometheus server's GET /metrics. What cannot be collected is
// logged and left out, since a part of the metrics is better than none.
func (o *Observe) Metrics() http.Handler {
	return promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{
		ErrorLog:      errorLog{o.logger},
		ErrorHandling: promhttp.ContinueOnError,

		// A scrape takes milliseconds. Without a limit, clients that read slowly
		// would each hold a copy of all metrics.
		MaxRequestsInFlight: 8,
		EnableOpenMetrics:   true,
	})
}

// Shutdown sends the spans that are left, until ctx ends, and ends both
// providers. Call it after whatever they measure has ended.
func (o *Observe) Shutdown(ctx context.Context) error {
	if err := errors.Join(o.endTraces(ctx), o.meters.Shutdown(ctx)); err != nil {
		return fmt.Errorf("observe: shut down: %w", err)
	}
	return nil
}

// errorLog is promhttp's logger over ours.
type errorLog struct{ *slog.Logger }

func (l errorLog) Println(v ...any) { l.Warn("metrics", "error", fmt.Sprint(v...)) }
