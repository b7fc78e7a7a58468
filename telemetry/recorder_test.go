package telemetry

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

func newRecorder(t testing.TB, cfg Config) *Recorder {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "events"
	}
	if cfg.Triggers == nil {
		cfg.Triggers = []string{"size", "interval"}
	}
	r, err := New(cfg)
	require.NoError(t, err)
	return r
}

func TestTracing(t *testing.T) {
	t.Run("no SDK", func(t *testing.T) {
		assert.False(t, newRecorder(t, Config{}).Tracing(), "the unset global")
		assert.False(t, newRecorder(t, Config{TracerProvider: otel.GetTracerProvider()}).Tracing())
		assert.False(t, newRecorder(t, Config{TracerProvider: tracenoop.NewTracerProvider()}).Tracing())
		//lint:ignore SA1019 users may still have it
		deprecated := trace.NewNoopTracerProvider()
		assert.False(t, newRecorder(t, Config{TracerProvider: deprecated}).Tracing())
	})

	t.Run("an SDK is known by its provider, without a span", func(t *testing.T) {
		sdk := flushable{&tracers{sampled: true}}
		assert.True(t, newRecorder(t, Config{TracerProvider: sdk}).Tracing())
		assert.Empty(t, sdk.spans)
	})

	t.Run("another tracer is known by the IDs of its spans", func(t *testing.T) {
		for _, sampled := range []bool{false, true} {
			provider := &tracers{sampled: sampled}
			assert.True(t, newRecorder(t, Config{TracerProvider: provider}).Tracing())
			require.Len(t, provider.spans, 1)
			probe := provider.spans[0]
			assert.Zero(t, probe.ended, "a probe that was ended would be exported")
			assert.True(t, probe.parent.IsRemote())
			assert.False(t, probe.parent.IsSampled(), "parent-based samplers would record it")
		}
	})

	t.Run("an SDK that was shut down hands out no-ops", func(t *testing.T) {
		assert.False(t, newRecorder(t, Config{TracerProvider: closedSDK{}}).Tracing())
	})

	t.Run("one installed later is seen by the next flush", func(t *testing.T) {
		for _, sampled := range []bool{false, true} {
			r := newRecorder(t, Config{})
			_, flush := r.StartFlush(t.Context(), FlushInfo{})
			flush.End(ClassNone)
			assert.False(t, r.Tracing())
			assert.False(t, r.TracingFlag().Load())

			provider := &tracers{sampled: sampled}
			r.tracer = provider.Tracer(Scope) // what the global's delegation does
			_, flush = r.StartFlush(t.Context(), FlushInfo{Partition: 1, Items: 7, Trigger: 1})
			flush.End(ClassNone)
			assert.True(t, r.Tracing())
			assert.True(t, r.TracingFlag().Load())
			require.Len(t, provider.spans, 1)
			if sampled {
				attributes := plain(provider.spans[0].attributes)
				assert.Equal(t, int64(7), attributes["databuffer.item.count"])
				assert.Equal(t, "interval", attributes["databuffer.flush.trigger"])
			} else {
				assert.Empty(t, provider.spans[0].attributes, "nobody records them")
			}
		}
	})
}

// closedSDK can be flushed, and its tracers do nothing.
type closedSDK struct{ tracenoop.TracerProvider }

func (closedSDK) ForceFlush(context.Context) error { return nil }

func TestScope(t *testing.T) {
	traced, metered := &tracers{}, &meters{}
	newRecorder(t, Config{TracerProvider: traced, MeterProvider: metered})
	assert.Equal(t, "github.com/go-databuffer/databuffer", traced.scope)
	assert.Equal(t, traced.scope, metered.scope)
	assert.Equal(t, Version, traced.version)
	assert.Equal(t, Version, metered.version)
	assert.NotEmpty(t, Version)
}

func TestNewReportsARefusedInstrument(t *testing.T) {
	for _, name := range []string{
		"databuffer.item.accepted", "databuffer.queue.size", "databuffer.item.oldest.age",
		"databuffer.batch.size", "databuffer.flush.duration",
	} {
		provider := &meters{broken: name}
		r, err := New(Config{Name: "events", MeterProvider: provider})
		assert.ErrorIs(t, err, errBroken, name)
		assert.ErrorContains(t, err, "telemetry: ")
		assert.Nil(t, r)
		assert.Empty(t, provider.callbacks, "nothing is left registered")
	}
}

func TestAnUnknownTriggerIsOther(t *testing.T) {
	provider := &meters{}
	for _, triggers := range [][]string{nil, {"size"}} {
		r, err := New(Config{Name: "events", Triggers: triggers, MeterProvider: provider})
		require.NoError(t, err)
		r.Batch(9, 1, 0)
		r.Flushed(255, 0, 200)
		assert.Equal(t, []value{{1, "databuffer.flush.trigger=_OTHER,databuffer.name=events"}},
			provider.recorded["databuffer.batch.size"])
		assert.Equal(t, []value{{0, "databuffer.flush.trigger=_OTHER,databuffer.name=events,error.type=_OTHER"}},
			provider.recorded["databuffer.flush.duration"])
	}
}

// The caller's slice of names is read once.
func TestTriggersAreCopied(t *testing.T) {
	names := make([]string, 1, 8)
	names[0] = "size"
	r := newRecorder(t, Config{Triggers: names})
	names[0] = "changed"
	assert.Equal(t, "size", r.triggers[0])
	assert.Empty(t, names[:2][1], "nothing is written behind it")
}

// A recorder stays with its MeterProvider for good, so it makes no attribute sets for
// failures that never happen.
func TestAttributeSetsAreMadeWhenTheyAreNeeded(t *testing.T) {
	r := newRecorder(t, Config{})
	made := func() (n int) {
		for i := range r.histograms.byBoth {
			for c := range r.histograms.byBoth[i] {
				if r.histograms.byBoth[i][c].made.Load() != nil {
					n++
				}
			}
		}
		for c := range r.histograms.byClass {
			if r.histograms.byClass[c].made.Load() != nil {
				n++
			}
		}
		for i := range r.gauges.byOutcome {
			for c := range r.gauges.byOutcome[i] {
				if r.gauges.byOutcome[i][c].made.Load() != nil {
					n++
				}
			}
		}
		return n
	}
	assert.Zero(t, made())
	for range 2 {
		r.byClass(ClassPanic)
		r.byBoth(1, ClassNone)
		r.gauges.outcome(Dropped, ClassExhausted)
		assert.Equal(t, 3, made())
	}
	assert.Same(t, &r.byClass(ClassPanic)[0], &r.byClass(ClassPanic)[0], "once")
}
