package pipeline

import "time"

// Stats is a snapshot of a Pipeline, for people to look at. Counts are in
// readings where nothing else is said; those in Totals only grow.
type Stats struct {
	Time       time.Time   `json:"time"`
	Waiting    int         `json:"waiting"` // inserts that wait for room
	Partitions []Partition `json:"partitions"`
	Total      Totals      `json:"total"`

	Batches    int64     `json:"batches"`     // written to the store, over all time
	LastBatch  int       `json:"last_batch"`  // size of the newest
	BatchSize  Quantiles `json:"batch_size"`  // readings, of recent batches
	BatchAge   Quantiles `json:"batch_age"`   // seconds that the oldest reading of a batch has waited when its write begins
	FlushTime  Quantiles `json:"flush_time"`  // seconds of a write into the store
	WriteError string    `json:"write_error"` // of the newest write; empty when it went well
}

// Partition is the fill of one partition of the buffer.
type Partition struct {
	Index     int `json:"index"`
	Buffered  int `json:"buffered"`   // in the batch being filled, and in those that wait
	InFlight  int `json:"in_flight"`  // in writes, and between two attempts
	Batches   int `json:"batches"`    // in flight
	FlushSize int `json:"flush_size"` // threshold of the batch being filled
	Capacity  int `json:"capacity"`   // of Buffered and InFlight together: then inserts wait
}

// Totals are over all partitions and all time.
type Totals struct {
	Accepted     int `json:"accepted"`
	Delivered    int `json:"delivered"`
	DeadLettered int `json:"dead_lettered"`
	Dropped      int `json:"dropped"`
	Returned     int `json:"returned"` // given back by Shutdown
	Rejected     int `json:"rejected"` // refused, as the buffer was full or closed
	Retried      int `json:"retried"`  // each time
	Abandoned    int `json:"abandoned"`
}

// Quantiles are of what was seen recently; all zero when nothing was.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Stats takes a snapshot. It does not block for longer than a moment, and can be
// called after Shutdown.
func (p *Pipeline) Stats() Stats {
	info := p.buffer.Info()
	total := info.Total
	s := Stats{
		Time:       time.Now().UTC(),
		Waiting:    int(p.waiting.Load()),
		Partitions: make([]Partition, len(info.Partitions)),
		Total: Totals{
			Accepted:     total.Accepted,
			Delivered:    total.Delivered,
			DeadLettered: total.DeadLettered,
			Dropped:      total.Dropped,
			Returned:     total.Returned,
			Rejected:     total.Rejected + int(p.missed.Load()),
			Retried:      total.Retried,
			Abandoned:    total.Abandoned,
		},
	}
	for i, of := range info.Partitions {
		s.Partitions[i] = Partition{
			Index:     of.Index,
			Buffered:  of.Counts.Buffered,
			InFlight:  of.Counts.InFlight,
			Batches:   of.Batches,
			FlushSize: of.FlushSize,
			Capacity:  of.FlushSize * (1 + p.inFlight),
		}
	}
	r := &p.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Batches, s.LastBatch, s.WriteError = r.batches, r.last, r.failure
	s.BatchSize, s.BatchAge, s.FlushTime = r.sizes.quantiles(), r.ages.quantiles(), r.took.quantiles()
	return s
}
