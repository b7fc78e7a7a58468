package tests

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

var errSink = errors.New("sink failed on item no. 4711") // as no error text should

func panics(context.Context, flusher.Batch[int]) error { panic("item no. 4711") }

func exits(context.Context, flusher.Batch[int]) error {
	runtime.Goexit()
	return nil
}

func untilDone(ctx context.Context, _ flusher.Batch[int]) error {
	<-ctx.Done()
	return ctx.Err()
}

// stuck does not look at its context.
func stuck(context.Context, flusher.Batch[int]) error {
	time.Sleep(time.Hour)
	return nil
}

// script answers in turn, and then with nil.
func script(script ...answer) answer {
	var turn atomic.Int64
	return func(ctx context.Context, batch flusher.Batch[int]) error {
		if i := int(turn.Add(1)) - 1; i < len(script) {
			return script[i](ctx, batch)
		}
		return nil
	}
}

// What becomes of a batch of three is the same on the counter, on the flush
// span, and on the histogram of the flushes; each attempt is on its own
// histogram and, where it failed, an event.
func TestOutcomes(t *testing.T) {
	once := func(cfg *buffer.Config[int]) { cfg.Retry.MaxAttempts = 1 }
	timeout := func(cfg *buffer.Config[int]) { cfg.FlushTimeout = time.Second }
	deadLetter := func(to answer) func(*buffer.Config[int]) {
		return func(cfg *buffer.Config[int]) { cfg.DeadLetter = to }
	}
	type processed = map[string]float64

	tests := []struct {
		name      string
		flusher   answer
		settings  []func(*buffer.Config[int])
		processed processed // what is not zero
		class     string    // of the batch
		attempts  []string  // the classes of all attempts, in order; "" is a success
		retried   int
	}{
		{
			name: "delivered", flusher: answers(nil),
			processed: processed{"delivered": 3}, attempts: []string{""},
		},
		{
			name: "delivered by a retry", flusher: script(answers(errSink), answers(errSink)),
			processed: processed{"delivered": 3}, attempts: []string{"_OTHER", "_OTHER", ""}, retried: 6,
		},
		{
			name: "dropped as permanent", flusher: answers(flusher.Permanent(errSink)),
			processed: processed{"dropped,error.type=permanent": 3}, class: "permanent", attempts: []string{"permanent"},
		},
		{
			name: "dropped when exhausted", flusher: answers(errSink), settings: []func(*buffer.Config[int]){once},
			processed: processed{"dropped,error.type=exhausted": 3}, class: "exhausted", attempts: []string{"_OTHER"},
		},
		{
			name: "dropped for a panic", flusher: panics,
			processed: processed{"dropped,error.type=panic": 3}, class: "panic", attempts: []string{"panic"},
		},
		{
			name: "dropped for a Goexit", flusher: exits,
			processed: processed{"dropped,error.type=goexit": 3}, class: "goexit", attempts: []string{"goexit"},
		},
		{
			name: "timed out", flusher: untilDone, settings: []func(*buffer.Config[int]){once, timeout},
			processed: processed{"dropped,error.type=exhausted": 3}, class: "exhausted", attempts: []string{"timeout"},
		},
		{
			name: "abandoned", flusher: script(stuck), settings: []func(*buffer.Config[int]){timeout},
			processed: processed{"delivered": 3}, attempts: []string{"timeout", ""}, retried: 3,
		},
		{
			name: "a part is dropped", flusher: answers(flusher.Partial(flusher.Permanent(errSink), 1)),
			processed: processed{"delivered": 2, "dropped,error.type=permanent": 1}, class: "permanent", attempts: []string{"permanent"},
		},
		{
			name: "a part is retried", flusher: script(answers(flusher.Partial(errSink, 0, 2))),
			processed: processed{"delivered": 3}, attempts: []string{"_OTHER", ""}, retried: 2,
		},
		{
			name: "dead-lettered as permanent", flusher: answers(flusher.Permanent(errSink)),
			settings:  []func(*buffer.Config[int]){deadLetter(answers(nil))},
			processed: processed{"dead_lettered,error.type=permanent": 3}, class: "permanent", attempts: []string{"permanent", ""},
		},
		{
			name: "dead-lettered when exhausted", flusher: answers(errSink),
			settings:  []func(*buffer.Config[int]){once, deadLetter(answers(nil))},
			processed: processed{"dead_lettered,error.type=exhausted": 3}, class: "exhausted", attempts: []string{"_OTHER", ""},
		},
		{
			name: "dead-lettered for a panic", flusher: panics,
			settings:  []func(*buffer.Config[int]){deadLetter(answers(nil))},
			processed: processed{"dead_lettered,error.type=panic": 3}, class: "panic", attempts: []string{"panic", ""},
		},
		{
			name: "the dead letter refuses", flusher: panics,
			settings:  []func(*buffer.Config[int]){deadLetter(answers(flusher.Permanent(errSink)))},
			processed: processed{"dropped,error.type=permanent": 3}, class: "permanent", attempts: []string{"panic", "permanent"},
		},
		{
			name: "the dead letter takes a part", flusher: panics,
			settings:  []func(*buffer.Config[int]){deadLetter(answers(flusher.Partial(flusher.Permanent(errSink), 0)))},
			processed: processed{"dead_lettered,error.type=panic": 2, "dropped,error.type=permanent": 1},
			class:     "permanent", attempts: []string{"panic", "permanent"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSDK()
				cfg := s.config(test.flusher)
				for _, set := range test.settings {
					set(&cfg)
				}
				buf := open(t, cfg)
				insert(t, buf, 1, 2, 3)
				time.Sleep(10 * time.Minute)
				agree(t, s, buf)
				m := s.collect(t)

				want := map[string]float64{"databuffer.outcome=delivered": 0}
				for attributes, n := range test.processed {
					want["databuffer.outcome="+attributes] = n
				}
				assert.Equal(t, want, m.values(t, "databuffer.item.processed"))
				assert.InDelta(t, test.retried, m.value(t, "databuffer.item.retried"), 0)

				attributes := "databuffer.flush.trigger=size"
				if test.class != "" {
					attributes += ",error.type=" + test.class
				}
				flushes := m.histogram(t, "databuffer.flush.duration")
				assert.Len(t, flushes, 1)
				assert.Equal(t, uint64(1), flushes[attributes].count, flushes)

				counts := make(map[string]uint64)
				var failed []string
				for _, class := range test.attempts {
					if class == "" {
						counts[""]++
						continue
					}
					counts["error.type="+class]++
					failed = append(failed, class)
				}
				got := make(map[string]uint64)
				for attributes, attempts := range m.histogram(t, "databuffer.attempt.duration") {
					got[attributes] = attempts.count
				}
				assert.Equal(t, counts, got)

				spans := s.ended("flush")
				require.Len(t, spans, 1, "one a batch, over all its attempts")
				checkStatus(t, spans[0], test.class)
				var events []string
				for _, event := range spans[0].Events() {
					assert.Equal(t, "attempt failed", event.Name)
					events = append(events, plain(event.Attributes)["error.type"].(string))
				}
				assert.Equal(t, failed, events)

				time.Sleep(2 * time.Hour) // for what is stuck
				shutdown(t, buf)
				agree(t, s, buf)
				checkNoItems(t, s)
			})
		})
	}
}

