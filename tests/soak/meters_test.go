package soak

import (
	"context"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// meters is an OpenTelemetry SDK that is read at every sample.
type meters struct {
	reader *sdkmetric.ManualReader
	all    metricdata.ResourceMetrics
}

func newMeters() (*meters, *sdkmetric.MeterProvider) {
	m := &meters{reader: sdkmetric.NewManualReader()}
	return m, sdkmetric.NewMeterProvider(sdkmetric.WithReader(m.reader))
}

// sample checks that no counter and no gauge is negative.
func (m *meters) sample(t *testing.T) {
	if err := m.reader.Collect(context.Background(), &m.all); err != nil {
		t.Error(err)
		return
	}
	seen := 0
	for _, scope := range m.all.ScopeMetrics {
		for _, instrument := range scope.Metrics {
			switch data := instrument.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					seen++
					if point.Value < 0 {
						t.Errorf("%s is %d", instrument.Name, point.Value)
					}
				}
			case metricdata.Gauge[float64]:
				for _, point := range data.DataPoints {
					seen++
					if point.Value < 0 {
						t.Errorf("%s is %g", instrument.Name, point.Value)
					}
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no metrics were collected")
	}
}
