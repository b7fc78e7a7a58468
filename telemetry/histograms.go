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
	byTrigger []recordOptions
	byClass   [Classes]recordOptions
	byBoth    [][Classes]recordOptions // trigger, then class
}

func newHistograms(in *instruments, name attribute.KeyValue, triggers []string) histograms {
	h := histograms{
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
		byTrigger: make([]recordOptions, len(triggers)),
		byBoth:    make([][Classes]recordOptions, len(triggers)),
	}
	for c := range h.byClass {
		h.byClass[c] = recording(withClass(Class(c), name)...)
	}
	for i, trigger := range triggers {
		trigger := keyTrigger.String(trigger)
		h.byTrigger[i] = recording(name, trigger)
		for c := range h.byBoth[i] {
			h.byBoth[i][c] = recording(withClass(Class(c), name, trigger)...)
		}
	}
	return h
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
	ctx, by := context.Background(), r.histograms.byTrigger[r.trigger(trigger)]
	if h := r.histograms.batchSize; h.Enabled(ctx) {
		h.Record(ctx, int64(items), by...)
	}
	if h := r.histograms.batchAge; h.Enabled(ctx) {
		h.Record(ctx, age.Seconds(), by...)
	}
}

// Flushed records a batch over all its attempts. One that was delivered in the
// end did not fail, however many attempts it took.
func (r *Recorder) Flushed(trigger uint8, d time.Duration, c Class) {
	ctx := context.Background()
	if h := r.histograms.flush; h.Enabled(ctx) {
		h.Record(ctx, d.Seconds(), r.histograms.byBoth[r.trigger(trigger)][c.index()]...)
	}
}

// Attempted records one attempt, so that an outage is seen while it lasts and
// not once the retries are over.
func (r *Recorder) Attempted(d time.Duration, c Class) {
	ctx := context.Background()
	if h := r.histograms.attempt; h.Enabled(ctx) {
		h.Record(ctx, d.Seconds(), r.histograms.byClass[c.index()]...)
	}
}

// index is c's place in a table of classes.
func (c Class) index() int { return min(int(c), int(ClassOther)) }
