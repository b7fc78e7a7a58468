package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// histograms are the instruments that are recorded when something has happened,
// with the attribute sets to record them by.
type histograms struct {
	insertWait, batchAge, flush, attempt metric.Float64Histogram
	batchSize                            metric.Int64Histogram

	byName    recordOptions
	byTrigger []lazy[recordOptions]
	byClass   [Classes]lazy[recordOptions]
	byBoth    [][Classes]lazy[recordOptions] // trigger, then class
}

func newHistograms(in *instruments, name attribute.KeyValue, triggers int) *histograms {
	return &histograms{
		insertWait: in.seconds("databuffer.insert.wait.duration",
			"How long an insert waited that found no room."),
		batchSize: in.items("databuffer.batch.size",
			"Items of a batch handed to the Flusher."),
		batchAge: in.seconds("databuffer.batch.age",
			"How long the oldest item of a batch waited until it was handed to the Flusher."),
		flush: in.seconds("databuffer.flush.duration",
			"A batch over all its attempts, the backoff between them included."),
		attempt: in.seconds("databuffer.attempt.duration",
			"One attempt to flush a batch."),
		byName:    recording(name),
		byTrigger: make([]lazy[recordOptions], triggers),
		byBoth:    make([][Classes]lazy[recordOptions], triggers),
	}
}

func (r *Recorder) byTrigger(t uint8) recordOptions {
	i := r.trigger(t)
	return r.histograms.byTrigger[i].get(func() recordOptions {
		return recording(r.name, keyTrigger.String(r.triggers[i]))
	})
}

func (r *Recorder) byClass(c Class) recordOptions {
	return r.histograms.byClass[c.index()].get(func() recordOptions {
		return recording(withClass(c, r.name)...)
	})
}

func (r *Recorder) byBoth(t uint8, c Class) recordOptions {
	i := r.trigger(t)
	return r.histograms.byBoth[i][c.index()].get(func() recordOptions {
		return recording(withClass(c, r.name, keyTrigger.String(r.triggers[i]))...)
	})
}

// Waited records that an insert waited d for room, however it ended.
func (r *Recorder) Waited(ctx context.Context, d time.Duration) {
	if h := r.histograms.insertWait; h.Enabled(ctx) {
		h.Record(ctx, d.Seconds(), r.histograms.byName...)
	}
}

// Batch records a batch that is handed to the Flusher, and for how long its
// oldest item has waited for that.
func (r *Recorder) Batch(trigger uint8, items int, age time.Duration) {
	ctx := context.Background()
	if h := r.histograms.batchSize; h.Enabled(ctx) {
		h.Record(ctx, int64(items), r.byTrigger(trigger)...)
	}
	if h := r.histograms.batchAge; h.Enabled(ctx) {
		h.Record(ctx, age.Seconds(), r.byTrigger(trigger)...)
	}
}

// Flushed records a batch over all its attempts. One that was delivered in the
// end did not fail, however many attempts it took.
func (r *Recorder) Flushed(trigger uint8, d time.Duration, c Class) {
	ctx := context.Background()
	if h := r.histograms.flush; h.Enabled(ctx) {
		h.Record(ctx, d.Seconds(), r.byBoth(trigger, c)...)
	}
}

// Attempted records one attempt, so that an outage is seen while it lasts and
// not once the retries are over.
func (r *Recorder) Attempted(d time.Duration, c Class) {
	ctx := context.Background()
	if h := r.histograms.attempt; h.Enabled(ctx) {
		h.Record(ctx, d.Seconds(), r.byClass(c)...)
	}
}

// index is c's place in a table of classes.
func (c Class) index() int { return min(int(c), int(ClassOther)) }
