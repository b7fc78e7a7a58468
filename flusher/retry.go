package flusher

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-databuffer/databuffer/jitter"
)

// The defaults of Retry, and the attempts of what must come to an end.
const (
	defaultMinBackoff = 100 * time.Millisecond
	defaultMaxBackoff = 30 * time.Second
	defaultAttempts   = 5
)

// Retry is how failed batches are tried again. The zero value is the default:
// without end, so that a failing destination becomes backpressure and not loss.
//
// A batch keeps its slot while it waits for its next attempt, so that the order
// within a partition survives a retry with MaxInFlight 1.
type Retry struct {
	// MaxAttempts is how many attempts a batch gets in all, the first included;
	// then it is given up, and goes to the DeadLetter or is dropped and counted.
	// 0 is the default: without end, or 5 where a DeadLetter is set. -1 is
	// without end even so. 1 never retries, which makes delivery at-most-once,
	// unless Bisect tries the parts of a batch.
	// An abandoned attempt counts. What a Partial leaves over keeps counting, so
	// that MaxAttempts bounds the attempts at each item; a half of a bisection
	// starts anew. What is permanent is given up at once whatever is left.
	// The DeadLetter itself gets MaxAttempts attempts too, and 5 where that
	// would be without end.
	MaxAttempts int

	// MinBackoff is the longest wait after the first failed attempt. It doubles
	// with each further one, up to MaxBackoff. The wait itself is drawn anew
	// each time, uniformly from 0 to that bound (full jitter), so that partitions
	// and processes do not retry in step. Default 100 ms.
	MinBackoff time.Duration

	// MaxBackoff bounds the wait however many attempts have failed. It does not
	// bound what a RetryAfter asks for. Default 30 s.
	MaxBackoff time.Duration

	// Bisect splits a batch that failed with Permanent or a panic, and flushes
	// the halves on their own, until the items that are to blame stand alone
	// and only they are given up. It does nothing where MaxAttempts is
	// exhausted, nor for what a Partial names. The halves have new IDs, and
	// some of their items may have arrived before: for idempotent Flushers only.
	// Default off.
	Bisect bool
}

// Limit returns how many attempts a batch gets at the main Flusher, 0 meaning
// without end, for a buffer with or without a dead letter.
func (r Retry) Limit(deadLetter bool) int {
	switch {
	case r.MaxAttempts > 0:
		return r.MaxAttempts
	case r.MaxAttempts == 0 && deadLetter:
		return defaultAttempts
	default:
		return 0
	}
}

// DeadLetterLimit returns how many attempts a batch gets at the dead letter. It
// always is at least 1.
func (r Retry) DeadLetterLimit() int {
	if r.MaxAttempts > 0 {
		return r.MaxAttempts
	}
	return defaultAttempts
}

// Backoff returns how long to wait after the failed attempt number attempt,
// which counts from 1. It is drawn anew at each call; see [jitter.Backoff] for
// the formula.
func (r Retry) Backoff(attempt int) time.Duration {
	return jitter.Backoff(r.minBackoff(), r.maxBackoff(), attempt)
}

// Validate returns nil, or an error that joins one for each bad setting, with
// its name, its value and what is allowed.
func (r Retry) Validate() error {
	var bad []error
	if r.MaxAttempts < -1 {
		bad = append(bad, fmt.Errorf("Retry.MaxAttempts is %d: it must be -1 or more", r.MaxAttempts))
	}
	if r.MinBackoff < 0 {
		bad = append(bad, fmt.Errorf("Retry.MinBackoff is %v: it must not be negative", r.MinBackoff))
	}
	if r.MaxBackoff < 0 {
		bad = append(bad, fmt.Errorf("Retry.MaxBackoff is %v: it must not be negative", r.MaxBackoff))
	}
	if low, high := r.minBackoff(), r.maxBackoff(); low >= 0 && high >= 0 && low > high {
		bad = append(bad, fmt.Errorf("Retry.MinBackoff is %s: it must not be above Retry.MaxBackoff, which is %s",
			orDefault(r.MinBackoff, low), orDefault(r.MaxBackoff, high)))
	}
	return errors.Join(bad...)
}

func (r Retry) minBackoff() time.Duration {
	if r.MinBackoff == 0 {
		return defaultMinBackoff
	}
	return r.MinBackoff
}

func (r Retry) maxBackoff() time.Duration {
	if r.MaxBackoff == 0 {
		return defaultMaxBackoff
	}
	return r.MaxBackoff
}

// orDefault prints the effective value of a setting, and says where it is the
// default: whoever set only the other one looks for it in vain.
func orDefault(set, effective time.Duration) string {
	if set == 0 {
		return effective.String() + " (the default)"
	}
	return effective.String()
}
