package buffer_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design, row by row: here the law, extremes and the log.

func TestPromiseTheLaw(t *testing.T) {
	// A million inserts from 64 goroutines against a slow, failing, panicking
	// Flusher: each item has exactly one outcome, the one that counted it.
	total := 1_000_000
	if testing.Short() {
		total = 100_000
	}
	const producers = 64
	outcomes := make([]atomic.Int32, total) // how often each item came through, by sink
	var n, delivered, dead atomic.Int64
	answer := func(count *atomic.Int64) answer {
		return func(_ context.Context, b flusher.Batch[int]) error {
			k := n.Add(1)
			var failed []int
			switch {
			case k%5 == 0:
				return errSink
			case k%7 == 0:
				return flusher.Permanent(errSink)
			case k%11 == 0:
				panic("poison")
			case k%13 == 0:
				failed = []int{0, len(b.Items) - 1}
			case k%17 == 0:
				time.Sleep(time.Millisecond)
			}
			for i, item := range b.Items {
				if len(failed) > 0 && (i == failed[0] || i == failed[1]) {
					continue
				}
				outcomes[item].Add(1)
				count.Add(1)
			}
			if failed != nil {
				return flusher.Partial(errSink, failed...)
			}
			return nil
		}
	}
	buf, err := buffer.New(buffer.Config[int]{
		Name:       "law",
		Flusher:    flusher.Func[int](answer(&delivered)),
		DeadLetter: flusher.Func[int](answer(&dead)),
		Partitions: 8, MaxSize: 500, MaxSizeJitter: 50, MaxInFlight: 2,
		Retry:  flusher.Retry{MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond, MaxAttempts: 4},
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for g := range producers {
		wg.Go(func() {
			for item := g; item < total; item += producers {
				if err := buf.Insert(background(), item); err != nil {
					t.Error(err)
					return
				}
				if item%10_000 == 0 {
					lawful(t, buf)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, buf.Shutdown(background()))
	counts := lawful(t, buf)
	assert.Equal(t, total, counts.Accepted)
	assert.EqualValues(t, delivered.Load(), counts.Delivered)
	assert.EqualValues(t, dead.Load(), counts.DeadLettered)
	assert.Equal(t, total, counts.Delivered+counts.DeadLettered+counts.Dropped)
	assert.Positive(t, counts.Dropped)
	assert.Positive(t, counts.DeadLettered)
	through := 0
	for i := range outcomes {
		if count := outcomes[i].Load(); count > 1 {
			t.Fatalf("item %d came through %d times", i, count)
		} else {
			through += int(count)
		}
	}
	assert.Equal(t, total-counts.Dropped, through)
}

func TestPromiseExtremes(t *testing.T) {
	const most = math.MaxInt64
	t.Run("MaxInt settings", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			buf := open(t, buffer.Config[int]{
				Name: "extreme", Flusher: s, MaxSize: most, MaxSizeJitter: most, MaxBytes: most, MaxInFlight: most,
				SizeOf: func(int) int { return most }, FlushInterval: most, FlushJitter: most,
				FlushTimeout: most, FlushGrace: most, Retry: flusher.Retry{MaxAttempts: most, MinBackoff: most, MaxBackoff: most},
			})
			insert(t, buf, 1, 2, 3)
			assert.Equal(t, most, buf.Info().Partitions[0].FlushSize)
			_, err := buf.SyncFlush(t.Context())
			require.NoError(t, err)
			insert(t, buf, 4)
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.ElementsMatch(t, [][]int{{1}, {2}, {3}, {4}}, s.batches(), "each reaches MaxBytes, and there is always a slot")
		})
	})
	t.Run("huge sizes without MaxBytes saturate", func(t *testing.T) {
		cfg := config(&sink{})
		cfg.SizeOf = func(int) int { return most }
		buf := open(t, cfg)
		insert(t, buf, 1, 2)
		assert.Equal(t, most, buf.Info().Partitions[0].Bytes)
	})
	t.Run("huge RetryAfter and backoff", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{answer: script(fails(flusher.RetryAfter(errSink, most)))}
			cfg := config(s)
			cfg.Retry = flusher.Retry{MinBackoff: most, MaxBackoff: most}
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			assert.Len(t, s.seen(), 1)
			require.NoError(t, buf.Shutdown(t.Context()), "it ends the backoff")
		})
	})
	t.Run("the least settings", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			buf := open(t, buffer.Config[int]{
				Name: "least", Flusher: s, MaxSize: 1, MaxBytes: 1, SizeOf: func(int) int { return 0 },
				FlushInterval: 1, FlushJitter: 1, FlushTimeout: 1, FlushGrace: 1, Retry: flusher.Retry{MinBackoff: 1, MaxBackoff: 1},
			})
			insert(t, buf, upTo(100)...)
			require.NoError(t, buf.Shutdown(t.Context()))
			assert.Equal(t, 100, lawful(t, buf).Delivered)
		})
	})
}

