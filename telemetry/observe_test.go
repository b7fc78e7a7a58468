package telemetry

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var units = map[string]string{
	"databuffer.item.accepted":        "{item}",
	"databuffer.item.rejected":        "{item}",
	"databuffer.item.processed":       "{item}",
	"databuffer.item.retried":         "{item}",
	"databuffer.queue.size":           "{item}",
	"databuffer.queue.capacity":       "{item}",
	"databuffer.item.inflight":        "{item}",
	"databuffer.insert.waiting":       "{insert}",
	"databuffer.flush.inflight":       "{flush}",
	"databuffer.flush.abandoned":      "{flush}",
	"databuffer.item.oldest.age":      "s",
	"databuffer.insert.wait.duration": "s",
	"databuffer.batch.size":           "{item}",
	"databuffer.batch.age":            "s",
	"databuffer.flush.duration":       "s",
	"databuffer.attempt.duration":     "s",
}

func TestInstruments(t *testing.T) {
	provider := &meters{}
	newRecorder(t, Config{MeterProvider: provider})
	assert.Equal(t, units, provider.units)
	for name, description := range provider.descriptions {
		assert.NotEmpty(t, description, name)
	}
	assert.Len(t, provider.callbacks, 1, "one reading a collection")
	assert.Equal(t, 11, provider.observable)

	sized := &meters{}
	newRecorder(t, Config{MeterProvider: sized, Sized: true})
	assert.Len(t, sized.units, len(units)+1)
	assert.Equal(t, "By", sized.units["databuffer.queue.memory.usage"])
	assert.Equal(t, 12, sized.observable)
}

func TestBounds(t *testing.T) {
	provider := &meters{}
	newRecorder(t, Config{MeterProvider: provider})
	for name, bounds := range provider.bounds {
		require.NotEmpty(t, bounds, name)
		assert.IsIncreasing(t, bounds, name)
		if units[name] == "s" {
			assert.InDelta(t, 0.001, bounds[0], 0)
			assert.InDelta(t, 300, bounds[len(bounds)-1], 0)
			continue
		}
		want := 1.0
		for _, bound := range bounds {
			assert.InDelta(t, want, bound, 0)
			want *= 4
		}
	}
	assert.Len(t, provider.bounds, 5)
}

func TestNothingIsObservedBeforeObserve(t *testing.T) {
	provider := &meters{}
	r := newRecorder(t, Config{MeterProvider: provider})
	assert.Empty(t, provider.collect())
	r.Observe(func() Observation { return Observation{} })
	assert.NotEmpty(t, provider.collect())
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := Observation{
			Accepted: 1, Retried: 2, Queue: 3, Capacity: 4, Bytes: 5, InFlight: 6, Waiting: 7, Flushes: 8, Abandoned: 9,
			Rejected: [Reasons]int{ReasonClosed: 10, ReasonTooLarge: 12, ReasonInvalid: 13},
			Oldest:   time.Now(),
		}
		now.Processed[Delivered][ClassNone] = 20
		now.Processed[DeadLettered][ClassExhausted] = 21
		now.Processed[Dropped][ClassOverflow] = 22
		now.Processed[Dropped][ClassPanic] = 23
		now.Processed[Returned][ClassShutdown] = 24
		now.Processed[Returned][ClassNone] = 25

		provider := &meters{}
		r := newRecorder(t, Config{MeterProvider: provider, Sized: true})
		r.Observe(func() Observation { return now })
		time.Sleep(1500 * time.Millisecond)

		const name = "databuffer.name=events"
		one := func(n float64) map[string]float64 { return map[string]float64{name: n} }
		assert.Equal(t, map[string]map[string]float64{
			"databuffer.item.accepted": one(1),
			"databuffer.item.rejected": {
				name + ",databuffer.reject.reason=closed":    10,
				name + ",databuffer.reject.reason=full":      0,
				name + ",databuffer.reject.reason=too_large": 12,
				name + ",databuffer.reject.reason=canceled":  0,
				name + ",databuffer.reject.reason=_OTHER":    13,
			},
			"databuffer.item.processed": {
				name + ",databuffer.outcome=delivered":                          20,
				name + ",databuffer.outcome=dead_lettered,error.type=exhausted": 21,
				name + ",databuffer.outcome=dropped,error.type=overflow":        22,
				name + ",databuffer.outcome=dropped,error.type=panic":           23,
				name + ",databuffer.outcome=returned,error.type=shutdown":       24,
				name + ",databuffer.outcome=returned":                           25,
			},
			"databuffer.item.retried":       one(2),
			"databuffer.queue.size":         one(3),
			"databuffer.queue.capacity":     one(4),
			"databuffer.queue.memory.usage": one(5),
			"databuffer.item.inflight":      one(6),
			"databuffer.insert.waiting":     one(7),
			"databuffer.flush.inflight":     one(8),
			"databuffer.flush.abandoned":    one(9),
			"databuffer.item.oldest.age":    one(1.5),
		}, provider.collect())
	})
}

