package query

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// granularities by their names in a query.
var granularities = map[string]store.Granularity{"minute": store.Minute, "hour": store.Hour, "day": store.Day}

// parse reads the question.
func (h *Handler) parse(params url.Values, now time.Time) (q store.Query, granularity string, err error) {
	if err := only(params, "sensor", "metric", "from", "to", "granularity", "exact"); err != nil {
		return q, "", err
	}
	q.Sensor, q.Metric = params.Get("sensor"), params.Get("metric")
	if q.Metric == "" {
		q.Metric = reading.DefaultMetric
	}
	if len(q.Sensor) < 1 || len(q.Sensor) > reading.MaxName || len(q.Metric) > reading.MaxName {
		return q, "", fmt.Errorf("sensor has %d bytes, metric %d: allowed are 1 to %d, and sensor is required", len(q.Sensor), len(q.Metric), reading.MaxName)
	}
	switch exact := params.Get("exact"); exact {
	case "true":
		q.Exact = true
	case "", "false":
	default:
		return q, "", fmt.Errorf("exact is %.40q: allowed are true and false", exact)
	}
	granularity = params.Get("granularity")
	if granularity == "" {
		granularity = "minute"
	}
	var ok bool
	if q.Granularity, ok = granularities[granularity]; !ok {
		return q, "", fmt.Errorf("granularity is %.40q: allowed are minute, hour and day", granularity)
	}
	granule := time.Duration(q.Granularity)

	// Now is excluded from what is before it, and what was measured just now is
	// what one looks for.
	if q.To, err = at(params, "to", now.UTC().Truncate(time.Second).Add(time.Second)); err != nil {
		return q, "", err
	}
	if q.From, err = at(params, "from", q.To.Add(-defaultBuckets*granule)); err != nil {
		return q, "", err
	}
	if !q.From.Before(q.To) {
		return q, "", errors.New("from is not before to")
	}
	first := q.From.Unix() / int64(granule.Seconds())
	last := q.To.Add(-time.Microsecond).Unix() / int64(granule.Seconds())
	if buckets := last - first + 1; buckets > int64(h.cfg.MaxBuckets) {
		return q, "", fmt.Errorf("from and to are %d buckets apart: allowed are %d, so ask for less or for a coarser granularity", buckets, h.cfg.MaxBuckets)
	}
	return q, granularity, nil
}

func at(params url.Values, name string, standard time.Time) (time.Time, error) {
	text := params.Get(name)
	if text == "" {
		return standard, nil
	}
	t, err := reading.ParseTime(text)
	if err != nil {
		return t, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// only says which parameter there is not, or more than once.
func only(params url.Values, allowed ...string) error {
	for name, values := range params {
		if len(values) > 1 {
			return fmt.Errorf("the parameter %.40q is there %d times", name, len(values))
		}
		if !slices.Contains(allowed, name) {
			return fmt.Errorf("the parameter %.40q: there are %q", name, allowed)
		}
	}
	return nil
}
