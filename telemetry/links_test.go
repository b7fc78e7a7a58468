package telemetry

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/otel/trace"
)

func add(l *Links, numbers ...uint64) {
	for _, n := range numbers {
		l.Add(spanContext(n, true))
	}
}

func linked(l *Links) []uint64 {
	var numbers []uint64
	for _, link := range l.all() {
		id := link.SpanContext.SpanID()
		var n uint64
		for _, b := range id {
			n = n<<8 | uint64(b)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

func TestLinks(t *testing.T) {
	t.Run("the zero value has none", func(t *testing.T) {
		var l Links
		assert.Zero(t, l.Len())
		assert.Zero(t, l.Dropped())
		assert.Empty(t, l.all())
		assert.Equal(t, unsafe.Sizeof(uintptr(0)), unsafe.Sizeof(l), "it sits in each batch")
	})

	t.Run("nil has none", func(t *testing.T) {
		var l *Links
		assert.Zero(t, l.Len())
		assert.Zero(t, l.Dropped())
		assert.Empty(t, l.all())
	})

	t.Run("in the order added", func(t *testing.T) {
		var l Links
		add(&l, 3, 1, 2)
		assert.Equal(t, []uint64{3, 1, 2}, linked(&l))
		assert.Equal(t, 3, l.Len())
	})

	t.Run("each once", func(t *testing.T) {
		var l Links
		add(&l, 1, 1, 2, 1, 2, 2, 1)
		assert.Equal(t, []uint64{1, 2}, linked(&l))
		assert.Zero(t, l.Dropped())
	})

	t.Run("spans of one trace are different spans", func(t *testing.T) {
		var l Links
		first := spanContext(1, true)
		l.Add(first)
		l.Add(first.WithSpanID(trace.SpanID{9}))
		l.Add(first.WithTraceID(trace.TraceID{9}))
		assert.Equal(t, 3, l.Len())
	})

	t.Run("invalid and unsampled ones are ignored", func(t *testing.T) {
		var l Links
		l.Add(trace.SpanContext{})
		l.Add(spanContext(1, false))
		l.Add(spanContext(1, true).WithTraceID(trace.TraceID{}))
		l.Add(spanContext(1, true).WithSpanID(trace.SpanID{}))
		assert.Zero(t, l.Len())
		assert.Nil(t, l.set, "nothing is allocated for them")
		add(&l, 1)
		l.Add(trace.SpanContext{})
		assert.Equal(t, 1, l.Len())
		assert.Zero(t, l.Dropped())
	})

	t.Run("at most 128, the rest counted", func(t *testing.T) {
		var l Links
		for n := uint64(1); n <= 128; n++ {
			add(&l, n)
		}
		assert.Equal(t, 128, l.Len())
		assert.Zero(t, l.Dropped(), "the limit is reached, not passed")
		add(&l, 129)
		assert.Equal(t, 128, l.Len())
		assert.Equal(t, 1, l.Dropped())
		assert.Equal(t, uint64(128), linked(&l)[127], "the first ones stay")
	})

	t.Run("what was left out is counted once", func(t *testing.T) {
		var l Links
		for range 3 {
			for n := uint64(1); n <= 200; n++ {
				add(&l, n)
			}
		}
		assert.Equal(t, 128, l.Len())
		assert.Equal(t, 72, l.Dropped())
	})
}

func TestFingerprints(t *testing.T) {
	seen := make(map[uint64]bool)
	for n := range uint64(1 << 12) {
		sc := spanContext(n+1, true)
		for _, sc := range []trace.SpanContext{
			sc, // ID and trace the same number
			sc.WithTraceID(trace.TraceID{1}),
			sc.WithSpanID(trace.SpanID{1}),
			reversed(sc),
		} {
			f := fingerprint(sc)
			assert.NotZero(t, f)
			assert.False(t, seen[f], "IDs need not be random")
			seen[f] = true
		}
	}

	var set fingerprints
	for f := range seen {
		assert.True(t, set.add(f))
		assert.False(t, set.add(f))
	}
	assert.Equal(t, len(seen), set.count)
	assert.LessOrEqual(t, 2*set.count, len(set.slots), "half full at most")
}

// reversed has its number in the bytes at the front.
func reversed(sc trace.SpanContext) trace.SpanContext {
	t, s := sc.TraceID(), sc.SpanID()
	slices.Reverse(t[:])
	slices.Reverse(s[:])
	return sc.WithTraceID(t).WithSpanID(s)
}

func TestLinksAllocateNothingForTheSameCaller(t *testing.T) {
	var l Links
	a, b := spanContext(1, true), spanContext(2, true)
	l.Add(a)
	l.Add(b)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		l.Add(a)
		l.Add(a)
		l.Add(b)
	}))
}

func BenchmarkLinksAdd(b *testing.B) {
	contexts := make([]trace.SpanContext, 1000)
	for i := range contexts {
		contexts[i] = spanContext(uint64(i+1), true)
	}
	b.Run("unique", func(b *testing.B) { // SpanAlways: batches of 1000
		var l Links
		i := 0
		for b.Loop() {
			if i == len(contexts) {
				i, l = 0, Links{}
			}
			l.Add(contexts[i])
			i++
		}
	})
	b.Run("same", func(b *testing.B) { // SpanNever: one caller
		var l Links
		for b.Loop() {
			l.Add(contexts[0])
		}
	})
	b.Run("in turn", func(b *testing.B) { // SpanNever: several callers
		var l Links
		i := 0
		for b.Loop() {
			l.Add(contexts[i%16])
			i++
		}
	})
}
