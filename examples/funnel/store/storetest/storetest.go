// Package storetest is the suite that every store passes.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// Options say how a store differs from others.
type Options struct {
	// RepeatsKeys: a repeated write stores its rows again, and only a query with
	// Exact counts a key once.
	RepeatsKeys bool

	// ReadBack reads all readings of a sensor and metric from a store whose
	// server cannot aggregate. The suite then asks it instead of Aggregate, and
	// leaves Sensors out.
	ReadBack func(t testing.TB, s store.Store, sensor, metric string) []reading.Reading
}

// Run tests the stores that open returns: a new and empty one each time. It
// closes them.
func Run(t *testing.T, open func(testing.TB) store.Store, options Options) {
	for _, scenario := range []struct {
		name string
		run  func(*suite)
	}{
		{"random readings add up", (*suite).randomReadings},
		{"buckets start at UTC's minutes, hours and days", (*suite).bucketStarts},
		{"a bucket holds what is in the query's range", (*suite).partsOfBuckets},
		{"From is in the range and To is not", (*suite).rangeEnds},
		{"the first and the last time", (*suite).extremeTimes},
		{"nothing to find", (*suite).nothing},
		{"values at the ends of float64", (*suite).extremeValues},
		{"a sum beyond float64", (*suite).infiniteSum},
		{"names are only names", (*suite).names},
		{"a zero byte in a name", (*suite).zeroByte},
		{"bad rows are rejected, others stored", (*suite).badRows},
		{"a batch of only bad rows", (*suite).onlyBadRows},
		{"a batch written twice", (*suite).repeatedBatch},
		{"a batch that overlaps with stored ones", (*suite).overlappingBatch},
		{"one key twice in a batch", (*suite).keyTwiceInBatch},
		{"keys in no order", (*suite).shuffledKeys},
		{"keys at the ends of int64", (*suite).extremeKeys},
		{"equal readings with different keys", (*suite).equalReadings},
		{"a large batch", (*suite).largeBatch},
		{"Write keeps nothing of rows", (*suite).keepsNothing},
		{"writers and readers at once", (*suite).concurrent},
		{"writers of the same batch at once", (*suite).concurrentRepeats},
		{"an ended context", (*suite).endedContext},
		{"a context that ends meanwhile", (*suite).endingContext},
		{"a closed store", (*suite).closed},
		{"sensors in order, and a limit", (*suite).sensors},
		{"questions that make no sense", (*suite).badQuestions},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			s := &suite{T: t, store: open(t), options: options, start: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
			t.Cleanup(func() { require.NoError(t, s.store.Close()) })
			require.NoError(t, s.store.Ping(t.Context()))
			scenario.run(s)
		})
	}
}

// suite is one scenario's store and what it helps with.
type suite struct {
	*testing.T
	store   store.Store
	options Options
	start   time.Time // of the readings that rows makes
}

// origin makes origins that are easy to tell apart.
func origin(n byte) [16]byte { return [16]byte{0: 0xfe, 7: n, 15: n} }

// rows makes n readings of sensor a, a second apart, with the values 1, 2, 3 ...
// and the keys of one origin from first on.
func (s *suite) rows(from byte, first int64, n int) []store.Row {
	rows := make([]store.Row, n)
	for i := range rows {
		rows[i] = store.Row{
			Reading: reading.Reading{
				Sensor: "a", Metric: reading.DefaultMetric, Value: float64(i + 1),
				Time: s.start.Add(time.Duration(i) * time.Second),
			},
			Key: store.Key{Origin: origin(from), Index: first + int64(i)},
		}
	}
	return rows
}

// fewer is n, or a small part of it where each question reads all there is, from
// a server that is slow in other things too.
func (s *suite) fewer(n int) int {
	if s.options.ReadBack == nil {
		return n
	}
	return max(3, n/30)
}

func (s *suite) write(rows []store.Row) {
	s.Helper()
	require.NoError(s, s.store.Write(s.Context(), rows))
}

// always selects all readings of sensor a.
func always(granularity store.Granularity) store.Query {
	return store.Query{
		Sensor: "a", Metric: reading.DefaultMetric, Granularity: granularity,
		From: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// holds requires that a query over what is stored finds exactly the readings of
// rows that it selects, each once.
func (s *suite) holds(rows []store.Row, query store.Query) {
	s.Helper()
	query.Exact = query.Exact || s.options.RepeatsKeys
	compare(s, exactly(rows, query), s.aggregate(query))
}

func (s *suite) aggregate(query store.Query) []store.Bucket {
	s.Helper()
	buckets, err := s.tryAggregate(s.Context(), query)
	require.NoError(s, err)
	return buckets
}

func (s *suite) tryAggregate(ctx context.Context, query store.Query) ([]store.Bucket, error) {
	if s.options.ReadBack == nil {
		return s.store.Aggregate(ctx, query)
	}
	var rows []store.Row
	for i, found := range s.options.ReadBack(s, s.store, query.Sensor, query.Metric) {
		rows = append(rows, store.Row{Reading: found, Key: store.Key{Index: int64(i)}})
	}
	return recompute(rows, query), nil
}

// rejects requires that err says of n rows that exactly those at the indexes
// will never be stored, and that all others are.
func (s *suite) rejects(err error, n int, indexes ...int) {
	s.Helper()
	require.Error(s, err)
	verdict := flusher.Inspect(err, n)
	require.Empty(s, verdict.Retry, "to be retried, of %v", err)
	require.Equal(s, indexes, verdict.Permanent, "rejected, of %v", err)
}

// requireEnded requires that err comes from the end of a context.
func requireEnded(t testing.TB, err error) {
	t.Helper()
	require.Error(t, err)
	require.True(t, errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded), "%v", err)
}
