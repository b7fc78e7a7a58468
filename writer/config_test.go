package writer_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/writer"
)

func nothing(context.Context) error { return nil }

func TestPromiseABadSettingIsAnErrorThatNamesIt(t *testing.T) {
	for _, test := range []struct {
		name string
		set  func(*buffer.Config[[]byte])
		says string
	}{
		{"no name", func(c *buffer.Config[[]byte]) { c.Name = "" }, `Name is ""`},
		{"Flusher", func(c *buffer.Config[[]byte]) { c.Flusher = &grave{} }, "Flusher is set: it must be nil"},
		{"Key", func(c *buffer.Config[[]byte]) { c.Key = func([]byte) uint64 { return 0 } }, "Key is set: it must be nil"},
		{"SizeOf", func(c *buffer.Config[[]byte]) { c.SizeOf = func([]byte) int { return 0 } }, "SizeOf is set: it must be nil"},
		{"Routing", func(c *buffer.Config[[]byte]) { c.Routing = buffer.Sticky }, "Routing is Sticky: it must be 0"},
		{"FlushTimeout", func(c *buffer.Config[[]byte]) { c.FlushTimeout = time.Second }, "FlushTimeout is 1s: it must be 0"},
		{"FlushTimeout off", func(c *buffer.Config[[]byte]) { c.FlushTimeout = -1 }, "FlushTimeout is -1ns: it must be 0"},
		{"FlushGrace", func(c *buffer.Config[[]byte]) { c.FlushGrace = time.Second }, "FlushGrace is 1s: it must be 0"},
		{"Partitions", func(c *buffer.Config[[]byte]) { c.Partitions = 4 }, "Partitions is 4: it must be at most 1"},
		{"negative Partitions", func(c *buffer.Config[[]byte]) { c.Partitions = -1 }, "Partitions is -1"},
		{"MaxInFlight", func(c *buffer.Config[[]byte]) { c.MaxInFlight = 2 }, "MaxInFlight is 2: it must be at most 1"},
		{"MaxBytes", func(c *buffer.Config[[]byte]) { c.MaxBytes = -1 }, "MaxBytes is -1: it must be positive"},
		{"MaxSize", func(c *buffer.Config[[]byte]) { c.MaxSize = -1 }, "MaxSize is -1"},
		{"Bisect", func(c *buffer.Config[[]byte]) { c.Retry.Bisect = true }, "Retry.Bisect is true: it must be false"},
		{"MaxAttempts", func(c *buffer.Config[[]byte]) { c.Retry.MaxAttempts = -2 }, "Retry.MaxAttempts is -2"},
		{"Overflow", func(c *buffer.Config[[]byte]) { c.Overflow = 9 }, "Overflow is Overflow(9)"},
		{"DeadLetter", func(c *buffer.Config[[]byte]) { c.DeadLetter = flusher.Func[[]byte](nil) }, "DeadLetter is a nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := config()
			test.set(&cfg)
			w, err := writer.New(io.Discard, cfg)
			assert.Nil(t, w)
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.says)
		})
	}
}

func TestPromiseABadOutputOrCallbackIsAnError(t *testing.T) {
	for says, add := range map[string]writer.Periodic{
		"callbacks[1] Every(0s): the interval is 0s":         writer.Every(0, nothing),
		"callbacks[1] Every(-1s): the interval is -1s":       writer.Every(-time.Second, nothing),
		"callbacks[1] Every(1s): the function is nil":        writer.Every(time.Second, nil),
		"callbacks[1] Beside(0s, 1): the interval is 0s":     writer.Beside(0, 1, nothing),
		"callbacks[1] Beside(1s, 0): most is 0":              writer.Beside(time.Second, 0, nothing),
		"callbacks[1] Beside(1s, -1): most is -1":            writer.Beside(time.Second, -1, nothing),
		"callbacks[1] Beside(1s, 1): the function is nil":    writer.Beside(time.Second, 1, nil),
		"callbacks[1] Beside(0s, 0): the function is nil":    {},
		"Beside(-1s, -9223372036854775808): most is -922337": writer.Beside(-time.Second, math.MinInt, nothing),
	} {
		_, err := writer.New(io.Discard, config(), writer.Every(time.Second, nothing), add)
		require.Error(t, err)
		assert.Contains(t, err.Error(), says)
	}
	for _, output := range []io.Writer{nil, (*os.File)(nil), (*bytes.Buffer)(nil)} {
		_, err := writer.New(output, config())
		require.Error(t, err)
		assert.Contains(t, err.Error(), "output is nil: it is required")
	}
}

func TestPromiseAllBadSettingsAreOneErrorAndNothingIsStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a goroutine that is left over fails the test
		_, err := writer.New(nil, buffer.Config[[]byte]{Partitions: 4, MaxSizeJitter: -1}, writer.Every(0, nil))
		require.Error(t, err)
		for _, says := range []string{
			"output is nil", "Partitions is 4", "callbacks[0] Every(0s): the interval is 0s", "callbacks[0] Every(0s): the function is nil",
			`Name is ""`, "MaxSizeJitter is -1",
		} {
			assert.Contains(t, err.Error(), says)
		}
		assert.NotContains(t, err.Error(), "Flusher", "what New sets itself is not complained of")
	})
}

func TestSettingsThatAreAllowed(t *testing.T) {
	cfg := config()
	cfg.Partitions, cfg.MaxInFlight, cfg.Routing, cfg.MaxBytes, cfg.MaxSize = 1, 1, buffer.RoundRobin, 1, 1
	w, err := writer.New(io.Discard, cfg)
	require.NoError(t, err)
	require.NoError(t, w.Close())
}

func TestDefaultMaxBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t)
		w := open(t, out, config())
		for range 64 << 10 {
			write(t, w, "x")
		}
		synctest.Wait()
		require.Len(t, out.offered(), 1)
		assert.Len(t, out.offered()[0], 64<<10)
	})
}
