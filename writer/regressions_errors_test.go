package writer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/writer"
)

// Outputs, callbacks and Loggers whose errors are odd, and who may be left behind.

func TestThePartialOfAnOutputIsNoneOfTheWriters(t *testing.T) {
	// Its indexes, whatever they are, are not those of Writes.
	for name, err := range map[string]error{
		"permanent, among those that are left": flusher.Partial(flusher.Permanent(errDisk), 2),
		"among those that are written":         flusher.Partial(errDisk, 0),
		"of several classes":                   errors.Join(flusher.Partial(errDisk, 1), flusher.Partial(flusher.Permanent(errDisk), 3)),
		"one that says another thing each time": &fickle{
			answers: []error{errDisk, flusher.Partial(errDisk, 0), flusher.Partial(flusher.Permanent(errDisk), 1)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := newTape(t, takes(1, err))
				w := open(t, out, config())
				write(t, w, "a", "b", "c", "d")
				require.NoError(t, w.Sync())
				assert.Equal(t, "abcd", out.String())
			})
		})
	}
}

// fickle is an error that wraps another one each time it is asked.
type fickle struct {
	answers []error
	asked   atomic.Int32
}

func (e *fickle) Error() string { return "fickle" }
func (e *fickle) Unwrap() error { return e.answers[int(e.asked.Add(1)-1)%len(e.answers)] }

func TestTheClassOfAnOutputsErrorHoldsForTheWritesThatAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(grave)
		cfg := config()
		cfg.DeadLetter = g
		out := newTape(t, takes(1, flusher.Permanent(errDisk)), takes(1, flusher.RetryAfter(errDisk, time.Hour)))
		w := open(t, out, cfg)
		write(t, w, "a", "b", "c")
		require.ErrorIs(t, w.Sync(), errDisk)
		assert.Equal(t, []string{"b", "c"}, g.writes)
		write(t, w, "d", "e")
		start := time.Now()
		require.NoError(t, w.Sync())
		assert.Equal(t, time.Hour, time.Since(start))
		assert.Equal(t, "ade", out.String())
	})
}

// A Flusher may write through a Writer and return its Sync.
func TestTheErrorOfASyncSaysNothingOfOthersItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t, nil, takes(2, flusher.Permanent(errDisk)))
		cfg := config()
		cfg.MaxSize = 4
		w := open(t, out, cfg)
		var dead []string
		outer, err := buffer.New(buffer.Config[string]{
			Name: "outer", FlushInterval: -1, Logger: cfg.Logger,
			Flusher: flusher.Items(func(_ context.Context, items []string) error {
				for _, item := range items {
					if _, err := w.WriteString(item); err != nil {
						return err
					}
				}
				return w.Sync()
			}),
			DeadLetter: flusher.Items(func(_ context.Context, items []string) error {
				dead = append(dead, items...)
				return nil
			}),
		})
		require.NoError(t, err)
		require.NoError(t, outer.InsertBatch(background(), strings.Split("abcdefghi", "")))
		_, err = outer.SyncFlush(background())
		require.NoError(t, err)
		require.NoError(t, outer.Shutdown(background()))
		assert.Equal(t, "abcdefi"+"abcdefghi", out.String(), "all of them again, as nobody can tell which")
		assert.Empty(t, dead)
	})
}

func TestTheDeadLetterMayKeepItsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := new(buffertest.Recorder[[]byte])
		cfg := config()
		cfg.DeadLetter = dead
		w := open(t, newTape(t, fails(flusher.Permanent(errDisk))), cfg)
		write(t, w, "first", "second")
		require.Error(t, w.Sync())
		for range 3 { // into the page that the first was in
			write(t, w, "other", "others")
			require.NoError(t, w.Sync())
		}
		assert.Equal(t, "first second", string(bytes.Join(dead.Delivered(), []byte(" "))))
	})
}

// blockedLog is a Logger that takes a minute for each line.
type blockedLog struct{ slog.Handler }

func (blockedLog) Enabled(context.Context, slog.Level) bool { return true }
func (blockedLog) Handle(context.Context, slog.Record) error {
	time.Sleep(time.Minute)
	return nil
}

func TestABlockedLoggerLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Logger = slog.New(blockedLog{slog.DiscardHandler})
		gate := make(chan struct{})
		out := newTape(t, fails(flusher.Permanent(errDisk)), stuck(gate))
		w := open(t, out, cfg)
		write(t, w, "a")
		require.Error(t, w.Sync())
		write(t, w, "b")
		time.AfterFunc(1500*time.Millisecond, func() { close(gate) }) // half a second after the end of the context
		err := w.Restart(within(t, time.Second))
		assert.NotErrorIs(t, err, writer.ErrRunning)
		assert.True(t, w.IsRunning())
		assert.Equal(t, "b", out.String())
		time.Sleep(time.Hour) // until it has had its line
	})
}

func TestADeadLetterIsLeftBehindToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var running, most atomic.Int32
		cfg := config()
		cfg.DeadLetter = flusher.Items(func(context.Context, [][]byte) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-gate
			return nil
		})
		w := open(t, newTape(t, always(fails(flusher.Permanent(errDisk)))...), cfg)
		write(t, w, "a")
		require.ErrorIs(t, w.Stop(within(t, time.Second)), writer.ErrRunning)
		require.ErrorIs(t, w.Start(), writer.ErrRunning)
		closed := make(chan struct{})
		go func() {
			_ = w.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close has not waited for it")
		default:
		}
		close(gate)
		<-closed
		assert.Zero(t, running.Load())
		assert.EqualValues(t, 1, most.Load())
	})
}

func TestARunEndsWithItsDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		cfg := config()
		cfg.DeadLetter = flusher.Items(func(context.Context, [][]byte) error { <-gate; return nil })
		w := open(t, newTape(t, fails(flusher.Permanent(errDisk))), cfg)
		write(t, w, "a")
		require.ErrorIs(t, w.Stop(within(t, time.Second)), writer.ErrRunning)
		close(gate)
		synctest.Wait()
		require.NoError(t, w.Start())
	})
}

func TestLargeWritesThatWaitHoldNoCopy(t *testing.T) {
	gate := make(chan struct{})
	out := newTape(t, stuck(gate))
	cfg := config()
	cfg.MaxBytes = 10
	w := open(t, out, cfg)
	write(t, w, "0123456789", "0123456789")
	large := make([]byte, 1<<20)
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for range 100 {
		go func() { _, _ = w.Write(large) }()
	}
	require.Eventually(t, func() bool { return w.Stats().Waiting == 100 }, time.Minute, time.Millisecond)
	assert.Less(t, heap()-before, int64(20<<20))
	close(gate)
}

// The errors below are as odd as they can be: their text ends the goroutine, or
// panics with themselves, which even fmt does not survive.

type ending struct{}

func (ending) Error() string { runtime.Goexit(); return "" }

type bottomless struct{}

func (e bottomless) Error() string { panic(e) }

func TestTheTextOfAnErrorIsNotAskedFor(t *testing.T) {
	for name, odd := range map[string]error{"one that ends the goroutine": ending{}, "one that panics": bottomless{}} {
		t.Run(name+", of a callback", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, newTape(t), config(), writer.Every(time.Second, func(context.Context) error { return odd }))
				time.Sleep(1500 * time.Millisecond)
				require.ErrorIs(t, w.Stop(background()), odd)
			})
		})
		t.Run(name+", of the output, and the DeadLetter's cause", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := new(grave)
				cfg := config()
				cfg.DeadLetter = g
				out := newTape(t, takes(1, fmt.Errorf("%w", closedUp{odd})))
				w := open(t, out, cfg)
				write(t, w, "a", "b")
				require.NoError(t, w.Sync())
				assert.Equal(t, "ab", out.String())
				assert.Empty(t, g.writes)
			})
		})
		t.Run(name+", of the output, given back by Stop", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, err := writer.New(newTape(t, always(fails(odd))...), config())
				require.NoError(t, err)
				write(t, w, "a", "b")
				go func() { _ = w.Sync() }()
				time.Sleep(time.Millisecond)
				for range 2 {
					left, ok := errors.AsType[*buffer.ShutdownError[[]byte]](w.Stop(ended()))
					require.True(t, ok)
					assert.Len(t, left.Undelivered, 2)
				}
			})
		})
	}
}

func TestTheTextOfAStopsCauseIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		w := open(t, newTape(t, stuck(gate)), config())
		write(t, w, "a")
		go func() { _ = w.Sync() }()
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(bottomless{})
		for range 2 {
			err := w.Stop(ctx)
			require.ErrorIs(t, err, writer.ErrRunning)
			require.ErrorIs(t, err, bottomless{})
		}
		close(gate)
	})
}

// closedUp has the error in it, but not its text.
type closedUp struct{ err error }

func (closedUp) Error() string   { return "closed up" }
func (e closedUp) Unwrap() error { panic("looked into") }

func TestAnErrorThatPanicsWhenItIsComparedHurtsNoSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, newTape(t, always(fails(explosive{}))...), config())
		write(t, w, "a")
		panicked := make(chan any)
		go func() {
			defer func() { panicked <- recover() }()
			_ = w.Sync()
		}()
		synctest.Wait()
		go func() { _ = w.Close() }()
		assert.Nil(t, <-panicked)
	})
}

type explosive struct{}

func (explosive) Error() string { return "explosive" }
func (explosive) Is(error) bool { panic("compared") }
