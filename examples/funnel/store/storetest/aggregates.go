package storetest

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

var granularities = []store.Granularity{store.Minute, store.Hour, store.Day}

// randomReadings writes thousands of readings of all sizes, late ones among
// them, and asks random questions about them.
func (s *suite) randomReadings() {
	seed := rand.Uint64()
	s.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	names := []string{"a", "b", "boiler/3"}
	metrics := []string{reading.DefaultMetric, "°C"}
	var all []store.Row
	for batch := range 40 {
		rows := make([]store.Row, 1+random.IntN(200))
		for i := range rows {
			rows[i] = store.Row{
				Reading: reading.Reading{
					Sensor: names[random.IntN(len(names))], Metric: metrics[random.IntN(len(metrics))],
					Value: math.Ldexp(random.NormFloat64(), random.IntN(60)-30),
					Time:  s.start.Add(time.Duration(random.Int64N(int64(60 * time.Hour)))),
				},
				Key: store.Key{Origin: origin(byte(batch)), Index: int64(i)},
			}
		}
		s.write(rows)
		all = append(all, rows...)
	}
	for range s.fewer(60) {
		from := s.start.Add(time.Duration(random.Int64N(int64(70*time.Hour))) - 5*time.Hour)
		s.holds(all, store.Query{
			Sensor: names[random.IntN(len(names))], Metric: metrics[random.IntN(len(metrics))],
			From: from, To: from.Add(time.Duration(random.Int64N(int64(40 * time.Hour)))),
			Granularity: granularities[random.IntN(3)],
		})
	}
	for _, granularity := range granularities {
		s.holds(all, always(granularity))
	}
}

func (s *suite) bucketStarts() {
	east := time.FixedZone("east", 5*3600+1800)
	midnight := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	times := []time.Time{
		midnight.Add(-time.Microsecond), midnight, midnight.Add(time.Microsecond),
		midnight.Add(time.Minute - time.Microsecond), midnight.Add(time.Minute),
		midnight.Add(time.Hour - time.Microsecond), midnight.Add(time.Hour),
		midnight.Add(24*time.Hour - time.Microsecond), midnight.Add(24 * time.Hour), // the first of March
		midnight.Add(26 * time.Hour).In(east), midnight.Add(-26 * time.Hour).In(east),
	}
	rows := s.rows(1, 0, len(times))
	for i := range rows {
		rows[i].Time = times[i]
	}
	s.write(rows)
	for _, granularity := range granularities {
		s.holds(rows, always(granularity))
	}
	days := s.aggregate(always(store.Day))
	var starts []string
	for _, day := range days {
		starts = append(starts, day.Start.Format(time.RFC3339))
	}
	require.Equal(s, []string{
		"2024-02-27T00:00:00Z", "2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z",
	}, starts)
}

func (s *suite) partsOfBuckets() {
	rows := s.rows(1, 0, 600) // ten minutes from 03:04:05 on
	s.write(rows)
	query := always(store.Minute)
	query.From, query.To = s.start.Add(70*time.Second), s.start.Add(200*time.Second)
	s.holds(rows, query)
	buckets := s.aggregate(query)
	require.Equal(s, time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC), buckets[0].Start, "though the range starts at 03:05:15")
	require.EqualValues(s, 45, buckets[0].Count)
	query.Granularity = store.Day
	s.holds(rows, query)
	query.From, query.To = query.From.In(time.FixedZone("west", -8*3600)), query.To.In(time.FixedZone("east", 3600))
	s.holds(rows, query)
}

func (s *suite) rangeEnds() {
	rows := s.rows(1, 0, 5)
	for i := range rows {
		rows[i].Time = s.start.Add(time.Duration(i) * time.Microsecond)
	}
	rows[4].Time = rows[4].Time.Add(999) // stored to the microsecond
	s.write(rows)
	for from := range 12 {
		for to := range 12 {
			query := always(store.Minute)
			query.From = s.start.Add(time.Duration(from) * time.Microsecond / 2)
			query.To = s.start.Add(time.Duration(to) * time.Microsecond / 2)
			s.holds(rows, query)
		}
	}
}

func (s *suite) extremeTimes() {
	rows := s.rows(1, 0, 2)
	rows[0].Time = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	rows[1].Time = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	s.write(rows)
	for _, granularity := range granularities {
		s.holds(rows, always(granularity))
	}
	query := always(store.Day)
	query.From, query.To = time.Time{}, time.Date(200_000, 1, 1, 0, 0, 0, 0, time.UTC)
	s.holds(rows, query)
}

func (s *suite) nothing() {
	require.NoError(s, s.store.Write(s.Context(), nil))
	require.NoError(s, s.store.Write(s.Context(), []store.Row{}))
	require.Empty(s, s.aggregate(always(store.Day)), "an empty store")
	rows := s.rows(1, 0, 10)
	s.write(rows)
	for name, change := range map[string]func(*store.Query){
		"another sensor":        func(q *store.Query) { q.Sensor = "b" },
		"another metric":        func(q *store.Query) { q.Metric = "b" },
		"sensor and metric":     func(q *store.Query) { q.Sensor, q.Metric = q.Metric, q.Sensor },
		"before all":            func(q *store.Query) { q.To = s.start },
		"after all":             func(q *store.Query) { q.From = s.start.Add(10 * time.Second) },
		"From is To":            func(q *store.Query) { q.From, q.To = s.start, s.start },
		"From is after To":      func(q *store.Query) { q.From, q.To = q.To, q.From },
		"between two of them":   func(q *store.Query) { q.From, q.To = s.start.Add(1), s.start.Add(time.Second) },
		"long before any of it": func(q *store.Query) { q.From, q.To = time.Time{}, time.Time{}.Add(time.Hour) },
	} {
		query := always(store.Minute)
		change(&query)
		require.Empty(s, s.aggregate(query), name)
	}
	s.holds(rows, always(store.Minute))
}

func (s *suite) extremeValues() {
	rows := s.rows(1, 0, 7)
	for i, value := range []float64{
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64,
		math.Copysign(0, -1), 0.1, 1 << 53,
	} {
		rows[i].Value = value
		rows[i].Time = s.start.Add(time.Duration(i) * time.Minute) // a bucket each
	}
	s.write(rows)
	s.holds(rows, always(store.Minute))
}

// infiniteSum: all answers but Sum and Mean stay what they are.
func (s *suite) infiniteSum() {
	rows := s.rows(1, 0, 120)
	for i := range rows[:60] {
		rows[i].Value = math.MaxFloat64
	}
	s.write(rows)
	for _, granularity := range granularities {
		s.holds(rows, always(granularity))
	}
}