// lines is a Logger that keeps its lines.
func lines() (*slog.Logger, func() []string) {
	var mu sync.Mutex
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(p)
	}), nil))
	return logger, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestPromiseLogs(t *testing.T) {
	t.Run("at most one line a second per reason, with the sum and the newest cause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			logger, logged := lines()
			var n atomic.Int64
			cfg := config(&sink{answer: func(context.Context, flusher.Batch[int]) error {
				return flusher.Permanent(fmt.Errorf("cause-%d", n.Add(1)))
			}})
			cfg.Logger = logger
			cfg.MaxSize = 1
			buf := open(t, cfg)
			for i := range 1000 {
				insert(t, buf, 987654000+i)
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(time.Minute)
			got := logged()
			assert.GreaterOrEqual(t, len(got), 10)
			assert.LessOrEqual(t, len(got), 11)
			assert.Contains(t, got[0], "items=1 ")
			assert.Contains(t, got[0], "buffer=test")
			assert.Contains(t, got[0], "reason=permanent")
			assert.Contains(t, got[0], "cause-1")
			sum := 0
			for _, line := range got {
				var items int
				_, err := fmt.Sscanf(line[strings.Index(line, "items="):], "items=%d", &items)
				require.NoError(t, err)
				sum += items
				assert.NotContains(t, line, "987654", "never with items")
			}
			assert.Equal(t, 1000, sum)
			assert.Contains(t, got[len(got)-1], "cause-1000")
		})
	})
	t.Run("what waits for its second is written by Shutdown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			logger, logged := lines()
			cfg := config(&sink{answer: panics})
			cfg.Logger, cfg.MaxSize = logger, 1
			buf := open(t, cfg)
			insert(t, buf, 1)
			synctest.Wait()
			insert(t, buf, 2)
			require.NoError(t, buf.Shutdown(t.Context()))
			require.Len(t, logged(), 2)
			assert.Contains(t, logged()[1], "reason=panic")
			assert.Contains(t, logged()[1], "stack=")
			assert.Contains(t, logged()[1], "panics")
		})
	})
	t.Run("an abandonment and a give-up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			logger, logged := lines()
			cfg := config(&sink{answer: takes(time.Minute, nil)})
			cfg.Logger, cfg.FlushTimeout, cfg.DeadLetter, cfg.Retry.MaxAttempts = logger, time.Second, &sink{}, 1
			buf := open(t, cfg)
			insert(t, buf, 1, 2, 3)
			time.Sleep(time.Hour)
			require.Len(t, logged(), 2)
			all := strings.Join(logged(), "\n")
			assert.Contains(t, all, "abandoned")
			assert.Contains(t, all, "given up")
			assert.Contains(t, all, "reason=exhausted")
		})
	})
	t.Run("DropOldest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			logger, logged := lines()
			buf, g, _ := stuff(t, 1, func(c *buffer.Config[int]) { c.Overflow, c.Logger = buffer.DropOldest, logger })
			insert(t, buf, 7)
			synctest.Wait()
			require.Len(t, logged(), 1)
			assert.Contains(t, logged()[0], "reason=overflow")
			assert.Contains(t, logged()[0], "items=3")
			close(g.open)
		})
	})
	t.Run("a Logger that inserts into the buffer that it is told about", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var buf *buffer.Buffer[int]
			cfg := config(&sink{answer: script(fails(flusher.Permanent(errSink)))})
			cfg.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
				return len(p), buf.Insert(background(), 0)
			}), nil))
			cfg.MaxSize = 1
			buf = open(t, cfg)
			insert(t, buf, upTo(5)...)
			synctest.Wait()
			assert.Equal(t, 5, lawful(t, buf).Delivered)
		})
	})
}
