package postgres

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// aggregate gives sums that are to be multiplied by 2^64 where they are scaled.
func aggregate(scaled bool) string {
	sum := `sum(value)`
	if scaled {
		sum = `sum(value * 5.421010862427522e-20)` // 2^-64, exactly
	}
	return `
SELECT date_bin($5, time, '1970-01-01T00:00:00Z') AS start, count(*), min(value), max(value), ` + sum + `
FROM funnel_readings
WHERE series = (SELECT id FROM funnel_series WHERE sensor = $1 AND metric = $2) AND time >= $3 AND time < $4
GROUP BY start ORDER BY start`
}

// outOfRange is PostgreSQL's answer to a sum beyond float64.
const outOfRange = "22003"

// Aggregate implements store.Store, over one state of the database.
// Query.Exact changes nothing, as keys are enforced.
func (s *Store) Aggregate(ctx context.Context, query store.Query) ([]store.Bucket, error) {
	if err := query.Check(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	if strings.Contains(query.Sensor+query.Metric, "\x00") || !utf8.ValidString(query.Sensor+query.Metric) {
		return nil, ctx.Err() // PostgreSQL does not take such text, so that there is no such sensor
	}
	buckets, err := s.aggregate(ctx, query, 1)
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok && failure.Code == outOfRange {
		// A sum of small values loses digits beside this, which is better than
		// no answer at all.
		buckets, err = s.aggregate(ctx, query, 1<<64)
	}
	return buckets, s.classify(ctx, err)
}

func (s *Store) aggregate(ctx context.Context, query store.Query, scale float64) ([]store.Bucket, error) {
	from, to := query.Micros()
	rows, err := s.pool.Query(ctx, aggregate(scale != 1), query.Sensor, query.Metric,
		time.UnixMicro(from).UTC(), time.UnixMicro(to).UTC(), time.Duration(query.Granularity))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Bucket, error) {
		var bucket store.Bucket
		err := row.Scan(&bucket.Start, &bucket.Count, &bucket.Min, &bucket.Max, &bucket.Sum)
		bucket.Start = bucket.Start.UTC()
		bucket.Sum *= scale
		bucket.Mean = bucket.Sum / float64(bucket.Count)
		return bucket, err
	})
}

// Sensors implements store.Store.
func (s *Store) Sensors(ctx context.Context, limit int) ([]store.Sensor, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	// A sensor whose first write failed has a row here and no readings.
	rows, err := s.pool.Query(ctx, `
		SELECT sensor, metric, newest.time FROM funnel_series, LATERAL (
			SELECT time FROM funnel_readings WHERE series = id ORDER BY time DESC LIMIT 1
		) AS newest
		ORDER BY sensor, metric LIMIT $1`, limit)
	if err != nil {
		return nil, s.classify(ctx, err)
	}
	sensors, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Sensor, error) {
		var sensor store.Sensor
		err := row.Scan(&sensor.Sensor, &sensor.Metric, &sensor.Last)
		sensor.Last = sensor.Last.UTC()
		return sensor, err
	})
	return sensors, s.classify(ctx, err)
}
