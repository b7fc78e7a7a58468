package tests

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/go-databuffer/databuffer/flusher"
)

// TestReadmeTelemetry holds the README's table of instruments to what an SDK
// records: each instrument has its row, with its kind and unit, and each row its
// instrument.
func TestReadmeTelemetry(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Telemetry\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	type instrument struct{ kind, unit string }
	rows := make(map[string]instrument)
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\| ([^|]*) \\| ([^|]*) \\|").FindAllStringSubmatch(section, -1) {
		var last string
		for _, name := range strings.Split(row[1], ", ") {
			name = strings.Trim(name, "`")
			if strings.HasPrefix(name, ".") { // in the place of the last part of the one before
				name = last[:strings.LastIndex(last, ".")] + name
			}
			last = name
			rows[name] = instrument{row[2], row[3]}
		}
	}

	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		cfg := s.config(answer(func(context.Context, flusher.Batch[int]) error {
			time.Sleep(time.Second)
			return nil
		}))
		cfg.SizeOf = func(int) int { return 1 }
		cfg.MaxSize = 1
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3, 4, 5) // some of them wait
		shutdown(t, buf)

		recorded := make(map[string]instrument)
		for name, m := range s.collect(t) {
			recorded[name] = instrument{kind(m.Data), m.Unit}
		}
		assert.Equal(t, recorded, rows)
	})
}

// kind is what OpenTelemetry calls an instrument with such data. All that are not
// histograms are observable.
func kind(data metricdata.Aggregation) string {
	switch data := data.(type) {
	case metricdata.Histogram[int64], metricdata.Histogram[float64]:
		return "histogram"
	case metricdata.Sum[int64]:
		if data.IsMonotonic {
			return "observable counter"
		}
		return "observable up-down counter"
	case metricdata.Gauge[float64]:
		return "observable gauge"
	default:
		return "unknown"
	}
}
