package buffer_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// What a deliberate fault went unnoticed with: here the end. Each test is named
// for what it proves.

// slowLogger takes its time for each line, as a full disk does.
type slowLogger struct {
	takes time.Duration
	lines *atomic.Int64 // that it has begun
}

func (l slowLogger) Enabled(context.Context, slog.Level) bool { return true }
func (l slowLogger) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l slowLogger) WithGroup(string) slog.Handler            { return l }
func (l slowLogger) Handle(context.Context, slog.Record) error {
	l.lines.Add(1)
	time.Sleep(l.takes)
	return nil
}

func TestShutdownWaitsForASlowLoggerNoLongerThanFlushGrace(t *testing.T) {
	for name, c := range map[string]struct {
		takes, wait time.Duration
		lines       int
	}{
		"a slow one":     {time.Second / 2, time.Second, 2},
		"one that hangs": {24 * time.Hour, 2 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logger := slowLogger{c.takes, new(atomic.Int64)}
				cfg := config(&sink{answer: fails(flusher.Permanent(errSink))})
				cfg.Logger, cfg.FlushGrace, cfg.MaxSize = slog.New(logger), 2*time.Second, 1
				buf := open(t, cfg)
				insert(t, buf, 1)
				synctest.Wait()
				insert(t, buf, 2) // its line waits for its second, and is written at the end
				start := time.Now()
				require.NoError(t, buf.Shutdown(background()))
				assert.Equal(t, c.wait, time.Since(start))
				assert.EqualValues(t, c.lines, logger.lines.Load(), "one after another")
				assert.Equal(t, 2, lawful(t, buf).Dropped)
				time.Sleep(48 * time.Hour)
			})
		})
	}
}

func TestShutdownWaitsForTheLogger(t *testing.T) {
	// The process may end as soon as Shutdown has returned.
	synctest.Test(t, func(t *testing.T) {
		var taken atomic.Int64
		cfg := config(&sink{answer: fails(flusher.Permanent(errSink))})
		cfg.Logger = slog.New(handlerFunc(func() error {
			time.Sleep(time.Millisecond)
			taken.Add(1)
			return nil
		}))
		buf := open(t, cfg)
		insert(t, buf, 1, 2)
		require.NoError(t, buf.Shutdown(background()))
		assert.EqualValues(t, 1, taken.Load())
		assert.Equal(t, 2, lawful(t, buf).Dropped)
	})
}

func TestALoggerThatBlocksHoldsOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var lines atomic.Int64
		cfg := config(&sink{answer: fails(flusher.Permanent(errSink))})
		cfg.MaxSize = 1
		cfg.Logger = slog.New(handlerFunc(func() error {
			lines.Add(1)
			<-gate
			return nil
		}))
		buf := open(t, cfg)
		for i := range 100 {
			insert(t, buf, i)
			time.Sleep(time.Second)
		}
		assert.EqualValues(t, 1, lines.Load())
		close(gate)
		synctest.Wait()
		assert.EqualValues(t, 2, lines.Load(), "what came meanwhile is one line")
	})
}

func TestShutdownWithAnEndedContextAttemptsNothing(t *testing.T) {
	// Many partitions, so that the first have long been told when the last are.
	for range 20 {
		s := &sink{}
		cfg := config(s)
		cfg.Partitions = 256
		buf := open(t, cfg)
		insert(t, buf, upTo(256)...)
		var left *buffer.ShutdownError[int]
		require.ErrorAs(t, buf.Shutdown(ended(errSink)), &left)
		assert.Len(t, left.Undelivered, 256)
		require.Empty(t, s.seen())
	}
}

func TestTriggerOfAFullBatchThatShutdownCloses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*buffer.Config[int])
		items  int
	}{
		"full by items": {func(*buffer.Config[int]) {}, 6},
		"full by bytes": {func(c *buffer.Config[int]) { c.MaxBytes, c.SizeOf = 2, func(int) int { return 1 } }, 4},
		"due":           {func(*buffer.Config[int]) {}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				s := &sink{answer: g.answer}
				cfg := config(s)
				c.change(&cfg)
				buf := open(t, cfg)
				insert(t, buf, upTo(c.items)...)
				synctest.Wait()
				require.NoError(t, buf.Flush(t.Context())) // it stays open: there is no slot
				require.Len(t, s.seen(), 1)
				done := make(chan error)
				go func() { done <- buf.Shutdown(background()) }()
				synctest.Wait()
				close(g.open)
				require.NoError(t, <-done)
				require.Len(t, s.seen(), 2)
				assert.Equal(t, flusher.Shutdown, s.seen()[1].Trigger)
			})
		})
	}
}

