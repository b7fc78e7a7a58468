package jitter_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/jitter"
)

// The targets in this file hold the arithmetic against that of math/big, which
// knows no overflow. Each result is random, so each is drawn a few times.
const fuzzDraws = 8

// extremes are where arithmetic goes wrong.
var extremes = []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, 2, int64(time.Second), 1 << 62, 1<<62 + 1, math.MaxInt64 - 1, math.MaxInt64}

func FuzzUniform(f *testing.F) {
	for _, n := range extremes {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		for range fuzzDraws {
			got := jitter.Uniform(n)
			require.GreaterOrEqual(t, got, int64(0))
			require.LessOrEqual(t, got, max(n, 0))
			require.LessOrEqual(t, jitter.Uniform(int(n)), max(int(n), 0))
		}
	})
}

func FuzzAdd(f *testing.F) {
	for _, base := range extremes {
		for _, n := range extremes {
			f.Add(base, n)
		}
	}
	f.Fuzz(func(t *testing.T, base, n int64) {
		most := new(big.Int).Add(big.NewInt(base), big.NewInt(max(n, 0)))
		if !most.IsInt64() {
			most.SetInt64(math.MaxInt64)
		}
		for range fuzzDraws {
			got := jitter.Add(base, n)
			require.GreaterOrEqual(t, got, base, "it adds, and never wraps")
			require.LessOrEqual(t, got, most.Int64())
		}
	})
}

func FuzzBackoff(f *testing.F) {
	for _, minimum := range extremes {
		for _, maximum := range extremes {
			for _, attempt := range []int{math.MinInt, 1, 2, 63, 64, math.MaxInt} {
				f.Add(minimum, maximum, attempt)
			}
		}
	}
	f.Fuzz(func(t *testing.T, minimum, maximum int64, attempt int) {
		// Beyond 64 doublings nothing changes any more, and a shift by all that an
		// int can hold would not fit into memory.
		bound := new(big.Int).Lsh(big.NewInt(max(minimum, 0)), uint(min(max(attempt, 1)-1, 64)))
		if most := big.NewInt(max(maximum, 0)); bound.Cmp(most) > 0 {
			bound = most
		}
		for range fuzzDraws {
			got := jitter.Backoff(time.Duration(minimum), time.Duration(maximum), attempt)
			require.GreaterOrEqual(t, got, time.Duration(0))
			require.LessOrEqual(t, int64(got), bound.Int64())
		}
	})
}
