package pipeline

import (
	"slices"
	"sync"
	"time"
)

const (
	recentBatches = 256
	logInterval   = time.Second
)

// recent remembers the newest writes. Its mutex guards all fields.
type recent struct {
	mu        sync.Mutex
	batches   int64 // written
	last      int   // readings of the newest
	sizes     ring
	ages      ring // seconds
	took      ring // seconds
	failure   string
	nextLogAt time.Time
}

func (r *recent) add(items int, age, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took.add(took.Seconds())
	if err != nil {
		r.failure = err.Error()
		return
	}
	r.failure = ""
	r.batches++
	r.last = items
	r.sizes.add(float64(items))
	r.ages.add(age.Seconds())
}

// mayLog says once in a while yes, so that a store that is down does not fill
// the log.
func (r *recent) mayLog(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.nextLogAt) {
		return false
	}
	r.nextLogAt = now.Add(logInterval)
	return true
}

// ring holds the newest values, in no order.
type ring struct {
	values []float64
	next   int
}

func (r *ring) add(value float64) {
	if len(r.values) < recentBatches {
		r.values = append(r.values, value)
		return
	}
	r.values[r.next] = value
	r.next = (r.next + 1) % recentBatches
}

// quantiles are by nearest rank.
func (r *ring) quantiles() Quantiles {
	if len(r.values) == 0 {
		return Quantiles{}
	}
	sorted := slices.Sorted(slices.Values(r.values))
	at := func(percent int) float64 {
		return sorted[max(0, (percent*len(sorted)+99)/100-1)]
	}
	return Quantiles{P50: at(50), P90: at(90), P99: at(99), Max: sorted[len(sorted)-1]}
}
