package telemetry

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// traced returns a recorder and the provider that has its spans.
func traced(t testing.TB, mode SpanMode, sampled bool) (*Recorder, *tracers) {
	t.Helper()
	provider := &tracers{sampled: sampled}
	r := newRecorder(t, Config{TracerProvider: flushable{provider}, InsertSpans: mode})
	require.True(t, r.Tracing())
	return r, provider
}

// caller is a context with a span.
func caller(recording, sampled bool) (context.Context, trace.SpanContext) {
	s := &span{sc: spanContext(5, sampled), recording: recording}
	return trace.ContextWithSpan(context.Background(), s), s.sc
}

func TestInsertSpans(t *testing.T) {
	recording, inside := caller(true, true)
	remote, outside := caller(false, true)
	unsampled, _ := caller(false, false)
	unsampledRecording, _ := caller(true, false)

	tests := []struct {
		name    string
		mode    SpanMode
		ctx     context.Context
		sampled bool
		span    bool
		link    trace.SpanContext // zero: the insert's own, if sampled
	}{
		{"always, no caller", SpanAlways, context.Background(), true, true, trace.SpanContext{}},
		{"always, within a span", SpanAlways, recording, true, true, trace.SpanContext{}},
		{"always, not sampled", SpanAlways, recording, false, true, trace.SpanContext{}},
		{"child, no caller", SpanChild, context.Background(), true, false, trace.SpanContext{}},
		{"child, caller not recording", SpanChild, remote, true, false, trace.SpanContext{}},
		{"child, caller recording", SpanChild, recording, true, true, trace.SpanContext{}},
		{"child, caller recording and unsampled", SpanChild, unsampledRecording, true, true, trace.SpanContext{}},
		{"never, no caller", SpanNever, context.Background(), true, false, trace.SpanContext{}},
		{"never, caller recording", SpanNever, recording, true, false, inside},
		{"never, caller sampled elsewhere", SpanNever, remote, true, false, outside},
		{"never, caller not sampled", SpanNever, unsampled, true, false, trace.SpanContext{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, provider := traced(t, test.mode, test.sampled)
			insert := r.StartInsert(test.ctx)
			insert.End(3, 10, nil)
			if !test.span {
				assert.Empty(t, provider.spans)
				assert.Equal(t, test.link, insert.Link())
				assert.Equal(t, test.link.IsValid(), insert.Linked())
				return
			}
			require.Len(t, provider.spans, 1)
			s := provider.spans[0]
			assert.Equal(t, "insert events", s.name)
			assert.Equal(t, trace.SpanContextFromContext(test.ctx), s.parent)
			assert.Equal(t, 1, s.ended)
			if !test.sampled {
				assert.Empty(t, s.attributes)
				assert.False(t, insert.Link().IsValid(), "the link would lead nowhere")
				assert.False(t, insert.Linked())
				return
			}
			assert.Equal(t, s.sc, insert.Link())
			assert.True(t, insert.Linked())
			assert.Equal(t, map[string]any{
				"databuffer.name": "events", "databuffer.partition": int64(3), "databuffer.item.count": int64(10),
			}, plain(s.attributes))
			assert.Equal(t, codes.Unset, s.status)
		})
	}
}

func TestRefusedInsert(t *testing.T) {
	r, provider := traced(t, SpanAlways, true)
	r.StartInsert(t.Context()).End(-1, 2, errors.New("secret item"))
	s := provider.spans[0]
	assert.Equal(t, codes.Error, s.status)
	assert.Equal(t, "insert refused", s.description, "no error text: it may hold an item")
	assert.Equal(t, map[string]any{"databuffer.name": "events", "databuffer.item.count": int64(2)},
		plain(s.attributes), "no partition was chosen")
	assert.Equal(t, 1, s.ended)
}

// A sampler may have a span recorded that is not exported: it has attributes,
// and nothing links to it.
func TestRecordedButNotSampled(t *testing.T) {
	r, provider := traced(t, SpanAlways, false)
	provider.recording = true
	insert := r.StartInsert(t.Context())
	insert.End(1, 2, nil)
	assert.False(t, insert.Linked())
	assert.False(t, insert.Link().IsValid())
	assert.Equal(t, int64(2), plain(provider.spans[0].attributes)["databuffer.item.count"])
}

func TestZeroValuesAreSafe(t *testing.T) {
	assert.NotPanics(t, func() {
		assert.False(t, Insert{}.Link().IsValid())
		Insert{}.End(0, 1, errors.New("any"))
		Flush{}.AttemptFailed(1, 1, ClassPanic)
		Flush{}.End(ClassPanic)
	})
	ctx, _ := caller(true, true)
	assert.Equal(t, ctx, Flush{}.Context(ctx))
}

