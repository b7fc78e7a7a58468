package live

import (
	"math"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
)

// Point is what the charts draw of one second.
type Point struct {
	Time float64 `json:"time"` // seconds since 1970

	// Each per second, since the snapshot before.
	Accepted     float64 `json:"accepted"`
	Stored       float64 `json:"stored"`
	Batches      float64 `json:"batches"`
	Rejected     float64 `json:"rejected"`
	Retried      float64 `json:"retried"`
	Dropped      float64 `json:"dropped"`
	DeadLettered float64 `json:"dead_lettered"`

	Fill float64 `json:"fill"` // 0 to 1, of all partitions' capacity

	// Of recent batches. Null where none was written since the snapshot before,
	// as it would only repeat what was seen earlier.
	BatchSize    *float64 `json:"batch_size"`     // median, readings
	BatchAge     *float64 `json:"batch_age"`      // median, seconds
	BatchAgeP99  *float64 `json:"batch_age_p99"`  // seconds
	FlushTime    *float64 `json:"flush_time"`     // median, seconds
	FlushTimeP99 *float64 `json:"flush_time_p99"` // seconds
}

func pointOf(before, now pipeline.Stats) Point {
	seconds := now.Time.Sub(before.Time).Seconds()
	rate := func(before, now int64) float64 {
		// A clock that was set back makes no rate, and a count that was read a
		// moment before another one may seem to fall.
		if seconds <= 0 || now <= before {
			return 0
		}
		return round(float64(now-before)/seconds, 0.1)
	}
	p := Point{
		Time:         round(float64(now.Time.UnixMilli())/1000, 0.001),
		Accepted:     rate(int64(before.Total.Accepted), int64(now.Total.Accepted)),
		Stored:       rate(int64(before.Total.Delivered), int64(now.Total.Delivered)),
		Batches:      rate(before.Batches, now.Batches),
		Rejected:     rate(int64(before.Total.Rejected), int64(now.Total.Rejected)),
		Retried:      rate(int64(before.Total.Retried), int64(now.Total.Retried)),
		Dropped:      rate(int64(before.Total.Dropped), int64(now.Total.Dropped)),
		DeadLettered: rate(int64(before.Total.DeadLettered), int64(now.Total.DeadLettered)),
		Fill:         fill(now.Partitions),
	}
	if now.Batches > before.Batches {
		p.BatchSize = rounded(now.BatchSize.P50, 0.1)
		p.BatchAge = rounded(now.BatchAge.P50, 1e-6)
		p.BatchAgeP99 = rounded(now.BatchAge.P99, 1e-6)
		p.FlushTime = rounded(now.FlushTime.P50, 1e-6)
		p.FlushTimeP99 = rounded(now.FlushTime.P99, 1e-6)
	}
	return p
}

// fill is how much of the room is taken, over all partitions. InsertBatch may
// exceed the capacity by what is left of one batch; it is not shown as more than
// full.
func fill(partitions []pipeline.Partition) float64 {
	var held, room int
	for _, p := range partitions {
		held += p.Buffered + p.InFlight
		room += p.Capacity
	}
	if room <= 0 {
		return 0
	}
	return round(min(float64(held)/float64(room), 1), 1e-4)
}

// round keeps JSON short: the charts show three digits.
func round(x, step float64) float64 {
	n := math.Round(1 / step)
	return math.Round(x*n) / n
}

func rounded(x, step float64) *float64 {
	r := round(x, step)
	return &r
}
