package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Observation is one reading of a buffer, over all its partitions. All but
// Bytes, Waiting, Flushes, Abandoned and Oldest are items. The first four only
// grow, the others tell what is now.
type Observation struct {
	Accepted  int
	Rejected  [Reasons]int
	Processed [Outcomes][Classes]int
	Retried   int

	Queue     int // accepted and not yet handed to the Flusher
	Capacity  int // the sum of the partitions' current thresholds
	Bytes     int // of the queue, by the user's SizeOf
	InFlight  int // handed to the Flusher, without an outcome
	Waiting   int // inserts that wait for room
	Flushes   int // batches in flight
	Abandoned int // attempts given up that have not returned yet

	// Oldest is when the oldest item held was accepted, in flight included;
	// zero when none is held.
	Oldest time.Time
}

// Observe sets what each collection reads. The source is called from the SDK's
// goroutines, several at once where there are several readers; it must not
// block, nor create instruments.
func (r *Recorder) Observe(source func() Observation) { r.source.Store(&source) }

// Freeze makes each further collection export the counts of last, and lets go
// of the source and all that it holds. The gauges are zero from then on: a
// buffer that is over holds nothing and has no room, whatever last caught of
// inserts on their way out. A collection that runs meanwhile may still call the
// source once.
//
// The instruments stay registered, for the reason given in [New]. What is left
// of a buffer is its recorder: some 4 KB, for as long as the MeterProvider
// lives. A later buffer of the same name goes on counting where this one ended,
// for OpenTelemetry sums the two; that is what the gauges are zero for, too.
func (r *Recorder) Freeze(last Observation) {
	counts := last.Counts()
	r.Observe(func() Observation { return counts })
}

// Counts is what only grows of the observation.
func (o Observation) Counts() Observation {
	return Observation{Accepted: o.Accepted, Rejected: o.Rejected, Processed: o.Processed, Retried: o.Retried}
}

// observables are the instruments that a collection reads, with the attribute
// sets to observe them by.
type observables struct {
	accepted, rejected, processed, retried metric.Int64ObservableCounter

	queue, capacity, inFlight, waiting, flushes, abandoned metric.Int64ObservableUpDownCounter

	bytes  metric.Int64ObservableUpDownCounter // nil where sizes are unknown
	oldest metric.Float64ObservableGauge

	name      attribute.KeyValue
	byName    observeOptions
	byReason  [Reasons]observeOptions
	byOutcome [Outcomes][Classes]lazy[observeOptions]
}

func newObservables(in *instruments, name attribute.KeyValue, sized bool) *observables {
	o := &observables{
		accepted: in.counter("databuffer.item.accepted", unitItems,
			"Items taken by an insert."),
		rejected: in.counter("databuffer.item.rejected", unitItems,
			"Items refused by an insert, by reason."),
		processed: in.counter("databuffer.item.processed", unitItems,
			"Accepted items that have their outcome, by outcome and class of failure."),
		retried: in.counter("databuffer.item.retried", unitItems,
			"Items given to a further attempt, once for each."),
		queue: in.upDown("databuffer.queue.size", unitItems,
			"Items accepted and not yet handed to the Flusher."),
		capacity: in.upDown("databuffer.queue.capacity", unitItems,
			"Items at which the partitions flush, summed over the partitions."),
		inFlight: in.upDown("databuffer.item.inflight", unitItems,
			"Items handed to the Flusher that have no outcome yet."),
		waiting: in.upDown("databuffer.insert.waiting", unitInserts,
			"Inserts that wait for room."),
		flushes: in.upDown("databuffer.flush.inflight", unitFlushes,
			"Batches being flushed, those between two attempts included."),
		abandoned: in.upDown("databuffer.flush.abandoned", unitFlushes,
			"Attempts that outlived their timeout and its grace, and have not returned yet."),
		oldest: in.age("databuffer.item.oldest.age",
			"Age of the oldest item held, queued or in flight; 0 when none is."),
		name:   name,
		byName: observing(name),
	}
	if sized {
		o.bytes = in.upDown("databuffer.queue.memory.usage", unitBytes,
			"Size of the items accepted and not yet handed to the Flusher, by SizeOf.")
	}
	for i := range o.byReason {
		o.byReason[i] = observing(name, keyRejectReason.String(Reason(i).String()))
	}
	return o
}

// outcome is by what items of an outcome are observed.
func (o *observables) outcome(i Outcome, c Class) observeOptions {
	return o.byOutcome[i][c].get(func() observeOptions {
		return observing(withClass(c, o.name, keyOutcome.String(i.String()))...)
	})
}

// collect is the callback.
func (r *Recorder) collect(_ context.Context, to metric.Observer) error {
	source := r.source.Load()
	if source == nil {
		return nil
	}
	r.gauges.observe(to, (*source)())
	return nil
}

// observe writes one reading. A failure that never happened has no series; what
// a dashboard divides by (all that was delivered, each reason for a refusal) is
// there from the start, so that its first rise is seen as one.
func (o *observables) observe(to metric.Observer, now Observation) {
	to.ObserveInt64(o.accepted, int64(now.Accepted), o.byName...)
	to.ObserveInt64(o.retried, int64(now.Retried), o.byName...)
	for i, n := range now.Rejected {
		if n != 0 || Reason(i) != ReasonInvalid {
			to.ObserveInt64(o.rejected, int64(n), o.byReason[i]...)
		}
	}
	for i := range now.Processed {
		for c, n := range now.Processed[i] {
			if n != 0 || (Outcome(i) == Delivered && Class(c) == ClassNone) {
				to.ObserveInt64(o.processed, int64(n), o.outcome(Outcome(i), Class(c))...)
			}
		}
	}

	to.ObserveInt64(o.queue, int64(now.Queue), o.byName...)
	to.ObserveInt64(o.capacity, int64(now.Capacity), o.byName...)
	to.ObserveInt64(o.inFlight, int64(now.InFlight), o.byName...)
	to.ObserveInt64(o.waiting, int64(now.Waiting), o.byName...)
	to.ObserveInt64(o.flushes, int64(now.Flushes), o.byName...)
	to.ObserveInt64(o.abandoned, int64(now.Abandoned), o.byName...)
	if o.bytes != nil {
		to.ObserveInt64(o.bytes, int64(now.Bytes), o.byName...)
	}
	age := 0.0
	if !now.Oldest.IsZero() {
		age = max(0, time.Since(now.Oldest).Seconds()) // a clock may be set back
	}
	to.ObserveFloat64(o.oldest, age, o.byName...)
}
