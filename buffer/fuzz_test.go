package buffer_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// fewPartitions is how many a fuzzed buffer has at most, since each is a
// goroutine.
const fewPartitions = 64

// drawn are the settings that the fuzzer draws, as it knows only plain types.
type drawn struct {
	name                                                   string
	partitions, maxSize, sizeJitter, maxBytes, maxInFlight int
	interval, flushJitter, timeout, grace                  int64
	overflow, routing, spans                               uint8
	attempts                                               int
	minBackoff, maxBackoff                                 int64
	flags                                                  uint8
}

// The bits of drawn.flags.
const (
	withFlusher = 1 << iota
	withSizeOf
	withKey
	withDeadLetter
	withBisect
	withNilDeadLetter
)

// config is what was drawn, over the Flusher and the dead letter.
func (d drawn) config(to, dead flusher.Flusher[int], size int) buffer.Config[int] {
	cfg := config(nil)
	cfg.Name, cfg.Partitions, cfg.MaxSize, cfg.MaxSizeJitter = d.name, d.partitions, d.maxSize, d.sizeJitter
	cfg.MaxBytes, cfg.MaxInFlight = d.maxBytes, d.maxInFlight
	cfg.FlushInterval, cfg.FlushJitter = time.Duration(d.interval), time.Duration(d.flushJitter)
	cfg.FlushTimeout, cfg.FlushGrace = time.Duration(d.timeout), time.Duration(d.grace)
	cfg.Overflow, cfg.Routing, cfg.InsertSpans = buffer.Overflow(d.overflow), buffer.Routing(d.routing), buffer.SpanMode(d.spans)
	cfg.Retry = flusher.Retry{
		MaxAttempts: d.attempts, MinBackoff: time.Duration(d.minBackoff), MaxBackoff: time.Duration(d.maxBackoff),
		Bisect: d.flags&withBisect != 0,
	}
	if d.flags&withFlusher != 0 {
		cfg.Flusher = to
	}
	if d.flags&withSizeOf != 0 {
		cfg.SizeOf = func(int) int { return size }
	}
	if d.flags&withKey != 0 {
		cfg.Key = func(item int) uint64 { return uint64(item) }
	}
	if d.flags&withDeadLetter != 0 {
		cfg.DeadLetter = dead
	}
	if d.flags&withNilDeadLetter != 0 {
		cfg.DeadLetter = flusher.Func[int](nil)
	}
	return cfg
}

// bad are the fields that New must complain of, by the contract.
func (d drawn) bad() map[string]bool {
	low, high := d.minBackoff, d.maxBackoff
	if low == 0 {
		low = int64(100 * time.Millisecond)
	}
	if high == 0 {
		high = int64(30 * time.Second)
	}
	return map[string]bool{
		"Name":              d.name == "",
		"Flusher":           d.flags&withFlusher == 0,
		"DeadLetter":        d.flags&withNilDeadLetter != 0,
		"Partitions":        d.partitions < 0 || d.partitions > 1<<16,
		"MaxSize":           d.maxSize < 0,
		"MaxSizeJitter":     d.sizeJitter < 0,
		"MaxBytes":          d.maxBytes > 0 && d.flags&withSizeOf == 0,
		"MaxInFlight":       d.maxInFlight < 0,
		"FlushInterval":     false,
		"FlushJitter":       false,
		"FlushTimeout":      false,
		"FlushGrace":        d.grace < 0,
		"Overflow":          d.overflow > 2,
		"Routing":           d.routing > 1,
		"InsertSpans":       d.spans > 2,
		"Retry.MaxAttempts": d.attempts < -1,
		"Retry.MinBackoff":  d.minBackoff < 0 || high >= 0 && low > high,
		"Retry.MaxBackoff":  d.maxBackoff < 0,
	}
}

