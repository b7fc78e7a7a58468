package jitter_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/jitter"
)

// draws is how often a random result is drawn where a test looks at its range
// or its mean.
const draws = 20_000

func TestUniform(t *testing.T) {
	for _, test := range []struct {
		name string
		n    int64
	}{
		{"zero", 0},
		{"one", 1},
		{"few", 6},
		{"a thousand", 1000},
		{"greatest but one", math.MaxInt64 - 1},
		{"greatest", math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 1000 {
				got := jitter.Uniform(test.n)
				require.GreaterOrEqual(t, got, int64(0))
				require.LessOrEqual(t, got, test.n)
			}
		})
	}
}

func TestUniformOfNothing(t *testing.T) {
	for _, n := range []int{0, -1, -1000, math.MinInt} {
		assert.Zero(t, jitter.Uniform(n), "n = %d", n)
	}
	for _, n := range []time.Duration{0, -1, -time.Hour, math.MinInt64} {
		assert.Zero(t, jitter.Uniform(n), "n = %d", n)
	}
}

func TestUniformReachesBothBoundsEvenly(t *testing.T) {
	const n = 4
	var seen [n + 1]int
	for range draws {
		seen[jitter.Uniform(n)]++
	}
	for value, count := range seen {
		// Five standard deviations of a binomial of this size are about 280.
		assert.InDelta(t, draws/(n+1), count, 350, "value %d", value)
	}
}

func TestUniformMean(t *testing.T) {
	for _, n := range []time.Duration{time.Second, 24 * time.Hour, math.MaxInt64} {
		assert.InEpsilon(t, float64(n)/2, mean(func() time.Duration { return jitter.Uniform(n) }), 0.05, "n = %d", n)
	}
}

func TestAdd(t *testing.T) {
	for _, test := range []struct {
		name             string
		base, n          int64
		atLeast, notOver int64
	}{
		{"no jitter", 5000, 0, 5000, 5000},
		{"negative jitter is none", 5000, -7, 5000, 5000},
		{"most negative jitter is none", 5000, math.MinInt64, 5000, 5000},
		{"some", 5000, 100, 5000, 5100},
		{"to a negative base", -50, 100, -50, 50},
		{"to the most negative base", math.MinInt64, 1, math.MinInt64, math.MinInt64 + 1},
		{"greatest to the most negative", math.MinInt64, math.MaxInt64, math.MinInt64, -1},
		{"just fits", math.MaxInt64 - 10, 10, math.MaxInt64 - 10, math.MaxInt64},
		{"nothing to the greatest", math.MaxInt64, 0, math.MaxInt64, math.MaxInt64},
		{"one over", math.MaxInt64, 1, math.MaxInt64, math.MaxInt64},
		{"a fifth over", math.MaxInt64, math.MaxInt64 / 5, math.MaxInt64, math.MaxInt64},
		{"greatest to the greatest", math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64},
		{"greatest to one", 1, math.MaxInt64, 1, math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 1000 {
				got := jitter.Add(test.base, test.n)
				require.GreaterOrEqual(t, got, test.atLeast)
				require.LessOrEqual(t, got, test.notOver)

				duration := jitter.Add(time.Duration(test.base), time.Duration(test.n))
				require.GreaterOrEqual(t, int64(duration), test.atLeast)
				require.LessOrEqual(t, int64(duration), test.notOver)
			}
		})
	}
}

func TestAddSaturatesAnInt(t *testing.T) {
	for range 1000 {
		got := jitter.Add(math.MaxInt, math.MaxInt)
		require.Equal(t, math.MaxInt, got)
	}
}

func TestAddReachesBothBounds(t *testing.T) {
	seen := make(map[int]bool)
	for range draws {
		seen[jitter.Add(10, 2)] = true
	}
	assert.Equal(t, map[int]bool{10: true, 11: true, 12: true}, seen)
}

