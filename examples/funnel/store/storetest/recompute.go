package storetest

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// expected is a bucket without rounding.
type expected struct {
	store.Bucket
	sum      *big.Float
	absolute float64 // the sum of the values without their signs
}

// exactBits hold any sum of float64 without rounding: their exponents span 2098
// bits, and a few more for carries.
const exactBits = 2200

// recompute is Aggregate as plainly as it can be written. Each key counts once.
func recompute(rows []store.Row, query store.Query) []store.Bucket {
	all := exactly(rows, query)
	buckets := make([]store.Bucket, len(all))
	for i := range all {
		buckets[i] = all[i].Bucket
	}
	return buckets
}

func exactly(rows []store.Row, query store.Query) []expected {
	seen := map[store.Key]bool{}
	byStart := map[time.Time]*expected{}
	for _, row := range rows {
		at := row.Time.UTC().Truncate(time.Microsecond)
		if row.Sensor != query.Sensor || row.Metric != query.Metric ||
			at.Before(query.From) || !at.Before(query.To) || seen[row.Key] {
			continue
		}
		seen[row.Key] = true
		start := startOf(at, query.Granularity)
		bucket := byStart[start]
		if bucket == nil {
			bucket = &expected{sum: new(big.Float).SetPrec(exactBits)}
			bucket.Bucket = store.Bucket{Start: start, Min: row.Value, Max: row.Value}
			byStart[start] = bucket
		}
		bucket.Count++
		bucket.Min, bucket.Max = min(bucket.Min, row.Value), max(bucket.Max, row.Value)
		bucket.sum.Add(bucket.sum, big.NewFloat(row.Value))
		bucket.absolute += math.Abs(row.Value)
	}
	var all []expected
	for _, bucket := range byStart {
		bucket.Sum, _ = bucket.sum.Float64()
		bucket.Mean, _ = new(big.Float).Quo(bucket.sum, big.NewFloat(float64(bucket.Count))).Float64()
		all = append(all, *bucket)
	}
	slices.SortFunc(all, func(a, b expected) int { return a.Start.Compare(b.Start) })
	return all
}

// startOf takes the calendar's word for it, where the stores divide.
func startOf(at time.Time, granularity store.Granularity) time.Time {
	year, month, day := at.Date()
	switch granularity {
	case store.Minute:
		return time.Date(year, month, day, at.Hour(), at.Minute(), 0, 0, time.UTC)
	case store.Hour:
		return time.Date(year, month, day, at.Hour(), 0, 0, 0, time.UTC)
	default:
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
}

// compare requires equal buckets, but for the rounding of sums.
//
// Adding n values one after another in any order errs by at most (n-1)u times
// the sum of their absolute values, to first order, where u is 2^-53 (Higham,
// Accuracy and Stability of Numerical Algorithms, section 4.2). Twice that
// leaves room for the rounding of the expected value and of the division.
func compare(t testing.TB, want []expected, got []store.Bucket) {
	t.Helper()
	require.Len(t, got, len(want), "buckets")
	for i, want := range want {
		got := got[i]
		require.Equal(t, want.Start, got.Start, "start of bucket %d", i)
		require.Equal(t, time.UTC, got.Start.Location(), "bucket %d", i)
		require.Equal(t, want.Count, got.Count, "count of bucket %v", want.Start)
		require.Equal(t, want.Min, got.Min, "min of bucket %v", want.Start)
		require.Equal(t, want.Max, got.Max, "max of bucket %v", want.Start)
		if math.IsInf(want.Sum, 0) {
			require.Equal(t, want.Sum, got.Sum, "sum of bucket %v", want.Start)
			continue
		}
		n := float64(want.Count)
		tolerance := 2 * n * 0x1p-53 * want.absolute
		require.InDelta(t, want.Sum, got.Sum, tolerance, "sum of bucket %v", want.Start)
		require.InDelta(t, want.Mean, got.Mean, tolerance/n+math.Abs(want.Mean)*0x1p-52, "mean of bucket %v", want.Start)
	}
}
