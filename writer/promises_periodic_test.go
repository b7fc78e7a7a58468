package writer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/writer"
)

// The promises of the design: Every and Beside.

func TestPromiseEveryIsCalledEveryIntervalWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		w := open(t, newTape(t), config(), writer.Every(time.Second, func(context.Context) error {
			calls.Add(1)
			return nil
		}))
		time.Sleep(10*time.Second + time.Millisecond)
		assert.EqualValues(t, 10, calls.Load())
		require.NoError(t, w.Stop(background()))
		assert.EqualValues(t, 11, calls.Load(), "once more at Stop")
		time.Sleep(10 * time.Second)
		assert.EqualValues(t, 11, calls.Load())
		require.NoError(t, w.Start())
		time.Sleep(time.Second + time.Millisecond)
		assert.EqualValues(t, 12, calls.Load())
		require.NoError(t, w.Close())
		assert.EqualValues(t, 13, calls.Load(), "and at Close")
		require.NoError(t, w.Close())
		assert.EqualValues(t, 13, calls.Load())
	})
}

func TestPromiseEveryIsSerialWithTheOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		alone := func(what string) {
			if !mu.TryLock() {
				t.Error("two at once")
				return
			}
			time.Sleep(700 * time.Millisecond)
			order = append(order, what)
			mu.Unlock()
		}
		out := newTape(t, always(func(p []byte) (int, error) { alone("write"); return len(p), nil })...)
		cfg := config()
		cfg.MaxSize = 2
		w := open(t, out, cfg,
			writer.Every(time.Second, func(context.Context) error { alone("first"); return nil }),
			writer.Every(time.Second, func(context.Context) error { alone("second"); return nil }))
		for range 50 {
			write(t, w, "aaa")
			time.Sleep(300 * time.Millisecond)
		}
		require.NoError(t, w.Close())
		require.Greater(t, len(order), 25)
		assert.Contains(t, order[:len(order)-2], "first")
		assert.Contains(t, order[:len(order)-2], "second")
		assert.Equal(t, []string{"first", "second"}, order[len(order)-2:], "once more after the last write, in their order")
	})
}

func TestPromiseEveryRunsOnceMoreWhenAnOutputThatWasLeftBehindReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		var calls atomic.Int64
		w := open(t, newTape(t, stuck(letGo)), config(), writer.Every(time.Second, func(context.Context) error {
			calls.Add(1)
			return nil
		}))
		write(t, w, "aaa")
		require.Error(t, w.Stop(within(t, time.Minute)))
		assert.Zero(t, calls.Load())
		close(letGo)
		synctest.Wait()
		assert.EqualValues(t, 1, calls.Load())
	})
}

func TestPromiseAStuckEveryIsLeftBehindToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		out := newTape(t)
		w := open(t, out, config(), writer.Every(time.Second, func(context.Context) error {
			<-letGo
			return nil
		}))
		time.Sleep(2 * time.Second)
		write(t, w, "aaa")
		err := w.Stop(within(t, time.Minute))
		holds(t, err, context.DeadlineExceeded, writer.ErrRunning)
		assert.Contains(t, err.Error(), "1 undelivered, 0 in doubt", "it has never had its turn")
		assert.Empty(t, out.offered())
		assert.ErrorIs(t, w.Start(), writer.ErrRunning)
		close(letGo)
		synctest.Wait()
		require.NoError(t, w.Start())
	})
}

func TestPromiseBesideRunsBesideTheOutputAndAtMostSoManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		var running, most, calls atomic.Int64
		w := open(t, newTape(t, stuck(letGo)), config(), writer.Beside(time.Second, 3, func(context.Context) error {
			calls.Add(1)
			now := running.Add(1)
			most.Store(max(most.Load(), now))
			time.Sleep(10*time.Second + 500*time.Millisecond)
			running.Add(-1)
			return nil
		}))
		write(t, w, "aaa")
		go func() { _ = w.Sync() }()
		time.Sleep(time.Minute)
		assert.EqualValues(t, 3, most.Load())
		assert.EqualValues(t, 18, calls.Load(), "at 1 to 3, 12 to 14, 23 to 25 and so on, and skipped between")
		close(letGo)
		require.NoError(t, w.Stop(background()))
		assert.Zero(t, running.Load(), "Stop waits for them")
	})
}

func TestPromiseCallbacksContextsEndWithThatOfStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		untilDone := func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		w := open(t, newTape(t), config(), writer.Every(time.Second, untilDone), writer.Beside(time.Second, 2, untilDone))
		time.Sleep(time.Minute)
		start := time.Now()
		err := w.Stop(within(t, time.Minute))
		assert.Equal(t, time.Minute, time.Since(start), "they return at once then")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotErrorIs(t, err, writer.ErrRunning)
		require.NoError(t, w.Start())
		assert.ErrorIs(t, w.Stop(ended()), context.Canceled)
	})
}

func TestPromiseErrorsAndPanicsOfCallbacksAreInErrors(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(context.Context) error
		check func(t *testing.T, err error)
	}{
		"error": {
			func(context.Context) error { return errDisk },
			func(t *testing.T, err error) { assert.ErrorIs(t, err, errDisk) },
		},
		"panic": {
			func(context.Context) error { panic("poison") },
			func(t *testing.T, err error) {
				panicked, ok := errors.AsType[*flusher.PanicError](err)
				require.True(t, ok)
				assert.Equal(t, "poison", panicked.Value)
				assert.NotEmpty(t, panicked.Stack)
			},
		},
		"goexit": {
			func(context.Context) error { runtime.Goexit(); return nil },
			func(t *testing.T, err error) { assert.ErrorIs(t, err, flusher.ErrGoexit) },
		},
	} {
		t.Run("Every "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, newTape(t), config(), writer.Every(time.Second, c.do))
				time.Sleep(2*time.Second + time.Millisecond)
				require.Len(t, w.Errors(), 2)
				c.check(t, w.LastError())
				assert.Contains(t, w.LastError().Error(), "Every(1s)")
				c.check(t, w.Sync())
				assert.NoError(t, w.Sync())
				c.check(t, w.Close())
				assert.Len(t, w.Errors(), 3)
			})
		})
		t.Run("Beside "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, newTape(t), config(), writer.Beside(time.Second, 1, c.do))
				time.Sleep(2*time.Second + time.Millisecond)
				require.Len(t, w.Errors(), 2)
				c.check(t, w.LastError())
				assert.Contains(t, w.LastError().Error(), "Beside(1s, 1)")
				assert.NoError(t, w.Sync(), "it says nothing about what was written")
				assert.NoError(t, w.Close())
			})
		})
	}
}

func TestBesideMayWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var itself atomic.Pointer[writer.Writer]
		out := newTape(t)
		w := open(t, out, config(), writer.Beside(time.Second, 1, func(context.Context) error {
			_, err := fmt.Fprint(itself.Load(), ".")
			return err
		}))
		itself.Store(w)
		time.Sleep(3*time.Second + time.Millisecond)
		require.NoError(t, w.Close())
		assert.Equal(t, "...", out.String())
	})
}
