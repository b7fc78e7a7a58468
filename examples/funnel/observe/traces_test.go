package observe

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Without an endpoint nothing is sent, not even to the specification's default.
func TestNoTracesUnlessConfigured(t *testing.T) {
	for name, set := range map[string]map[string]string{
		"nothing is set":                       {},
		"the exporter is none":                 {envExporter: "none", envEndpoint: "http://127.0.0.1:4318"},
		"the SDK is switched off":              {envDisabled: "TRUE", envEndpoint: "http://127.0.0.1:4318"},
		"the exporter is set, but no endpoint": {envExporter: "otlp"},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			setAll(t, set)
			o := start(t, Config{Service: "funnel"})
			assert.Empty(t, o.Traces())
			_, span := o.Tracers().Tracer("test").Start(t.Context(), "nothing")
			assert.False(t, span.SpanContext().IsValid())
		})
	}
}

func TestBadTraceSettingsAreErrors(t *testing.T) {
	for name, test := range map[string]struct {
		set  map[string]string
		says []string
	}{
		"an endpoint without a scheme": {
			map[string]string{envEndpoint: "collector:4318"},
			[]string{envEndpoint, "http://collector:4318"},
		},
		"an endpoint of another scheme": {
			map[string]string{envTracesEndpoint: "ftp://collector"},
			[]string{envTracesEndpoint},
		},
		"gRPC": {
			map[string]string{envEndpoint: "http://collector:4317", envProtocol: "grpc"},
			[]string{envProtocol, `"grpc"`, "http/protobuf"},
		},
		"gRPC for traces": {
			map[string]string{envEndpoint: "http://collector:4317", envTracesProtocol: "grpc"},
			[]string{envTracesProtocol, `"grpc"`},
		},
		"another exporter": {
			map[string]string{envExporter: "zipkin"},
			[]string{envExporter, `"zipkin"`, "otlp"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			setAll(t, test.set)
			_, err := Start(t.Context(), Config{Service: "funnel"})
			for _, says := range test.says {
				assert.ErrorContains(t, err, says)
			}
		})
	}
}

// An endpoint may hold a password, which neither an error nor the log repeats.
func TestPasswordsAreNotShown(t *testing.T) {
	clearEnvironment(t)
	t.Setenv(envEndpoint, "http://user:secret@127.0.0.1:4318")
	o := start(t, Config{Service: "funnel"})
	assert.Contains(t, o.Traces(), "127.0.0.1:4318")
	assert.NotContains(t, o.Traces(), "secret")

	t.Setenv(envEndpoint, "ftp://user:secret@127.0.0.1")
	_, err := Start(t.Context(), Config{Service: "funnel"})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "secret")
}

// A buffer's spans reach the collector, with the service that they belong to.
func TestSpansReachTheCollector(t *testing.T) {
	clearEnvironment(t)
	c := newCollector(t, http.StatusOK)
	t.Setenv(envEndpoint, c.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue")
	o := start(t, Config{Service: "funnel", Version: "1.2.3"})
	assert.Equal(t, c.URL, o.Traces())
	work(t, o)
	require.NoError(t, o.Shutdown(context.Background()))

	spans, resources, tenants := c.received()
	assert.Equal(t, 25, spans["insert readings"])
	assert.Equal(t, 3, spans["flush readings"])
	assert.Equal(t, "funnel", resources["service.name"])
	assert.Equal(t, "1.2.3", resources["service.version"])
	assert.Equal(t, "opentelemetry", resources["telemetry.sdk.name"])
	assert.Equal(t, map[string]bool{"blue": true}, tenants)
}

// A collector that refuses is logged, and holds nothing up.
func TestARefusingCollectorIsLogged(t *testing.T) {
	clearEnvironment(t)
	c := newCollector(t, http.StatusBadRequest)
	t.Setenv(envTracesEndpoint, c.URL+"/v1/traces")
	var log logged
	o, err := Start(t.Context(), Config{Service: "funnel", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	work(t, o)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err = o.Shutdown(ctx)
	assert.True(t, err != nil || log.has("400"), "neither an error nor a log line: %v", err)
}

type fakeCollector struct {
	*httptest.Server
	mu        sync.Mutex // guards what follows
	spans     map[string]int
	resources map[string]string
	tenants   map[string]bool
}

func setAll(t *testing.T, set map[string]string) {
	for name, value := range set {
		t.Setenv(name, value)
	}
}

func newCollector(t *testing.T, status int) *fakeCollector {
	c := &fakeCollector{spans: map[string]int{}, resources: map[string]string{}, tenants: map[string]bool{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := new(collector.ExportTraceServiceRequest)
		if err == nil && r.URL.Path == "/v1/traces" {
			err = proto.Unmarshal(body, request)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.note(request.GetResourceSpans(), r.Header.Get("X-Tenant"))
		w.WriteHeader(status)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *fakeCollector) note(all []*tracepb.ResourceSpans, tenant string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tenants[tenant] = true
	for _, of := range all {
		for _, a := range of.GetResource().GetAttributes() {
			c.resources[a.GetKey()] = a.GetValue().GetStringValue()
		}
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans[span.GetName()]++
			}
		}
	}
}

func (c *fakeCollector) received() (spans map[string]int, resources map[string]string, tenants map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans, c.resources, c.tenants
}

// logged is a log that several goroutines write.
type logged struct {
	mu   sync.Mutex
	text string
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text += string(p)
	return len(p), nil
}

func (l *logged) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text, part)
}
