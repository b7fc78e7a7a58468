package buffer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

func TestNewNamesEveryBadSetting(t *testing.T) {
	meters := &countingMeters{}
	buf, err := buffer.New(buffer.Config[int]{
		Partitions:    -1,
		MaxSize:       -2,
		MaxSizeJitter: -3,
		MaxBytes:      4,
		MaxInFlight:   -5,
		FlushGrace:    -6,
		Overflow:      7,
		Routing:       8,
		InsertSpans:   9,
		DeadLetter:    flusher.Func[int](nil),
		Retry:         flusher.Retry{MaxAttempts: -10, MinBackoff: -11, MaxBackoff: -12},
		MeterProvider: meters,
	})
	require.Error(t, err)
	assert.Nil(t, buf)
	assert.Zero(t, meters.asked, "New starts nothing when it fails")
	for field, value := range map[string]string{
		"Name": `""`, "Flusher": "nil", "Partitions": "-1", "MaxSize": "-2", "MaxSizeJitter": "-3", "MaxBytes": "4",
		"MaxInFlight": "-5", "FlushGrace": "-6ns", "Overflow": "Overflow(7)", "Routing": "Routing(8)", "InsertSpans": "SpanMode(9)",
		"DeadLetter": "nil", "Retry.MaxAttempts": "-10", "Retry.MinBackoff": "-11ns", "Retry.MaxBackoff": "-12ns",
	} {
		line := ""
		for l := range strings.Lines(err.Error()) {
			if strings.HasPrefix(l, field+" is ") {
				line = l
			}
		}
		require.NotEmpty(t, line, "%s in\n%v", field, err)
		assert.Contains(t, line, value)
		_, allowed, _ := strings.Cut(line, ": ")
		assert.NotEmpty(t, strings.TrimSpace(allowed), "%s: what is allowed, or what to do", field)
	}
}

type countingMeters struct {
	noop.MeterProvider
	asked int
}

func (m *countingMeters) Meter(name string, options ...metric.MeterOption) metric.Meter {
	m.asked++
	return m.MeterProvider.Meter(name, options...)
}

func TestNewOneBadSettingAtATime(t *testing.T) {
	for name, change := range map[string]func(*buffer.Config[int]){
		"Name":             func(c *buffer.Config[int]) { c.Name = "" },
		"Flusher":          func(c *buffer.Config[int]) { c.Flusher = nil },
		"Flusher nil Func": func(c *buffer.Config[int]) { c.Flusher = flusher.Items[int](nil) },
		"Flusher nil Chan": func(c *buffer.Config[int]) { c.Flusher = flusher.Chan[int](nil) },
		"Partitions":       func(c *buffer.Config[int]) { c.Partitions = 1<<16 + 1 },
		"MaxBytes":         func(c *buffer.Config[int]) { c.MaxBytes = 1 },
		"Retry.MinBackoff": func(c *buffer.Config[int]) { c.Retry.MinBackoff = time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(&sink{})
			change(&cfg)
			_, err := buffer.New(cfg)
			field, _, _ := strings.Cut(name, " ")
			assert.ErrorContains(t, err, field+" is ")
		})
	}
	for name, change := range map[string]func(*buffer.Config[int]){
		"SizeOf alone":      func(c *buffer.Config[int]) { c.SizeOf = func(int) int { return 1 } },
		"negative MaxBytes": func(c *buffer.Config[int]) { c.MaxBytes = -1 },
		"all off":           func(c *buffer.Config[int]) { c.FlushInterval, c.FlushJitter, c.FlushTimeout = -1, -1, -1 },
		"a value Flusher":   func(c *buffer.Config[int]) { c.Flusher = valueFlusher{} },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(&sink{})
			change(&cfg)
			open(t, cfg)
		})
	}
}

type valueFlusher struct{}

func (valueFlusher) Flush(context.Context, flusher.Batch[int]) error { return nil }

func TestNames(t *testing.T) {
	assert.Equal(t, "Block Reject DropOldest Overflow(3)", strings.Join([]string{
		buffer.Block.String(), buffer.Reject.String(), buffer.DropOldest.String(), buffer.Overflow(3).String(),
	}, " "))
	assert.Equal(t, "RoundRobin Sticky Routing(2)", strings.Join([]string{
		buffer.RoundRobin.String(), buffer.Sticky.String(), buffer.Routing(2).String(),
	}, " "))
}

func TestHash(t *testing.T) {
	type key struct {
		name string
		n    float64
	}
	assert.Equal(t, buffer.Hash(key{"a", 1}), buffer.Hash(key{"a", 1}))
	assert.NotEqual(t, buffer.Hash(key{"a", 1}), buffer.Hash(key{"a", 2}))
	assert.Equal(t, buffer.Hash(0.0), buffer.Hash(-1/inf), "0.0 == -0.0")
	assert.NotEqual(t, buffer.Hash("a"), buffer.Hash("b"))
}

var inf = func() float64 { f := 1e308; return f * 10 }()

func TestKeysSpread(t *testing.T) {
	for name, key := range map[string]func(int) uint64{
		"consecutive ids": func(i int) uint64 { return uint64(i) },
		"multiples":       func(i int) uint64 { return uint64(i) << 20 },
		"high bits":       func(i int) uint64 { return uint64(i) << 52 },
		"Hash":            func(i int) uint64 { return buffer.Hash(i) },
	} {
		for _, partitions := range []int{8, 7} {
			t.Run(name, func(t *testing.T) {
				cfg := config(&sink{})
				cfg.MaxSize, cfg.Partitions, cfg.Key = 1_000_000, partitions, key
				buf := open(t, cfg)
				insert(t, buf, upTo(4000)...)
				for _, n := range infos(buf) {
					assert.InDelta(t, 4000/partitions, n, 150)
				}
			})
		}
	}
}