// FuzzConfig gives New any settings: it names each bad one and no other, or makes
// a buffer that takes items, fails a little, and shuts down with nothing left.
func FuzzConfig(f *testing.F) {
	add := func(d drawn, size int, items uint8, faults uint8) {
		f.Add(d.name, d.partitions, d.maxSize, d.sizeJitter, d.maxBytes, d.maxInFlight, d.interval, d.flushJitter, d.timeout, d.grace,
			d.overflow, d.routing, d.spans, d.attempts, d.minBackoff, d.maxBackoff, d.flags, size, items, faults)
	}
	const most, least = math.MaxInt64, math.MinInt64
	add(drawn{}, 0, 0, 0)
	add(drawn{name: "the defaults", flags: withFlusher}, 0, 10, 0)
	add(drawn{name: "no Flusher", flags: withDeadLetter}, 0, 1, 0)
	add(drawn{name: "a nil dead letter", flags: withFlusher | withNilDeadLetter}, 0, 1, 0)
	add(drawn{name: "the least", partitions: 1, maxSize: 1, maxBytes: 1, maxInFlight: 1, interval: 1, flushJitter: 1, timeout: 1, grace: 1, attempts: 1, minBackoff: 1, maxBackoff: 1, flags: withFlusher | withSizeOf}, 1, 20, 1)
	add(drawn{name: "the greatest", partitions: 3, maxSize: most, sizeJitter: most, maxBytes: most, maxInFlight: most, interval: most, flushJitter: most, timeout: most, grace: most, overflow: 2, routing: 1, spans: 2, attempts: most, minBackoff: most, maxBackoff: most, flags: withFlusher | withSizeOf | withDeadLetter | withBisect}, most, 20, 3)
	add(drawn{name: "beyond", partitions: 1<<16 + 1, overflow: 3, routing: 2, spans: 3, minBackoff: 2, maxBackoff: 1, flags: withFlusher}, 0, 1, 0)
	add(drawn{name: "negative", partitions: -1, maxSize: -1, sizeJitter: -1, maxBytes: -1, maxInFlight: -1, interval: -1, flushJitter: -1, timeout: -1, grace: -1, attempts: -2, minBackoff: -1, maxBackoff: -1, flags: withFlusher}, -1, 1, 0)
	add(drawn{name: "all that can be off", maxBytes: least, interval: least, flushJitter: least, timeout: least, attempts: -1, flags: withFlusher | withSizeOf}, 7, 50, 2)
	add(drawn{name: "bytes without sizes", maxBytes: 10, flags: withFlusher}, 0, 1, 0)
	add(drawn{name: "negative sizes", maxBytes: 10, flags: withFlusher | withSizeOf}, -5, 9, 0)
	add(drawn{name: "keyed and small", partitions: 5, maxSize: 2, sizeJitter: 3, maxInFlight: 2, flags: withFlusher | withKey | withBisect}, 0, 100, 9)
	add(drawn{name: "DropOldest", maxSize: 2, overflow: 2, routing: 1, partitions: 2, flags: withFlusher | withDeadLetter}, 0, 100, 8)
	add(drawn{name: "Reject", maxSize: 1, overflow: 1, flags: withFlusher}, 0, 100, 5)
	f.Fuzz(func(t *testing.T, name string, partitions, maxSize, sizeJitter, maxBytes, maxInFlight int, interval, flushJitter, timeout, grace int64,
		overflow, routing, spans uint8, attempts int, minBackoff, maxBackoff int64, flags uint8, size int, items, faults uint8,
	) {
		if partitions > fewPartitions && partitions <= 1<<16 {
			partitions = partitions%fewPartitions + 1
		}
		d := drawn{name, partitions, maxSize, sizeJitter, maxBytes, maxInFlight, interval, flushJitter, timeout, grace, overflow, routing, spans, attempts, minBackoff, maxBackoff, flags}
		synctest.Test(t, func(t *testing.T) { fuzzed(t, d, size, int(items), int(faults%32)) })
	})
}

// fuzzed is one case, in a bubble: whatever New starts has to have ended with it.
func fuzzed(t *testing.T, d drawn, size, items, faults int) {
	answers := []error{errSink, flusher.Permanent(errSink), flusher.Partial(errSink, 0), flusher.RetryAfter(errSink, time.Minute), nil}
	var answered []answer
	for i := range faults {
		answered = append(answered, fails(answers[i%len(answers)]))
	}
	to := &sink{answer: script(answered...)}
	dead := &sink{}
	buf, err := buffer.New(d.config(to, dead, size))
	complains := false
	for field, bad := range d.bad() {
		complains = complains || bad
		// The name of the buffer is quoted, so that it has no line of its own.
		named := err != nil && strings.Contains(err.Error(), "\n"+field+" is ")
		require.Equal(t, bad, named, "%s of %+v: %v", field, d, err)
	}
	require.Equal(t, complains, err != nil, "%+v: %v", d, err)
	if err != nil {
		require.Nil(t, buf)
		return
	}

	accepted := 0
	for item := range items {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := buf.Insert(ctx, item)
		cancel()
		switch {
		case err == nil:
			accepted++
		case errors.Is(err, buffer.ErrFull), errors.Is(err, buffer.ErrTooLarge), errors.Is(err, context.DeadlineExceeded), size < 0:
		default:
			require.NoError(t, err)
		}
	}
	require.Equal(t, accepted, lawful(t, buf).Accepted)
	// What fails may back off for longer than time in a bubble lasts, which ends
	// in the year 2262.
	ctx, cancel := context.WithTimeout(background(), time.Hour)
	defer cancel()
	err = buf.Shutdown(ctx)
	counts := lawful(t, buf)
	require.Equal(t, accepted, counts.Accepted)
	require.Zero(t, counts.Buffered+counts.InFlight, "%+v", counts)
	require.Equal(t, err == nil, counts.Returned == 0, "%v: %+v", err, counts)
	if faults == 0 {
		require.NoError(t, err)
	}
	require.Equal(t, items-accepted, counts.Rejected)
	assert.Equal(t, counts.DeadLettered, len(dead.items()), "%+v", counts)
}