func TestAfterShutdownAnEndedContextMakesNoDifference(t *testing.T) {
	buf := open(t, config(&sink{}))
	require.NoError(t, buf.Shutdown(background()))
	assert.Equal(t, buffer.ErrClosed, buf.Flush(ended(errSink)))
	_, err := buf.SyncFlush(ended(errSink))
	assert.Equal(t, buffer.ErrClosed, err)
}

func TestPartialOfTheDeadLetterAtShutdownStaysADeadLetter(t *testing.T) {
	// The dead letter's first attempt is abandoned and succeeds within the grace of
	// Shutdown, after the second has taken all but one.
	synctest.Test(t, func(t *testing.T) {
		dead := &sink{answer: script(takes(3*time.Second, nil), func(ctx context.Context, _ flusher.Batch[int]) error {
			<-ctx.Done()
			return flusher.Partial(errSink, 1)
		})}
		cfg := config(&sink{answer: fails(flusher.Permanent(errSink))})
		cfg.DeadLetter, cfg.FlushTimeout, cfg.FlushGrace = dead, time.Second, time.Second
		cfg.Retry.MinBackoff, cfg.Retry.MaxBackoff = time.Millisecond, time.Millisecond
		buf := open(t, cfg)
		insert(t, buf, 1, 2, 3)
		time.Sleep(2500 * time.Millisecond)
		require.Len(t, dead.seen(), 2)
		require.NoError(t, buf.Shutdown(ended(errSink)), "nothing is left")
		counts := lawful(t, buf)
		assert.Equal(t, 3, counts.DeadLettered)
		assert.Zero(t, counts.Delivered, "never Delivered")
	})
}

func TestUndeliveredIsInTheOrderAccepted(t *testing.T) {
	// Of the four quarters of a bisection the first waits for its backoff.
	synctest.Test(t, func(t *testing.T) {
		s := &sink{answer: func(_ context.Context, b flusher.Batch[int]) error {
			if len(b.Items) > 2 {
				return flusher.Permanent(errSink)
			}
			return flusher.RetryAfter(errSink, time.Hour)
		}}
		cfg := config(s)
		cfg.MaxSize, cfg.Retry.Bisect = 8, true
		buf := open(t, cfg)
		insert(t, buf, upTo(10)...)
		synctest.Wait()
		var left *buffer.ShutdownError[int]
		require.ErrorAs(t, buf.Shutdown(ended(errSink)), &left)
		assert.Equal(t, upTo(10), left.Undelivered)
	})
}

func TestAttemptThatIsLeftBehindReadsWhatItWasGiven(t *testing.T) {
	// Items with pointers, which are cleared once nobody reads them any more.
	three := func() []*int {
		var items []*int
		for _, n := range upTo(3) {
			items = append(items, &n)
		}
		return items
	}
	var read string
	lateReader := func(_ context.Context, b flusher.Batch[*int]) error {
		time.Sleep(time.Minute)
		for _, p := range b.Items {
			if p == nil {
				read += "nil "
			} else {
				read += fmt.Sprint(*p, " ")
			}
		}
		return errSink
	}
	build := func(t *testing.T, flush flusher.Func[*int]) *buffer.Buffer[*int] {
		t.Helper()
		buf, err := buffer.New(buffer.Config[*int]{
			Name: "test", Flusher: flush, MaxSize: 3, FlushInterval: -1, FlushTimeout: 10 * time.Second,
			Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		return buf
	}
	t.Run("by Shutdown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			read = ""
			buf := build(t, lateReader)
			require.NoError(t, buf.InsertBatch(t.Context(), three()))
			synctest.Wait()
			require.Error(t, buf.Shutdown(ended(errSink)))
			time.Sleep(time.Hour)
			synctest.Wait()
			assert.Equal(t, "1 2 3 ", read)
		})
	})
	t.Run("after its timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			read = ""
			var calls atomic.Int64
			buf := build(t, func(ctx context.Context, b flusher.Batch[*int]) error {
				if calls.Add(1) == 1 {
					return lateReader(ctx, b)
				}
				return nil
			})
			require.NoError(t, buf.InsertBatch(t.Context(), three()))
			time.Sleep(30 * time.Second)
			require.Equal(t, 3, lawful(t, buf).Delivered)
			require.NoError(t, buf.InsertBatch(t.Context(), slices.Repeat(three(), 10)))
			time.Sleep(time.Hour)
			synctest.Wait()
			assert.Equal(t, "1 2 3 ", read)
			require.NoError(t, buf.Shutdown(background()))
		})
	})
}