func TestFlushSpan(t *testing.T) {
	r, provider := traced(t, SpanAlways, true)
	var links Links
	for n := uint64(1); n <= 130; n++ {
		links.Add(spanContext(n, true))
	}
	ctx, flush := r.StartFlush(t.Context(), FlushInfo{
		Partition: 2, Items: 30, Trigger: 1, ID: [16]byte{0xab, 15: 0x01}, Links: &links,
	})
	flush.AttemptFailed(1, 30, ClassTimeout)
	flush.AttemptFailed(2, 4, ClassOther)
	flush.End(ClassNone)

	require.Len(t, provider.spans, 1)
	s := provider.spans[0]
	assert.Equal(t, "flush events", s.name)
	assert.False(t, s.parent.IsValid())
	assert.Equal(t, s.sc, trace.SpanContextFromContext(ctx), "what the Flusher starts nests under it")
	assert.Equal(t, ctx, flush.Context(t.Context()), "for each attempt")
	assert.Equal(t, map[string]any{
		"databuffer.name": "events", "databuffer.partition": int64(2), "databuffer.item.count": int64(30),
		"databuffer.flush.trigger": "interval", "databuffer.batch.id": "ab000000000000000000000000000001",
		"databuffer.link.dropped": int64(2),
	}, plain(s.attributes))
	assert.Equal(t, links.all(), s.links)
	assert.Len(t, s.links, 128)
	assert.Equal(t, []string{"attempt failed", "attempt failed"}, s.events)
	assert.Equal(t, map[string]any{
		"error.type": "timeout", "databuffer.attempt": int64(1), "databuffer.item.count": int64(30),
	}, plain(s.eventValues[0]))
	assert.Equal(t, map[string]any{
		"error.type": "_OTHER", "databuffer.attempt": int64(2), "databuffer.item.count": int64(4),
	}, plain(s.eventValues[1]))
	assert.Equal(t, codes.Unset, s.status, "delivered in the end is no failure")
	assert.Equal(t, 1, s.ended)
}

func TestFailedFlush(t *testing.T) {
	r, provider := traced(t, SpanAlways, true)
	_, flush := r.StartFlush(t.Context(), FlushInfo{})
	flush.End(ClassExhausted)
	s := provider.spans[0]
	assert.Equal(t, codes.Error, s.status)
	assert.Equal(t, "exhausted", s.description)
	assert.Equal(t, "exhausted", plain(s.attributes)["error.type"])
	assert.NotContains(t, plain(s.attributes), "databuffer.link.dropped")
	assert.Empty(t, s.links)
	assert.Equal(t, 1, s.ended)
}

func TestUnsampledFlushIsEnded(t *testing.T) {
	r, provider := traced(t, SpanAlways, false)
	_, flush := r.StartFlush(t.Context(), FlushInfo{})
	flush.AttemptFailed(1, 1, ClassOther)
	flush.End(ClassOther)
	s := provider.spans[0]
	assert.Empty(t, s.events)
	assert.Equal(t, codes.Unset, s.status)
	assert.Equal(t, 1, s.ended, "some tracers pool their spans")
}

func TestAllocations(t *testing.T) {
	flush := func(r *Recorder) func() {
		ctx, links := context.Background(), new(Links)
		links.Add(spanContext(1, true))
		return func() {
			_, f := r.StartFlush(ctx, FlushInfo{Partition: 1, Items: 1, ID: [16]byte{1}, Links: links})
			f.AttemptFailed(1, 1, ClassTimeout)
			f.End(ClassTimeout)
		}
	}
	global := newRecorder(t, Config{})
	none := newRecorder(t, Config{TracerProvider: tracenoop.NewTracerProvider()})
	assert.LessOrEqual(t, testing.AllocsPerRun(100, flush(global)), 3.0, "a flush, the unset global: the API's own")
	assert.LessOrEqual(t, testing.AllocsPerRun(100, flush(none)), 1.0, "a flush, a no-op")

	assert.Zero(t, testing.AllocsPerRun(100, func() {
		global.Waited(context.Background(), 1)
		global.Batch(0, 1, 1)
		global.Flushed(0, 1, ClassTimeout)
		global.Attempted(1, ClassTimeout)
	}), "metrics, no SDK")

	ctx, _ := caller(true, true)
	for _, mode := range []SpanMode{SpanChild, SpanNever} {
		r, _ := traced(t, mode, true)
		from := ctx
		if mode == SpanChild {
			from = context.Background()
		}
		var links Links
		links.Add(spanContext(5, true))
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			insert := r.StartInsert(from)
			links.Add(insert.Link())
			insert.End(1, 1, nil)
		}), "an insert without a span: %s", mode)
	}
}