// checkStatus checks a span's error.type and status.
func checkStatus(t *testing.T, span sdktrace.ReadOnlySpan, class string) {
	t.Helper()
	if class == "" {
		assert.NotContains(t, plain(span.Attributes()), "error.type")
		assert.Equal(t, sdktrace.Status{}, span.Status())
		return
	}
	assert.Equal(t, class, plain(span.Attributes())["error.type"])
	assert.Equal(t, sdktrace.Status{Code: codes.Error, Description: class}, span.Status())
}

// checkNoItems checks that nothing of an error's text got out.
func checkNoItems(t *testing.T, s *sdk) {
	t.Helper()
	for _, span := range s.spans.Ended() {
		assert.NotContains(t, span.Status().Description, "no. 4711")
		all := span.Attributes()
		for _, event := range span.Events() {
			all = append(all, event.Attributes...)
		}
		for _, a := range all {
			assert.NotContains(t, a.Value.String(), "no. 4711") // the number alone may be in a random ID
		}
	}
}

// The events of a retried batch tell which attempt failed with how many items.
func TestAttemptEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		buf := open(t, s.config(script(answers(errSink), answers(flusher.Partial(errSink, 2)), answers(errSink))))
		insert(t, buf, 1, 2, 3)
		time.Sleep(time.Minute)
		shutdown(t, buf)
		spans := s.ended("flush")
		require.Len(t, spans, 1)
		var attempts, items []any
		for _, event := range spans[0].Events() {
			attempts = append(attempts, plain(event.Attributes)["databuffer.attempt"])
			items = append(items, plain(event.Attributes)["databuffer.item.count"])
		}
		assert.Equal(t, []any{int64(1), int64(2), int64(3)}, attempts)
		assert.Equal(t, []any{int64(3), int64(3), int64(1)}, items)
	})
}

func TestOverflowIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		open1 := make(chan struct{})
		cfg := s.config(answer(func(context.Context, flusher.Batch[int]) error { <-open1; return nil }))
		cfg.Overflow = buffer.DropOldest
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3) // in flight
		synctest.Wait()
		insert(t, buf, 4, 5, 6) // filled
		insert(t, buf, 7)       // drops them
		assert.Equal(t, map[string]float64{
			"databuffer.outcome=delivered":                   0,
			"databuffer.outcome=dropped,error.type=overflow": 3,
		}, s.collect(t).values(t, "databuffer.item.processed"))
		agree(t, s, buf)
		close(open1)
		shutdown(t, buf)
		agree(t, s, buf)
		assert.Len(t, s.ended("flush"), 2, "what never was flushed has no flush span")
	})
}

func TestShutdownThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		buf := open(t, s.config(answer(untilDone)))
		insert(t, buf, 1, 2, 3, 4)
		synctest.Wait()
		left := abort(t, buf)
		assert.Len(t, left.Undelivered, 4)
		m := s.collect(t)
		assert.Equal(t, map[string]float64{
			"databuffer.outcome=delivered":                    0,
			"databuffer.outcome=returned,error.type=shutdown": 4,
		}, m.values(t, "databuffer.item.processed"))
		assert.Equal(t, map[string]recorded{"error.type=shutdown": {1, 0}}, m.histogram(t, "databuffer.attempt.duration"))
		assert.InDelta(t, 0, m.value(t, "databuffer.item.oldest.age"), 0)
		agree(t, s, buf)
		spans := s.ended("flush")
		require.Len(t, spans, 1)
		checkStatus(t, spans[0], "shutdown")
	})
}

func TestShutdownLeavesAStuckAttemptBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSDK()
		buf := open(t, s.config(answer(stuck)))
		insert(t, buf, 1, 2, 3)
		synctest.Wait()
		left := abort(t, buf)
		assert.Len(t, left.InDoubt, 3)
		before := s.collect(t)
		assert.Len(t, before.histogram(t, "databuffer.attempt.duration"), 1, "what is left behind is recorded")
		assert.Contains(t, before.histogram(t, "databuffer.attempt.duration"), "error.type=shutdown")
		assert.InDelta(t, 3, before.values(t, "databuffer.item.processed")["databuffer.outcome=returned,error.type=shutdown"], 0)
		assert.Zero(t, before.value(t, "databuffer.item.inflight"))
		assert.Zero(t, before.value(t, "databuffer.item.oldest.age"))
		spans := s.ended("flush")
		require.Len(t, spans, 1, "its batch is over")
		checkStatus(t, spans[0], "shutdown")

		time.Sleep(2 * time.Hour) // it returns
		after := s.collect(t)
		for name := range before {
			assert.Equal(t, before[name].Data == nil, after[name].Data == nil)
		}
		assert.Equal(t, before.values(t, "databuffer.item.processed"), after.values(t, "databuffer.item.processed"))
		assert.Equal(t, before.histogram(t, "databuffer.attempt.duration"), after.histogram(t, "databuffer.attempt.duration"))
		assert.Len(t, s.ended("flush"), 1)
	})
}
