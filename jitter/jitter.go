// Package jitter spreads sizes and times at random, so that partitions,
// processes and retries do not move in lockstep.
//
// All arithmetic saturates: no input overflows, wraps or panics. The functions
// are safe for use from many goroutines at once, do not block and do not
// allocate. The randomness is [math/rand/v2]'s and not for secrets.
//
// The package serves the others of this module and carries no compatibility
// promise of its own.
package jitter

import (
	"math"
	"math/rand/v2"
	"time"
)

// Uniform returns a number drawn uniformly from 0 to n, both included. For n of
// zero or less it returns 0.
func Uniform[I ~int | ~int64](n I) I {
	if n <= 0 {
		return 0
	}
	// In uint64 the addition cannot overflow, not even for the greatest n.
	return I(rand.Uint64N(uint64(n) + 1))
}

// Add returns base + [Uniform](n). Where that exceeds the greatest value of I,
// it returns the greatest value.
func Add[I ~int | ~int64](base, n I) I {
	// What is added is never negative, so the sum is below base only where it
	// wrapped around.
	if sum := base + Uniform(n); sum >= base {
		return sum
	}
	return greatest[I]()
}

// Backoff returns how long to wait after the failed attempt number attempt,
// which counts from 1, before the next one: a duration drawn uniformly from 0
// to the lesser of maximum and minimum × 2^(attempt−1), both included.
//
// An attempt below 1 counts as 1 and a negative duration as 0. A maximum below
// minimum bounds the first wait already.
//
// The formula is "full jitter" of the AWS Architecture Blog, "Exponential
// Backoff and Jitter" (Marc Brooker, 2015): of the variants compared there it
// is the one whose competing clients take the least work in total.
// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
func Backoff(minimum, maximum time.Duration, attempt int) time.Duration {
	if minimum <= 0 || maximum <= 0 {
		return 0
	}
	bound := maximum
	doublings := max(attempt, 1) - 1
	// Shifting maximum down instead of minimum up compares without overflow;
	// shifts of 63 and more leave nothing of any duration.
	if doublings < 63 && minimum <= maximum>>doublings {
		bound = minimum << doublings
	}
	return Uniform(bound)
}

// greatest returns the greatest value of I, which for an int depends on the
// platform.
func greatest[I ~int | ~int64]() I {
	// Converted as a variable: as a constant it would not compile where int has
	// 32 bits. There the conversion truncates to -1.
	wide := int64(math.MaxInt64)
	if value := I(wide); value > 0 {
		return value
	}
	return math.MaxInt32
}
