package flusher_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

func TestRetryLimits(t *testing.T) {
	for _, test := range []struct {
		name           string
		maxAttempts    int
		alone          int // 0: without end
		withDeadLetter int
		atDeadLetter   int
	}{
		{"default", 0, 0, 5, 5},
		{"without end", -1, 0, 0, 5},
		{"at most once", 1, 1, 1, 1},
		{"some", 3, 3, 3, 3},
		{"more than the default", 7, 7, 7, 7},
		{"greatest", math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt},
	} {
		t.Run(test.name, func(t *testing.T) {
			retry := flusher.Retry{MaxAttempts: test.maxAttempts}
			assert.Equal(t, test.alone, retry.Limit(false))
			assert.Equal(t, test.withDeadLetter, retry.Limit(true))
			assert.Equal(t, test.atDeadLetter, retry.DeadLetterLimit())
		})
	}
}

func TestRetryBackoff(t *testing.T) {
	for _, test := range []struct {
		name    string
		retry   flusher.Retry
		attempt int
		bound   time.Duration
	}{
		{"default, first", flusher.Retry{}, 1, 100 * time.Millisecond},
		{"default, second", flusher.Retry{}, 2, 200 * time.Millisecond},
		{"default, ninth", flusher.Retry{}, 9, 25600 * time.Millisecond},
		{"default, tenth", flusher.Retry{}, 10, 30 * time.Second},
		{"default, an outage", flusher.Retry{}, math.MaxInt, 30 * time.Second},
		{"attempt 0", flusher.Retry{}, 0, 100 * time.Millisecond},
		{"most negative attempt", flusher.Retry{}, math.MinInt, 100 * time.Millisecond},
		{"own minimum", flusher.Retry{MinBackoff: time.Second}, 3, 4 * time.Second},
		{"own minimum, default maximum", flusher.Retry{MinBackoff: time.Second}, 9, 30 * time.Second},
		{"own maximum", flusher.Retry{MaxBackoff: time.Second}, 9, time.Second},
		{"own both", flusher.Retry{MinBackoff: time.Second, MaxBackoff: time.Minute}, 6, 32 * time.Second},
		{"constant", flusher.Retry{MinBackoff: time.Second, MaxBackoff: time.Second}, 6, time.Second},
		{"greatest", flusher.Retry{MinBackoff: 1, MaxBackoff: math.MaxInt64}, math.MaxInt, math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			var longest time.Duration
			for range 1000 {
				wait := test.retry.Backoff(test.attempt)
				require.GreaterOrEqual(t, wait, time.Duration(0))
				require.LessOrEqual(t, wait, test.bound)
				longest = max(longest, wait)
			}
			assert.GreaterOrEqual(t, longest, test.bound/20*19)
		})
	}
}

func TestRetryValidate(t *testing.T) {
	for _, test := range []struct {
		name  string
		retry flusher.Retry
		want  []string // a line each; none: valid
	}{
		{"default", flusher.Retry{}, nil},
		{"without end", flusher.Retry{MaxAttempts: -1}, nil},
		{"at most once", flusher.Retry{MaxAttempts: 1}, nil},
		{"greatest", flusher.Retry{MaxAttempts: math.MaxInt, MinBackoff: 1, MaxBackoff: math.MaxInt64}, nil},
		{"equal bounds", flusher.Retry{MinBackoff: time.Second, MaxBackoff: time.Second}, nil},
		{"as long as the default maximum", flusher.Retry{MinBackoff: 30 * time.Second}, nil},
		{"as short as the default minimum", flusher.Retry{MaxBackoff: 100 * time.Millisecond}, nil},
		{
			"attempts below -1",
			flusher.Retry{MaxAttempts: -2},
			[]string{"Retry.MaxAttempts is -2: it must be -1 or more"},
		},
		{
			"negative minimum",
			flusher.Retry{MinBackoff: -time.Second},
			[]string{"Retry.MinBackoff is -1s: it must not be negative"},
		},
		{
			"negative maximum",
			flusher.Retry{MaxBackoff: -time.Second},
			[]string{"Retry.MaxBackoff is -1s: it must not be negative"},
		},
		{
			"minimum above maximum",
			flusher.Retry{MinBackoff: time.Minute, MaxBackoff: time.Second},
			[]string{"Retry.MinBackoff is 1m0s: it must not be above Retry.MaxBackoff, which is 1s"},
		},
		{
			"minimum above the default maximum",
			flusher.Retry{MinBackoff: time.Minute},
			[]string{"Retry.MinBackoff is 1m0s: it must not be above Retry.MaxBackoff, which is 30s (the default)"},
		},
		{
			"maximum below the default minimum",
			flusher.Retry{MaxBackoff: time.Millisecond},
			[]string{"Retry.MinBackoff is 100ms (the default): it must not be above Retry.MaxBackoff, which is 1ms"},
		},
		{
			"everything",
			flusher.Retry{MaxAttempts: math.MinInt, MinBackoff: math.MinInt64, MaxBackoff: -1},
			[]string{
				"Retry.MaxAttempts is -9223372036854775808: it must be -1 or more",
				"Retry.MinBackoff is -2562047h47m16.854775808s: it must not be negative",
				"Retry.MaxBackoff is -1ns: it must not be negative",
			},
		},
		{
			"two of them",
			flusher.Retry{MaxAttempts: -7, MinBackoff: time.Hour},
			[]string{
				"Retry.MaxAttempts is -7: it must be -1 or more",
				"Retry.MinBackoff is 1h0m0s: it must not be above Retry.MaxBackoff, which is 30s (the default)",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.retry.Validate()
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			assert.EqualError(t, err, strings.Join(test.want, "\n"))
		})
	}
}
