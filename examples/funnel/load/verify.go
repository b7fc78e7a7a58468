package load

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	checkers   = 4 // that ask at once
	checkPause = 200 * time.Millisecond
)

// verified is the outcome of the check.
type verified struct {
	sensors int
	wrong   int
	samples []string // of what is wrong
	took    time.Duration
	err     error // it could not be checked
}

// verify compares what the funnel says with what it took, until all is equal or
// the time to settle is over: what was taken is in the store a little later.
func (r *run) verify(want map[int]map[int64]sum) verified {
	began := time.Now()
	v := verified{sensors: len(want)}
	open := make([]int, 0, len(want))
	for sensor := range want {
		open = append(open, sensor)
	}
	slices.Sort(open)
	for {
		differ, samples, err := r.compare(open, want)
		v.wrong, v.samples, v.err, v.took = len(differ), samples, err, time.Since(began)
		if len(differ) == 0 || v.took > r.set.Settle {
			return v
		}
		open = differ
		time.Sleep(checkPause)
	}
}

// compare asks for each of the sensors, and returns those that are not as wanted.
// Where the first of them is not, most are not yet: the others are not asked for.
func (r *run) compare(open []int, want map[int]map[int64]sum) (differ []int, samples []string, err error) {
	var mu sync.Mutex
	next := 0
	var asking sync.WaitGroup
	for range checkers {
		asking.Go(func() {
			for {
				mu.Lock()
				if next == len(open) || err != nil || len(differ) > 2*checkers {
					mu.Unlock()
					return
				}
				sensor := open[next]
				next++
				mu.Unlock()
				text, askErr := r.difference(sensor, want[sensor])
				mu.Lock()
				if askErr != nil {
					err = askErr
				}
				if text != "" || askErr != nil {
					differ = append(differ, sensor)
				}
				if text != "" && len(samples) < maxSamples {
					samples = append(samples, text)
				}
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	differ = append(differ, open[next:]...)
	slices.Sort(differ)
	return differ, samples, err
}

// difference says what is not as wanted with a sensor; empty where all is.
func (r *run) difference(sensor int, want map[int64]sum) (string, error) {
	// From before the start to after the end, so that readings which nobody has
	// sent are found as well.
	from, to := r.began.UTC().Add(-time.Hour), time.Now().UTC().Add(time.Hour)
	buckets, err := r.aggregates(r.name(sensor), from, to)
	if err != nil {
		return "", err
	}
	found := make(map[int64]bool, len(buckets))
	for _, b := range buckets {
		minute := b.Start.Unix() / 60
		found[minute] = true
		w, ok := want[minute]
		if !ok {
			return fmt.Sprintf("%s: %d readings at %s, where none were taken", r.name(sensor), b.Count, b.Start.Format(time.RFC3339)), nil
		}
		got := sum{b.Count, b.Min, b.Max, b.Sum}
		if got != w || b.Mean != w.sum/float64(w.count) {
			return fmt.Sprintf("%s at %s: count, min, max, sum are %v, mean %v; taken were %v, mean %v",
				r.name(sensor), b.Start.Format(time.RFC3339), got, b.Mean, w, w.sum/float64(w.count)), nil
		}
	}
	for minute, w := range want {
		if !found[minute] {
			return fmt.Sprintf("%s: no readings at %s, where %d were taken", r.name(sensor), time.Unix(minute*60, 0).UTC().Format(time.RFC3339), w.count), nil
		}
	}
	return "", nil
}