func TestBackoffBound(t *testing.T) {
	const low, high = 100 * time.Millisecond, 30 * time.Second
	for _, test := range []struct {
		name     string
		min, max time.Duration
		attempt  int
		bound    time.Duration
	}{
		{"first", low, high, 1, 100 * time.Millisecond},
		{"second", low, high, 2, 200 * time.Millisecond},
		{"third", low, high, 3, 400 * time.Millisecond},
		{"last below the maximum", low, high, 9, 25600 * time.Millisecond},
		{"first at the maximum", low, high, 10, high},
		{"exactly the maximum", time.Second, 8 * time.Second, 4, 8 * time.Second},
		{"long outage", low, high, 1000, high},
		{"greatest attempt", low, high, math.MaxInt, high},
		{"attempt 0", low, high, 0, low},
		{"attempt -1", low, high, -1, low},
		{"most negative attempt", low, high, math.MinInt, low},
		{"no minimum", 0, high, 5, 0},
		{"no minimum, greatest attempt", 0, high, math.MaxInt, 0},
		{"negative minimum", -low, high, 5, 0},
		{"most negative minimum", math.MinInt64, math.MaxInt64, 5, 0},
		{"no maximum", low, 0, 5, 0},
		{"negative maximum", low, -high, 5, 0},
		{"most negative both", math.MinInt64, math.MinInt64, math.MinInt, 0},
		{"maximum below minimum", high, low, 1, low},
		{"a nanosecond, doubled 62 times", 1, math.MaxInt64, 63, 1 << 62},
		{"a nanosecond, doubled 63 times", 1, math.MaxInt64, 64, math.MaxInt64},
		{"a nanosecond, doubled 64 times", 1, math.MaxInt64, 65, math.MaxInt64},
		{"doubling just overflows", 1 << 62, math.MaxInt64, 2, math.MaxInt64},
		{"greatest everything", math.MaxInt64, math.MaxInt64, math.MaxInt, math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			var longest time.Duration
			for range 1000 {
				got := jitter.Backoff(test.min, test.max, test.attempt)
				require.GreaterOrEqual(t, got, time.Duration(0))
				require.LessOrEqual(t, got, test.bound)
				longest = max(longest, got)
			}
			// Of a thousand draws the longest is all but surely in the upper
			// twentieth: the odds against are 0.95^1000.
			assert.GreaterOrEqual(t, longest, test.bound/20*19, "the bound is out of reach")
		})
	}
}

func TestBackoffIsFullJitter(t *testing.T) {
	// Full jitter is uniform from 0, so its mean is half the bound. "Equal
	// jitter" would come to three quarters.
	for attempt, bound := range map[int]time.Duration{
		1:  100 * time.Millisecond,
		4:  800 * time.Millisecond,
		9:  25600 * time.Millisecond,
		99: 30 * time.Second,
	} {
		got := mean(func() time.Duration {
			return jitter.Backoff(100*time.Millisecond, 30*time.Second, attempt)
		})
		assert.InEpsilon(t, float64(bound)/2, got, 0.05, "attempt %d", attempt)
	}
}

func TestNothingAllocates(t *testing.T) {
	allocated := testing.AllocsPerRun(100, func() {
		jitter.Add(5000, 100)
		jitter.Backoff(time.Second, time.Minute, 3)
	})
	assert.Zero(t, allocated)
}

// FuzzSaturation looks for inputs that leave the documented range.
func FuzzSaturation(f *testing.F) {
	extremes := []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, 1 << 32, 1 << 62, math.MaxInt64 - 1, math.MaxInt64}
	for _, a := range extremes {
		for _, b := range extremes {
			f.Add(a, b, 2)
			f.Add(a, b, int(a))
		}
	}
	f.Fuzz(func(t *testing.T, a, b int64, attempt int) {
		uniform := jitter.Uniform(a)
		require.GreaterOrEqual(t, uniform, int64(0))
		require.LessOrEqual(t, uniform, max(a, 0))

		sum := jitter.Add(a, b)
		require.GreaterOrEqual(t, sum, a, "a sum below its base has wrapped")
		if b <= 0 {
			require.Equal(t, a, sum)
		} else if a <= math.MaxInt64-b {
			require.LessOrEqual(t, sum, a+b)
		}

		wait := jitter.Backoff(time.Duration(a), time.Duration(b), attempt)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, max(time.Duration(b), 0))
		if attempt <= 1 {
			require.LessOrEqual(t, wait, max(time.Duration(a), 0))
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	for b.Loop() {
		jitter.Add(5000, 500)
	}
}

// mean draws often, and returns the mean as a float64, which no sum overflows.
func mean(draw func() time.Duration) float64 {
	var sum float64
	for range draws {
		sum += float64(draw())
	}
	return sum / draws
}
