package writer_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/writer"
)

// The promises of the design: Stop, Start, Restart, Close and Sync.

func TestPromiseStopAndCloseWriteEverythingAccepted(t *testing.T) {
	for name, end := range map[string]func(*writer.Writer) error{
		"Stop":    func(w *writer.Writer) error { return w.Stop(background()) },
		"Close":   (*writer.Writer).Close,
		"Restart": func(w *writer.Writer) error { return w.Restart(background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := newTape(t, fails(errDisk), takes(3, errDisk))
				w := open(t, out, config())
				write(t, w, "aaa", "bbb")
				require.NoError(t, end(w))
				assert.Equal(t, "aaabbb", out.String())
			})
		})
	}
}

func TestPromiseStopReturnsWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, newTape(t, fails(flusher.Permanent(errDisk))), config())
		write(t, w, "aaa")
		err := w.Stop(background())
		assert.ErrorIs(t, err, errDisk)
		assert.Contains(t, err.Error(), "1 Writes were dropped")
		assert.Same(t, err, w.Stop(background()), "the same answer again")
		require.NoError(t, w.Start())
		write(t, w, "bbb")
		assert.NoError(t, w.Close(), "a new run, and nothing of the one before")
	})
}

func TestPromiseStopEndsBackoffs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t, fails(errDisk))
		cfg := config()
		cfg.Retry = flusher.Retry{MinBackoff: 1000 * time.Hour, MaxBackoff: 1000 * time.Hour}
		w := open(t, out, cfg)
		write(t, w, "aaa")
		go func() { _ = w.Sync() }()
		synctest.Wait()
		start := time.Now()
		require.NoError(t, w.Stop(background()))
		assert.Zero(t, time.Since(start))
		assert.Equal(t, "aaa", out.String())
	})
}

func TestPromiseStopLeavesAStuckOutputBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		out := newTape(t, stuck(letGo))
		cfg := config()
		cfg.MaxBytes = 6
		w := open(t, out, cfg)
		write(t, w, "aaa", "bbb")
		synctest.Wait()
		write(t, w, "ccc")
		start := time.Now()
		err := w.Stop(within(t, time.Minute))
		assert.Equal(t, time.Minute+time.Second, time.Since(start), "a second to return")
		holds(t, err, context.DeadlineExceeded, writer.ErrRunning)
		var left *buffer.ShutdownError[[]byte]
		require.ErrorAs(t, err, &left)
		assert.Equal(t, [][]byte{[]byte("ccc")}, left.Undelivered)
		assert.Equal(t, [][]byte{[]byte("aaa"), []byte("bbb")}, left.InDoubt)
		for _, text := range []string{err.Error(), texts(w.Errors())} {
			assert.NotContains(t, text, "aaa", "no text holds what was written")
			assert.NotContains(t, text, "ccc")
		}
		assert.Contains(t, texts(w.Errors()), "1 Writes unwritten, and 2 in doubt")
		clear(left.InDoubt[0]) // it is a copy: the output may still read

		assert.ErrorIs(t, w.Start(), writer.ErrRunning)
		assert.ErrorIs(t, w.Restart(background()), writer.ErrRunning)
		assert.False(t, w.IsRunning())
		assert.Zero(t, w.Stats())
		assert.Zero(t, w.Uptime())
		close(letGo)
		synctest.Wait()
		assert.Equal(t, "aaabbb", out.String())
		require.NoError(t, w.Start())
		write(t, w, "ddd")
		require.NoError(t, w.Close())
		assert.Equal(t, "aaabbbddd", out.String())
	})
}

func TestPromiseCloseWaitsForAStuckOutput(t *testing.T) {
	for name, first := range map[string]func(t *testing.T, w *writer.Writer) error{
		"at once":      func(*testing.T, *writer.Writer) error { return nil },
		"after a Stop": func(t *testing.T, w *writer.Writer) error { return w.Stop(within(t, time.Second)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				letGo := make(chan struct{})
				w := open(t, newTape(t, stuck(letGo)), config())
				write(t, w, "aaa")
				go func() { _ = w.Sync() }()
				synctest.Wait()
				stopped := first(t, w)
				closed := make(chan error, 2)
				for range 2 {
					go func() { closed <- w.Close() }()
				}
				time.Sleep(100 * time.Hour)
				assert.Empty(t, closed)
				close(letGo)
				assert.Equal(t, stopped, <-closed)
				assert.Equal(t, stopped, <-closed)
				assert.Equal(t, stopped, w.Close(), "a second Close is safe")
			})
		})
	}
}

func TestPromiseAStopWithAnEndedContextAttemptsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t)
		w := open(t, out, config())
		write(t, w, "aaa")
		err := w.Stop(ended())
		holds(t, err, context.Canceled)
		assert.NotErrorIs(t, err, writer.ErrRunning, "nothing was left behind")
		assert.Empty(t, out.offered())
		require.NoError(t, w.Start())
	})
}

func TestPromiseTheEarliestContextEndsItForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		w := open(t, newTape(t, stuck(letGo)), config())
		write(t, w, "aaa")
		start := time.Now()
		answers := make(chan error, 3)
		for _, d := range []time.Duration{time.Hour, time.Minute, 24 * time.Hour} {
			go func() { answers <- w.Stop(within(t, d)) }()
		}
		first := <-answers
		assert.Same(t, first, <-answers)
		assert.Same(t, first, <-answers)
		assert.Equal(t, time.Minute+time.Second, time.Since(start))
		close(letGo)
	})
}

func TestPromiseStopEndsWaitingWritesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out, letGo := full(t, buffer.Block)
		refused := make(chan error, 1)
		go func() {
			n, err := w.Write([]byte("cc"))
			assert.Zero(t, n)
			refused <- err
		}()
		synctest.Wait()
		go func() { _ = w.Stop(background()) }()
		assert.ErrorIs(t, <-refused, writer.ErrNotRunning)
		close(letGo)
		synctest.Wait()
		assert.Equal(t, "aaaabbbb", out.String())
	})
}

// joined unwraps an error that is one alone in a Join.
func TestRestartsAtOnceAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t)
		w := open(t, out, config())
		for range 100 {
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { assert.NoError(t, w.Restart(background())) })
			}
			all.Wait()
			assert.True(t, w.IsRunning())
			write(t, w, "a")
		}
		require.NoError(t, w.Close())
		assert.Len(t, out.String(), 100)
	})
}

func TestStopFromInsideIsReentrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var itself atomic.Pointer[writer.Writer]
		var asked atomic.Int64
		inside := func(ctx context.Context) error {
			asked.Add(1)
			assert.ErrorIs(t, itself.Load().Stop(ctx), buffer.ErrReentrant)
			assert.ErrorIs(t, itself.Load().Restart(ctx), buffer.ErrReentrant)
			return nil
		}
		cfg := config()
		cfg.DeadLetter = flusher.Func[[]byte](func(ctx context.Context, _ flusher.Batch[[]byte]) error { return inside(ctx) })
		w := open(t, newTape(t, fails(flusher.Permanent(errDisk))), cfg,
			writer.Every(time.Second, inside), writer.Beside(time.Second, 1, inside))
		itself.Store(w)
		write(t, w, "aaa")
		assert.ErrorIs(t, w.Sync(), errDisk)
		time.Sleep(time.Second + time.Millisecond)
		assert.EqualValues(t, 3, asked.Load())
		assert.True(t, w.IsRunning())
		assert.Empty(t, w.Errors()[2:], "but for an attempt, and what was lost by it")
	})
}
