package telemetry

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// refused is the status of an insert that was not accepted. The error's text is
// not: it may hold what the user's own functions put into a panic.
const refused = "insert refused"

// Insert is an insert under way: its span, or its caller's where it has none of
// its own. The zero value is an insert without either.
//
// It has four fields and four words at most, or the compiler would not keep it
// in registers.
type Insert struct {
	r    *Recorder // nil: the span is not the insert's own
	span trace.Span

	// Asked once, at the start: what nobody samples goes on without the span.
	recording bool // somebody wants its attributes
	linked    bool // a link to it leads somewhere
}

// StartInsert starts the span of an insert as [Config.InsertSpans] says. It is
// for when [Recorder.Tracing] is true; what it returns must be ended.
//
// The attributes are not set here but by End, where it is known whether anyone
// records them: as options of the start they are built for each insert that
// nobody samples, and cost more than the insert.
func (r *Recorder) StartInsert(ctx context.Context) Insert {
	switch r.mode {
	case SpanNever:
		caller := trace.SpanFromContext(ctx)
		return Insert{span: caller, linked: sampled(caller)}
	case SpanChild:
		if !trace.SpanFromContext(ctx).IsRecording() {
			return Insert{}
		}
	}
	_, span := r.tracer.Start(ctx, r.insertName)
	if !span.IsRecording() { // what is sampled is recording
		return Insert{r: r, span: span}
	}
	return Insert{r: r, span: span, recording: true, linked: sampled(span)}
}

// sampled stands apart so that what nobody samples does not pay for the span
// context's 64 bytes.
//
//go:noinline
func sampled(span trace.Span) bool { return span.SpanContext().IsSampled() }

// Linked reports whether there is a Link. An insert without one needs nothing
// of its batch, and may be appended the short way.
func (i Insert) Linked() bool { return i.linked }

// Link returns what the flush span shall link to, for [Links.Add]: the insert's
// span, or with [SpanNever] its caller's. It is invalid where that is not
// sampled, for a link to it would lead nowhere.
func (i Insert) Link() trace.SpanContext {
	if !i.linked {
		return trace.SpanContext{}
	}
	return i.span.SpanContext()
}

// End ends the insert's span, with error status where err is not nil. A
// negative partition means that none was chosen, or several.
func (i Insert) End(partition, items int, err error) {
	if i.r == nil {
		return
	}
	if i.recording {
		i.describe(partition, items, err)
	}
	i.span.End()
}

func (i Insert) describe(partition, items int, err error) {
	if partition >= 0 {
		i.span.SetAttributes(i.r.name, keyItemCount.Int(items), keyPartition.Int(partition))
	} else {
		i.span.SetAttributes(i.r.name, keyItemCount.Int(items))
	}
	if err != nil {
		i.span.SetStatus(codes.Error, refused)
	}
}

// FlushInfo is what a flush span says about its batch.
type FlushInfo struct {
	Partition int
	Items     int
	Trigger   uint8
	ID        [16]byte // rendered in hexadecimal, and only where it is recorded
	Links     *Links   // nil: none
}

// Flush is a batch being flushed. The zero value is one without a span.
type Flush struct {
	span trace.Span
	// The context that the tracer made, for each attempt to derive its own from.
	// It is kept, against the custom, because the span alone is not all of it:
	// tracers that bridge to another vendor's put that one's span in it too.
	ctx context.Context
}

// StartFlush starts the span of one batch, which lasts over all its attempts.
// The context must carry no span: the flush has no parent, and what comes back
// then tells whether an SDK has been installed meanwhile. The context returned
// carries the span, so that the spans of a database nest under it.
func (r *Recorder) StartFlush(ctx context.Context, f FlushInfo) (context.Context, Flush) {
	if r.Tracing() {
		// All given at the start, where a sampler can see it.
		ctx, span := r.tracer.Start(ctx, r.flushName,
			trace.WithAttributes(r.describe(f)...), trace.WithLinks(f.Links.all()...))
		return ctx, Flush{span, ctx}
	}
	traced, span := r.tracer.Start(ctx, r.flushName)
	if !span.SpanContext().IsValid() {
		return ctx, Flush{}
	}
	r.tracing.Store(true)
	if span.IsRecording() {
		span.SetAttributes(r.describe(f)...) // no links: no insert had a span yet
	}
	return traced, Flush{span, traced}
}

func (r *Recorder) describe(f FlushInfo) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		r.name,
		keyPartition.Int(f.Partition),
		keyItemCount.Int(f.Items),
		keyTrigger.String(r.triggers[r.trigger(f.Trigger)]),
		keyBatchID.String(hex.EncodeToString(f.ID[:])),
	}
	if dropped := f.Links.Dropped(); dropped > 0 {
		attributes = append(attributes, keyLinkDropped.Int(dropped))
	}
	return attributes
}

// Context returns the context that carries the flush span, for an attempt to
// derive its own from: what [Recorder.StartFlush] returned, or ctx as it is
// where there is no span. ctx is the one that StartFlush was given.
func (f Flush) Context(ctx context.Context) context.Context {
	if f.ctx == nil {
		return ctx
	}
	return f.ctx
}

// AttemptFailed adds the event of a failed attempt, counted from 1, with how many
// items it was given.
func (f Flush) AttemptFailed(attempt, items int, c Class) {
	if f.span == nil || !f.span.IsRecording() {
		return
	}
	f.span.AddEvent("attempt failed", trace.WithAttributes(
		withClass(c, keyAttempt.Int(attempt), keyItemCount.Int(items))...))
}

// End ends the span: as a failure unless c is [ClassNone].
func (f Flush) End(c Class) {
	if f.span == nil {
		return
	}
	if c != ClassNone && f.span.IsRecording() {
		f.span.SetAttributes(keyErrorType.String(c.String()))
		f.span.SetStatus(codes.Error, c.String())
	}
	f.span.End()
}
