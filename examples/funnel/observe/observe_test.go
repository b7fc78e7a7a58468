package observe

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

func TestStartNeedsAService(t *testing.T) {
	_, err := Start(t.Context(), Config{})
	assert.ErrorContains(t, err, "Service is empty")
}

// A buffer does real work, and /metrics shows each of its instruments under the
// name, with the unit and of the kind that a dashboard relies on.
func TestMetricsShowWhatABufferDid(t *testing.T) {
	clearEnvironment(t)
	o := start(t, Config{Service: "funnel", Version: "1.2.3"})
	work(t, o)

	families := scrape(t, o)
	for name, kind := range map[string]dto.MetricType{
		"databuffer_item_accepted_total":          dto.MetricType_COUNTER,
		"databuffer_item_rejected_total":          dto.MetricType_COUNTER,
		"databuffer_item_processed_total":         dto.MetricType_COUNTER,
		"databuffer_item_retried_total":           dto.MetricType_COUNTER,
		"databuffer_queue_size":                   dto.MetricType_GAUGE,
		"databuffer_queue_capacity":               dto.MetricType_GAUGE,
		"databuffer_queue_memory_usage_bytes":     dto.MetricType_GAUGE,
		"databuffer_item_inflight":                dto.MetricType_GAUGE,
		"databuffer_insert_waiting":               dto.MetricType_GAUGE,
		"databuffer_flush_inflight":               dto.MetricType_GAUGE,
		"databuffer_flush_abandoned":              dto.MetricType_GAUGE,
		"databuffer_item_oldest_age_seconds":      dto.MetricType_GAUGE,
		"databuffer_batch_size":                   dto.MetricType_HISTOGRAM,
		"databuffer_batch_age_seconds":            dto.MetricType_HISTOGRAM,
		"databuffer_flush_duration_seconds":       dto.MetricType_HISTOGRAM,
		"databuffer_attempt_duration_seconds":     dto.MetricType_HISTOGRAM,
		"databuffer_insert_wait_duration_seconds": dto.MetricType_HISTOGRAM,
		"go_goroutines":                           dto.MetricType_GAUGE,
		"process_resident_memory_bytes":           dto.MetricType_GAUGE,
		"target_info":                             dto.MetricType_GAUGE,
	} {
		if assert.Contains(t, families, name) {
			assert.Equal(t, kind, families[name].GetType(), name)
		}
	}

	assert.EqualValues(t, 25, sum(families["databuffer_item_accepted_total"]))
	assert.EqualValues(t, 25, sum(families["databuffer_item_processed_total"], "databuffer_outcome", "delivered"))
	assert.Zero(t, sum(families["databuffer_queue_size"]))
	sizes := families["databuffer_batch_size"].GetMetric()
	var batches, items float64
	for _, m := range sizes {
		batches += float64(m.GetHistogram().GetSampleCount())
		items += m.GetHistogram().GetSampleSum()
	}
	assert.Equal(t, 3.0, batches, "two by size, one by shutdown")
	assert.Equal(t, 25.0, items)

	info := labels(families["target_info"].GetMetric()[0])
	assert.Equal(t, "funnel", info["service_name"])
	assert.Equal(t, "1.2.3", info["service_version"])
}

// The insert that waited is seen as a duration in seconds.
func TestSecondsAreSeconds(t *testing.T) {
	clearEnvironment(t)
	o := start(t, Config{Service: "funnel"})
	work(t, o)
	waited := scrape(t, o)["databuffer_insert_wait_duration_seconds"].GetMetric()[0].GetHistogram()
	assert.EqualValues(t, 1, waited.GetSampleCount())
	assert.Greater(t, waited.GetSampleSum(), 0.0)
	assert.Less(t, waited.GetSampleSum(), 30.0)
}

func TestEnvironmentNamesTheService(t *testing.T) {
	clearEnvironment(t)
	t.Setenv("OTEL_SERVICE_NAME", "ingest-eu")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
	o := start(t, Config{Service: "funnel"})
	info := labels(scrape(t, o)["target_info"].GetMetric()[0])
	assert.Equal(t, "ingest-eu", info["service_name"])
	assert.Equal(t, "staging", info["deployment_environment_name"])

	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "no value")
	_, err := Start(t.Context(), Config{Service: "funnel"})
	assert.ErrorContains(t, err, "OTEL_RESOURCE_ATTRIBUTES")
}

// Two in one process do not share a registry.
func TestTwoDoNotCollide(t *testing.T) {
	clearEnvironment(t)
	a, b := start(t, Config{Service: "a"}), start(t, Config{Service: "b"})
	work(t, a)
	assert.Contains(t, scrape(t, a), "databuffer_item_accepted_total")
	assert.NotContains(t, scrape(t, b), "databuffer_item_accepted_total")
}

func start(t *testing.T, cfg Config) *Observe {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	o, err := Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = o.Shutdown(context.Background()) }) // a second one may say that it is over
	return o
}

// clearEnvironment takes away what the machine that runs the tests may have set.
func clearEnvironment(t *testing.T) {
	for _, name := range []string{
		envDisabled, envExporter, envEndpoint, envTracesEndpoint, envProtocol, envTracesProtocol,
		"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_HEADERS",
	} {
		t.Setenv(name, "")
	}
}

// work sends 25 items through a buffer, in batches of 10, while the destination
// is held up until one insert has had to wait for it.
func work(t *testing.T, o *Observe) {
	t.Helper()
	held := make(chan struct{})
	b, err := buffer.New(buffer.Config[int]{
		Name: "readings",
		Flusher: flusher.Items(func(context.Context, []int) error {
			<-held
			return nil
		}),
		MaxSize:        10,
		FlushInterval:  -1,
		SizeOf:         func(int) int { return 8 },
		MeterProvider:  o.Meters(),
		TracerProvider: o.Tracers(),
	})
	require.NoError(t, err)

	done := make(chan error)
	go func() {
		for i := range 25 {
			if err := b.Insert(context.Background(), i); err != nil {
				done <- fmt.Errorf("item %d: %w", i, err)
				return
			}
		}
		done <- nil
	}()
	require.Eventually(t, func() bool { return b.Info().Waiting == 1 }, 10*time.Second, time.Millisecond)
	close(held)
	require.NoError(t, <-done)
	require.NoError(t, b.Shutdown(context.Background()))
}

func scrape(t *testing.T, o *Observe) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	o.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, w.Code, string(body))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(body)))
	require.NoError(t, err)
	return families
}

// sum adds up the values of those that have all of these labels.
func sum(family *dto.MetricFamily, wanted ...string) float64 {
	var total float64
next:
	for _, m := range family.GetMetric() {
		has := labels(m)
		for i := 0; i < len(wanted); i += 2 {
			if has[wanted[i]] != wanted[i+1] {
				continue next
			}
		}
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return total
}

func labels(m *dto.Metric) map[string]string {
	has := make(map[string]string)
	for _, pair := range m.GetLabel() {
		has[pair.GetName()] = pair.GetValue()
	}
	return has
}