func TestObserveAnEmptyBuffer(t *testing.T) {
	provider := &meters{}
	r := newRecorder(t, Config{MeterProvider: provider})
	r.Observe(func() Observation { return Observation{} })
	got := provider.collect()
	assert.Len(t, got, 11, "no gauge of bytes where sizes are unknown")
	assert.NotContains(t, got, "databuffer.queue.memory.usage")
	assert.Len(t, got["databuffer.item.rejected"], 4, "the four reasons from the start")
	assert.Equal(t, map[string]float64{"databuffer.name=events,databuffer.outcome=delivered": 0},
		got["databuffer.item.processed"])
	assert.Equal(t, map[string]float64{"databuffer.name=events": 0}, got["databuffer.item.oldest.age"])
}

func TestOldestAgeIsNeverNegative(t *testing.T) {
	provider := &meters{}
	r := newRecorder(t, Config{MeterProvider: provider})
	r.Observe(func() Observation { return Observation{Oldest: time.Now().Add(time.Hour)} })
	assert.Zero(t, provider.collect()["databuffer.item.oldest.age"]["databuffer.name=events"])
}

func TestHistograms(t *testing.T) {
	provider := &meters{}
	r := newRecorder(t, Config{MeterProvider: provider})
	record := func() {
		r.Waited(t.Context(), 1500*time.Millisecond)
		r.Batch(0, 7, 2*time.Second)
		r.Flushed(0, 3*time.Second, ClassNone)
		r.Flushed(1, 4*time.Second, ClassExhausted)
		r.Attempted(time.Millisecond, ClassNone)
		r.Attempted(5*time.Second, ClassTimeout)
	}
	record()
	const size, interval = "databuffer.flush.trigger=size,", "databuffer.flush.trigger=interval,"
	const name = "databuffer.name=events"
	assert.Equal(t, map[string][]value{
		"databuffer.insert.wait.duration": {{1.5, name}},
		"databuffer.batch.size":           {{7, size + name}},
		"databuffer.batch.age":            {{2, size + name}},
		"databuffer.flush.duration":       {{3, size + name}, {4, interval + name + ",error.type=exhausted"}},
		"databuffer.attempt.duration":     {{0.001, name}, {5, name + ",error.type=timeout"}},
	}, provider.recorded)

	clear(provider.recorded)
	provider.disabled = true
	record()
	assert.Empty(t, provider.recorded, "nobody reads them")
}

func TestFreezeKeepsTheCountsAndZeroesTheGauges(t *testing.T) {
	last := Observation{
		Accepted: 1, Retried: 2, Queue: 3, Capacity: 4, Bytes: 5, InFlight: 6, Waiting: 7, Flushes: 8, Abandoned: 9,
		Rejected: [Reasons]int{ReasonFull: 10},
		Oldest:   time.Now(),
	}
	last.Processed[Returned][ClassShutdown] = 11
	counts := Observation{Accepted: 1, Retried: 2, Rejected: last.Rejected, Processed: last.Processed}

	frozen, live := &meters{}, &meters{}
	newRecorder(t, Config{MeterProvider: frozen, Sized: true}).Freeze(last)
	newRecorder(t, Config{MeterProvider: live, Sized: true}).Observe(func() Observation { return counts })
	assert.Equal(t, live.collect(), frozen.collect())
}

// held stands for a buffer with its items.
type held struct{ items [1 << 16]byte }

func TestFreezeLetsGoOfTheSource(t *testing.T) {
	provider := &meters{}
	r := newRecorder(t, Config{MeterProvider: provider})
	var released atomic.Bool
	func() {
		buffer := new(held)
		runtime.AddCleanup(buffer, func(*int) { released.Store(true) }, nil)
		r.Observe(func() Observation { return Observation{Accepted: len(buffer.items)} })
	}()
	runtime.GC()
	assert.InDelta(t, 1<<16, provider.collect()["databuffer.item.accepted"]["databuffer.name=events"], 0)

	r.Freeze(Observation{Accepted: 42})
	assert.Eventually(t, func() bool { runtime.GC(); return released.Load() }, 10*time.Second, time.Millisecond)
	for range 2 {
		assert.InDelta(t, 42, provider.collect()["databuffer.item.accepted"]["databuffer.name=events"], 0)
	}
	assert.Len(t, provider.callbacks, 1, "it stays registered")
}
