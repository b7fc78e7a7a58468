package flusher_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

// said is what a bulk API has answered about some items.
type said struct {
	permanent bool
	after     time.Duration
	failed    []int
}

// err is that as an error.
func (s said) err() error {
	err := errSink
	if s.permanent {
		err = flusher.Permanent(err)
	}
	return flusher.Partial(flusher.RetryAfter(err, s.after), s.failed...)
}

// readSaid reads answers out of bytes. An index takes two of them, and is around
// 0 and n, or one of the extremes.
func readSaid(raw []byte, n int) []said {
	var all []said
	for len(raw) > 0 {
		head := raw[0]
		raw = raw[1:]
		s := said{permanent: head&1 != 0, after: time.Duration(head>>1&3) * time.Second}
		for count := int(head >> 3); count > 0 && len(raw) >= 2; count-- {
			value := int(int16(binary.LittleEndian.Uint16(raw)))
			switch {
			case value == math.MaxInt16:
				value = math.MaxInt
			case value == math.MinInt16:
				value = math.MinInt
			case value > 1<<14:
				value = n + value - 3<<13 // around n, on either side
			}
			s.failed = append(s.failed, value)
			raw = raw[2:]
		}
		all = append(all, s)
	}
	return all
}

// FuzzPartial joins Partials as a bulk API would, and checks that each item is
// delivered, retried or permanent, and in no case two of these.
func FuzzPartial(f *testing.F) {
	f.Add(5, []byte{})
	f.Add(5, []byte{1 << 3, 2, 0})                                  // item 2
	f.Add(5, []byte{2<<3 | 1, 2, 0, 0, 0, 1 << 3, 2, 0})            // item 2 in both classes
	f.Add(3, []byte{3 << 3, 0, 0, 1, 0, 2, 0})                      // all of them
	f.Add(3, []byte{3<<3 | 1, 0, 0, 1, 0, 2, 0})                    // all of them for good
	f.Add(3, []byte{2 << 3, 0, 0, 1, 0, 1<<3 | 1, 2, 0})            // all of them, in two classes
	f.Add(3, []byte{1 << 3, 3, 0})                                  // one too far
	f.Add(3, []byte{1 << 3, 0xff, 0xff})                            // -1
	f.Add(3, []byte{1 << 3, 0xff, 0x7f, 1<<3 | 1, 0, 0x80})         // the greatest and the least int
	f.Add(3, []byte{0, 1 << 3, 1, 0})                               // none named, beside one
	f.Add(0, []byte{1 << 3, 0, 0})                                  // no items
	f.Add(1, []byte{2<<3 | 2, 0, 0, 0, 0, 1<<3 | 4, 0, 0})          // the same one again and again
	f.Add(20000, []byte{2<<3 | 6, 0x00, 0x60, 0xff, 0x5f, 1, 1, 0}) // around n
	f.Fuzz(func(t *testing.T, n int, raw []byte) {
		n = min(max(n, 0), 1<<15)
		all := readSaid(raw, n)
		var errs []error
		whole := false
		var after time.Duration
		harsh := make(map[int]bool) // by index: whether it is permanent
		for i, s := range all {
			err := s.err()
			if i%2 == 1 {
				err = fmt.Errorf("answer %d: %w", i, err)
			}
			errs = append(errs, err)
			after = max(after, s.after)
			whole = whole || len(s.failed) == 0
			for _, index := range s.failed {
				whole = whole || index < 0 || index >= n
				harsh[index] = harsh[index] || s.permanent
			}
		}
		got := flusher.Inspect(errors.Join(errs...), n)
		require.Equal(t, after, got.After)
		if len(all) == 0 {
			require.Equal(t, flusher.Verdict{}, got)
			return
		}
		retried := 0
		for _, permanent := range harsh {
			if !permanent {
				retried++
			}
		}
		if whole || retried == n {
			require.Equal(t, flusher.Verdict{Whole: true, After: after}, got, "no Permanent stands outside of a Partial")
			return
		}
		require.False(t, got.Whole)
		found := make(map[int]bool)
		for _, index := range got.Retry {
			found[index] = false
		}
		for _, index := range got.Permanent {
			require.NotContains(t, found, index, "in both classes")
			found[index] = true
		}
		require.Equal(t, harsh, found, "each named item in its class, and no other")
		require.Equal(t, len(harsh), len(got.Retry)+len(got.Permanent), "each once")
	})
}

// FuzzRetry checks that settings which Validate lets pass never wait too long,
// or a negative time, whichever attempt it is, and that batches come to an end
// where they should.
func FuzzRetry(f *testing.F) {
	for _, attempts := range []int{math.MinInt, -2, -1, 0, 1, 5, math.MaxInt} {
		for _, d := range []int64{math.MinInt64, -1, 0, 1, int64(time.Second), int64(time.Minute), math.MaxInt64} {
			f.Add(attempts, d, int64(0), 1)
			f.Add(attempts, int64(0), d, math.MaxInt)
			f.Add(attempts, d, d, 64)
		}
	}
	f.Fuzz(func(t *testing.T, attempts int, minimum, maximum int64, attempt int) {
		retry := flusher.Retry{MaxAttempts: attempts, MinBackoff: time.Duration(minimum), MaxBackoff: time.Duration(maximum)}
		low, high := retry.MinBackoff, retry.MaxBackoff
		if low == 0 {
			low = 100 * time.Millisecond
		}
		if high == 0 {
			high = 30 * time.Second
		}
		valid := attempts >= -1 && low >= 0 && high >= 0 && low <= high
		require.Equal(t, valid, retry.Validate() == nil, "%+v: %v", retry, retry.Validate())
		wait := retry.Backoff(attempt)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		if !valid {
			return
		}
		require.LessOrEqual(t, wait, high)
		if attempt <= 1 {
			require.LessOrEqual(t, wait, low)
		}
		require.GreaterOrEqual(t, retry.DeadLetterLimit(), 1, "a dead letter comes to an end")
		for _, deadLetter := range []bool{false, true} {
			limit := retry.Limit(deadLetter)
			switch {
			case attempts > 0:
				require.Equal(t, attempts, limit)
			case attempts == 0 && deadLetter:
				require.Equal(t, 5, limit)
			default:
				require.Zero(t, limit, "without end")
			}
		}
	})
}
