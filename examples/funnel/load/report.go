package load

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// summary shows what the sending came to. It sorts the waits.
func (r *run) summary(out io.Writer, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.taken.Load()
	fmt.Fprintf(out, "\ntaken     %d readings in %d requests, in %v: %.0f readings/s\n",
		taken, len(r.waits), took.Round(time.Millisecond), float64(taken)/took.Seconds())
	fmt.Fprintf(out, "latency   %s of requests taken\n", line(r.waits))
	if len(r.asks) > 0 {
		fmt.Fprintf(out, "queries   %s, %d of them\n", line(r.asks), len(r.asks))
	}
	fmt.Fprintf(out, "refused   %d requests (429), each sent again after the time that the answer asked for\n", r.refused.Load())
	fmt.Fprintf(out, "errors    %d\n", r.errors)
	for _, err := range r.samples {
		fmt.Fprintf(out, "          %v\n", err)
	}
}

func line(waits []time.Duration) string {
	slices.Sort(waits)
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, p99.9 %s, max %s",
		short(percentile(waits, 50)), short(percentile(waits, 90)), short(percentile(waits, 99)), short(percentile(waits, 99.9)), short(percentile(waits, 100)))
}

// percentile is by nearest rank; sorted is ascending. 0 where there is nothing.
func percentile(sorted []time.Duration, percent float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(percent/100*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}

// verdict says how the check ended, and whether all is well.
func (r *run) verdict(out io.Writer, v verified) error {
	switch {
	case v.err != nil:
		fmt.Fprintf(out, "checked   no: %v\n", v.err)
	case v.wrong == 0:
		fmt.Fprintf(out, "checked   the aggregates of %d sensors are exactly those of the %d readings taken (all stored %v after the last)\n",
			v.sensors, r.taken.Load(), v.took.Round(time.Millisecond))
	default:
		fmt.Fprintf(out, "checked   the aggregates of %d of %d sensors are NOT those of what was taken, after %v:\n", v.wrong, v.sensors, v.took.Round(time.Second))
		for _, text := range v.samples {
			fmt.Fprintf(out, "          %s\n", text)
		}
	}
	if v.err != nil || v.wrong > 0 || r.errors > 0 || r.taken.Load() == 0 {
		return ErrFailed
	}
	return nil
}
