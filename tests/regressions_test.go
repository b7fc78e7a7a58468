package tests

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/flusher"
)

// What a deliberate fault went unnoticed with, and needs an SDK to be seen. Each
// test is named for what it proves.

// slowProcessor takes a second for the start, or for the end, of each flush span:
// the partition's goroutine waits for it, and inserts go on meanwhile.
type slowProcessor struct {
	sdktrace.SpanProcessor
	atStart, atEnd time.Duration
}

func (p slowProcessor) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	if strings.HasPrefix(span.Name(), "flush") {
		time.Sleep(p.atStart)
	}
}

func (p slowProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	if strings.HasPrefix(span.Name(), "flush") {
		time.Sleep(p.atEnd)
	}
}

func (p slowProcessor) Shutdown(context.Context) error   { return nil }
func (p slowProcessor) ForceFlush(context.Context) error { return nil }

func TestBatchAgeIsNeverNegative(t *testing.T) {
	for name, slow := range map[string]slowProcessor{
		"a span ends slowly":   {atEnd: time.Second},
		"a span starts slowly": {atStart: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSDK(sdktrace.WithSpanProcessor(slow))
				buf := open(t, s.config(answers(nil)))
				for item := range 30 { // some come while the partition is on its way to look
					insert(t, buf, item)
					time.Sleep(170 * time.Millisecond)
				}
				shutdown(t, buf)
				age := s.collect(t).histogram(t, "databuffer.batch.age")
				require.NotEmpty(t, age)
				for attributes, all := range age {
					assert.GreaterOrEqual(t, all.sum, 0.0, attributes)
				}
				batches := uint64(0)
				for _, all := range age {
					batches += all.count
				}
				assert.EqualValues(t, len(s.ended("flush")), batches)
			})
		})
	}
	t.Run("of an item that is newer than the look at it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSDK(sdktrace.WithSpanProcessor(slowProcessor{atEnd: time.Second}))
			buf := open(t, s.config(answers(nil)))
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Second / 2)
			insert(t, buf, 4, 5, 6)
			time.Sleep(10 * time.Second)
			shutdown(t, buf)
			assert.Equal(t, map[string]recorded{
				"databuffer.flush.trigger=size": {2, 0},
			}, s.collect(t).histogram(t, "databuffer.batch.age"))
		})
	})
}

func TestOfSeveralReadyBatchesGetReturnsTheNewest(t *testing.T) {
	// The partition's goroutine waits for a tracer while two more batches are
	// filled, each with the key.
	synctest.Test(t, func(t *testing.T) {
		s := newSDK(sdktrace.WithSpanProcessor(slowProcessor{atStart: time.Hour}))
		cfg := aggregate.Config[string, int]{
			Name: bufferName, MaxSize: 2, MaxInFlight: 3, FlushInterval: -1, FlushTimeout: -1,
			TracerProvider: s.tracers, MeterProvider: s.meters,
			Flusher: flusher.Items(func(context.Context, []aggregate.Entry[string, int]) error { return nil }),
		}
		a, err := aggregate.New(func(stored *int, value int) { *stored += value }, cfg)
		require.NoError(t, err)
		for value := range 3 {
			require.NoError(t, a.Add(t.Context(), "key", 100+value))
			require.NoError(t, a.Add(t.Context(), "another", 0))
			time.Sleep(time.Second)
		}
		require.Equal(t, 4, a.Len(), "two batches that are ready")
		value, ok := a.Get("key")
		assert.True(t, ok)
		assert.Equal(t, 102, value)
		require.NoError(t, a.Shutdown(t.Context()))
	})
}

func TestOldestAgeIncludesWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		letGo := make(chan struct{})
		buf := open(t, s.config(answer(func(context.Context, flusher.Batch[int]) error { <-letGo; return nil })))
		insert(t, buf, 1, 2, 3) // in flight
		time.Sleep(time.Minute)
		assert.InDelta(t, 60, s.collect(t).value(t, "databuffer.item.oldest.age"), 0, "nothing else is held")
		insert(t, buf, 4)
		time.Sleep(time.Minute)
		assert.InDelta(t, 120, s.collect(t).value(t, "databuffer.item.oldest.age"), 0, "and what came later is younger")
		close(letGo)
		synctest.Wait()
		assert.InDelta(t, 60, s.collect(t).value(t, "databuffer.item.oldest.age"), 0)
		shutdown(t, buf)
	})
}
