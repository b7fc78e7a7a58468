package observe

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// tracing is what the environment says of traces, by the names of OpenTelemetry's
// specification. The exporter reads most of the others by itself
// (OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE), and the SDK
// OTEL_TRACES_SAMPLER and OTEL_BSP_*.
type tracing struct {
	endpoint string
	off      bool
}

const (
	envDisabled       = "OTEL_SDK_DISABLED"
	envExporter       = "OTEL_TRACES_EXPORTER"
	envEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	envProtocol       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	envTracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
)

// readTracing reads the environment. The specification's default endpoint is
// localhost; here nothing is sent anywhere that nobody asked for.
func readTracing() (tracing, error) {
	t := tracing{off: strings.EqualFold(os.Getenv(envDisabled), "true")}
	switch exporter := os.Getenv(envExporter); exporter {
	case "", "otlp":
	case "none":
		t.off = true
	default:
		return t, fmt.Errorf("observe: %s is %q; otlp and none are there", envExporter, exporter)
	}

	name := envTracesEndpoint
	if t.endpoint = os.Getenv(name); t.endpoint == "" {
		name = envEndpoint
		t.endpoint = os.Getenv(name)
	}
	if !t.on() {
		return t, nil
	}
	if u, err := url.Parse(t.endpoint); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		// The exporter would log this and send to localhost instead. The value
		// is not repeated, as it may hold a password.
		return t, fmt.Errorf("observe: %s is not an http or https URL such as http://collector:4318", name)
	}
	for _, name := range []string{envTracesProtocol, envProtocol} {
		switch protocol := os.Getenv(name); protocol {
		case "", "http/protobuf":
		default:
			return t, fmt.Errorf("observe: %s is %q; only http/protobuf is there", name, protocol)
		}
	}
	return t, nil
}

func (t tracing) on() bool { return !t.off && t.endpoint != "" }

// target is the endpoint as it may be shown.
func (t tracing) target() string {
	u, err := url.Parse(t.endpoint)
	if err != nil {
		return ""
	}
	return u.Redacted()
}

// start makes a provider that sends spans in batches. What the collector cannot
// take is dropped: telemetry is not to hold up what it measures.
func (t tracing) start(ctx context.Context, res *resource.Resource) (*sdktrace.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("observe: exporter for traces: %w", err)
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(res),
	), nil
}
