package aggregate_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/buffer"
)

func TestNewNamesEveryBadSetting(t *testing.T) {
	key := func(entry) uint64 { return 0 }
	size := func(entry) int { return 1 }
	for name, test := range map[string]struct {
		merge  func(*int, int)
		change func(cfg *aggregate.Config[string, int])
		want   []string
	}{
		"nil merge": {nil, func(*aggregate.Config[string, int]) {}, []string{"merge is nil: it is required"}},
		"Key":       {sum, func(cfg *aggregate.Config[string, int]) { cfg.Key = key }, []string{"Key is set: it must be nil"}},
		"Routing":   {sum, func(cfg *aggregate.Config[string, int]) { cfg.Routing = buffer.Sticky }, []string{"Routing is Sticky: it must be 0"}},
		"no Routing": {sum, func(cfg *aggregate.Config[string, int]) { cfg.Routing = 7 }, []string{
			"Routing is Routing(7): it must be 0",
		}},
		"SizeOf":   {sum, func(cfg *aggregate.Config[string, int]) { cfg.SizeOf = size }, []string{"SizeOf is set: it must be nil"}},
		"MaxBytes": {sum, func(cfg *aggregate.Config[string, int]) { cfg.MaxBytes = 10 }, []string{"MaxBytes is 10: it must be 0"}},
		"MaxBytes, off": {sum, func(cfg *aggregate.Config[string, int]) { cfg.MaxBytes = -1 }, []string{
			"MaxBytes is -1: it must be 0",
		}},
		"a buffer's": {sum, func(cfg *aggregate.Config[string, int]) { cfg.Partitions = -2 }, []string{"Partitions is -2: it must be positive"}},
		"all at once": {nil, func(cfg *aggregate.Config[string, int]) {
			*cfg = aggregate.Config[string, int]{
				Key: key, SizeOf: size, MaxBytes: 10, Routing: buffer.Sticky, MaxSize: -1, FlushGrace: -time.Second,
			}
		}, []string{
			"merge is nil", "Key is set", "Routing is Sticky", "SizeOf is set", "MaxBytes is 10",
			`Name is ""`, "Flusher is nil", "MaxSize is -1", "FlushGrace is -1s",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			cfg := config(&sink[string, int]{})
			test.change(&cfg)
			a, err := aggregate.New(test.merge, cfg)
			assert.Nil(t, a)
			require.Error(t, err)
			lines := strings.Split(err.Error(), "\n")
			assert.Contains(t, lines[0], "aggregate: New: bad settings for aggregator")
			assert.Len(t, lines[1:], len(test.want), "each once: %v", err)
			for _, want := range test.want {
				assert.Contains(t, err.Error(), want)
			}
			assert.LessOrEqual(t, runtime.NumGoroutine(), before, "nothing is started")
		})
	}
}

func TestTheDefaultsAreABuffers(t *testing.T) {
	a, err := aggregate.New(sum, aggregate.Config[string, int]{Name: "defaults", Flusher: &sink[string, int]{}})
	require.NoError(t, err)
	info := a.Info()
	assert.Equal(t, "defaults", info.Name)
	require.Len(t, info.Partitions, 1)
	assert.Equal(t, 5000, info.Partitions[0].FlushSize, "distinct keys")
	require.NoError(t, a.Shutdown(context.Background()))
}
