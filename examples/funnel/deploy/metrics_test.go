package deploy_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/observe"
	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// fake is a store that fails, refuses and keeps some, so that every metric is
// there.
type fake struct {
	store.Store
	mu    sync.Mutex
	tries int
}

func (f *fake) Write(_ context.Context, rows []store.Row) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries++
	if f.tries == 1 {
		return errors.New("not yet")
	}
	if f.tries == 3 {
		return flusher.Permanent(errors.New("never"))
	}
	return nil
}

// scrape is what /metrics shows of a pipeline that went through all this.
func scrape(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	o, err := observe.Start(t.Context(), observe.Config{Service: "funnel", Logger: quiet})
	require.NoError(t, err)
	p, err := pipeline.New(pipeline.Config{
		Store: &fake{}, Partitions: 1, MaxSize: 10, MeterProvider: o.Meters(), Logger: quiet,
		Retry: flusher.Retry{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond},
	})
	require.NoError(t, err)
	for range 5 {
		require.NoError(t, p.Insert(t.Context(), make([]pipeline.Item, 10)))
	}
	require.NoError(t, p.Shutdown(t.Context()))
	require.ErrorIs(t, p.Insert(t.Context(), []pipeline.Item{{Reading: reading.Reading{Sensor: "late"}}}), buffer.ErrClosed)

	w := httptest.NewRecorder()
	o.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.NoError(t, o.Shutdown(context.Background()))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	require.NoError(t, err)
	return families
}

// kafkaFamilies is what a whole funnel has about Kafka.
func kafkaFamilies(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	url := run(t, "-kafka", "embedded")
	// What is told of partitions is there once the group has given them out.
	var families map[string]*dto.MetricFamily
	require.Eventually(t, func() bool {
		response, err := http.Get(url + "metrics")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err = parser.TextToMetricFamilies(response.Body)
		return err == nil && families["funnel_kafka_behind"] != nil
	}, time.Minute, 50*time.Millisecond)
	maps.DeleteFunc(families, func(name string, _ *dto.MetricFamily) bool { return !strings.HasPrefix(name, "funnel_kafka_") })
	return families
}

// names are the series that can be asked for, and their labels.
func names(families map[string]*dto.MetricFamily) (metrics, labels map[string]bool) {
	metrics, labels = map[string]bool{}, map[string]bool{"instance": true}
	for name, family := range families {
		metrics[name] = true
		if family.GetType() == dto.MetricType_HISTOGRAM {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				metrics[name+part] = true
			}
		}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
	}
	return metrics, labels
}
