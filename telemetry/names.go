package telemetry

import (
	"strconv"

	"go.opentelemetry.io/otel/attribute"
)

// The attributes. error.type is OpenTelemetry's own; see its semantic
// conventions for recording errors.
const (
	keyName         = attribute.Key("databuffer.name")
	keyPartition    = attribute.Key("databuffer.partition")
	keyItemCount    = attribute.Key("databuffer.item.count")
	keyOutcome      = attribute.Key("databuffer.outcome")
	keyRejectReason = attribute.Key("databuffer.reject.reason")
	keyTrigger      = attribute.Key("databuffer.flush.trigger")
	keyBatchID      = attribute.Key("databuffer.batch.id")
	keyLinkDropped  = attribute.Key("databuffer.link.dropped")
	keyAttempt      = attribute.Key("databuffer.attempt")
	keyErrorType    = attribute.Key("error.type")
)

// other is what OpenTelemetry reserves for a class that has no name.
const other = "_OTHER"

// SpanMode says which inserts get a span of their own.
type SpanMode uint8

const (
	SpanAlways SpanMode = iota // every insert
	SpanChild                  // an insert whose caller's span is recording
	SpanNever                  // none: flush spans then link the callers' spans
)

// String returns "always", "child" or "never".
func (m SpanMode) String() string {
	switch m {
	case SpanAlways:
		return "always"
	case SpanChild:
		return "child"
	case SpanNever:
		return "never"
	}
	return "SpanMode(" + strconv.Itoa(int(m)) + ")"
}

// Class is the kind of a failure: the value of error.type, the same on a metric
// and on its span.
type Class uint8

const (
	ClassNone      Class = iota // no failure
	ClassTimeout                // the attempt outlived its timeout
	ClassPanic                  // the Flusher panicked
	ClassGoexit                 // the Flusher ended its goroutine
	ClassPermanent              // the Flusher said that a retry is useless
	ClassExhausted              // the last attempt failed
	ClassOverflow               // dropped to make room
	ClassShutdown               // the shutdown's time was over
	ClassOther                  // any other error

	Classes = iota // how many there are
)

var classNames = [Classes]string{
	"", "timeout", "panic", "goexit", "permanent", "exhausted", "overflow", "shutdown", other,
}

// String returns the value of error.type, empty for [ClassNone].
func (c Class) String() string { return nameOf(classNames[:], int(c)) }

// Outcome is what has become of an accepted item. Each has exactly one.
type Outcome uint8

const (
	Delivered    Outcome = iota // the Flusher took it
	DeadLettered                // the dead letter took it
	Dropped                     // lost, counted and logged
	Returned                    // handed back by Shutdown

	Outcomes = iota // how many there are
)

var outcomeNames = [Outcomes]string{"delivered", "dead_lettered", "dropped", "returned"}

// String returns the value of databuffer.outcome.
func (o Outcome) String() string { return nameOf(outcomeNames[:], int(o)) }

// Reason is why an insert was refused.
type Reason uint8

const (
	ReasonClosed   Reason = iota // the buffer is shut down
	ReasonFull                   // no room, and no waiting for it
	ReasonTooLarge               // larger than a batch may be
	ReasonCanceled               // the caller's context ended
	ReasonInvalid                // the caller's own functions failed on the item

	Reasons = iota // how many there are
)

var reasonNames = [Reasons]string{"closed", "full", "too_large", "canceled", other}

// String returns the value of databuffer.reject.reason.
func (r Reason) String() string { return nameOf(reasonNames[:], int(r)) }

// nameOf is names[i], or "_OTHER" where there is none: telemetry must not be
// what brings a flush down.
func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return other
}
