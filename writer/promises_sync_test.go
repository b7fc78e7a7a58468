package writer_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/writer"
)

// The promises of the design: what is answered when, and Sync.

func TestPromiseWhatIsAnsweredWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, newTape(t), config())
		check := func(writing, starting error) {
			t.Helper()
			for _, s := range []string{"aaa", ""} {
				n, err := w.WriteString(s)
				assert.Equal(t, writing, err)
				if err != nil {
					assert.Zero(t, n)
				}
			}
			assert.Equal(t, writing, errors.Unwrap(joined(w.Sync())))
			if starting != nil {
				assert.ErrorIs(t, w.Start(), starting)
			}
		}
		check(nil, writer.ErrRunning)
		require.NoError(t, w.Stop(background()))
		check(writer.ErrNotRunning, nil)
		require.NoError(t, w.Start())
		check(nil, writer.ErrRunning)
		require.NoError(t, w.Restart(background()))
		check(nil, writer.ErrRunning)
		require.NoError(t, w.Stop(background()))
		require.NoError(t, w.Restart(background()), "it starts what is stopped")
		check(nil, writer.ErrRunning)
		require.NoError(t, w.Close())
		check(buffer.ErrClosed, buffer.ErrClosed)
		assert.ErrorIs(t, w.Restart(background()), buffer.ErrClosed)
		assert.NoError(t, w.Stop(background()))
		assert.NoError(t, w.Close())
	})
	synctest.Test(t, func(t *testing.T) {
		w := open(t, newTape(t), config())
		require.NoError(t, w.Stop(background()))
		require.NoError(t, w.Close())
		assert.ErrorIs(t, w.Start(), buffer.ErrClosed)
	})
}

func joined(err error) error {
	if list, ok := err.(interface{ Unwrap() []error }); ok && len(list.Unwrap()) == 1 {
		return wrapped{list.Unwrap()[0]}
	}
	return wrapped{err}
}

type wrapped struct{ err error }

func (w wrapped) Error() string { return "wrapped" }

func (w wrapped) Unwrap() error { return w.err }

func TestPromiseUptimeAndStatsAreZeroWhileStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t)
		w := open(t, out, config())
		time.Sleep(time.Hour)
		assert.True(t, w.IsRunning())
		assert.Equal(t, time.Hour, w.Uptime())
		write(t, w, "aaa", "bb")
		assert.Equal(t, writer.Stats{Buffered: 2, BufferedBytes: 5}, w.Stats())
		require.NoError(t, w.Stop(background()))
		time.Sleep(time.Hour)
		assert.False(t, w.IsRunning())
		assert.Zero(t, w.Uptime())
		assert.Zero(t, w.Stats())
		require.NoError(t, w.Start())
		time.Sleep(time.Minute)
		assert.Equal(t, time.Minute, w.Uptime())
	})
}

func TestPromiseSyncIsABarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		out := newTape(t, stuck(letGo))
		w := open(t, out, config())
		write(t, w, "aaa")
		synced := make(chan error, 1)
		go func() { synced <- w.Sync() }()
		synctest.Wait()
		write(t, w, "bbb")
		assert.Empty(t, synced)
		close(letGo)
		assert.NoError(t, <-synced)
		assert.Equal(t, "aaa", out.String(), "what was accepted before, and no more")
	})
}

func TestPromiseSyncTellsTheFailuresSinceTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.MaxSize = 1
		w := open(t, newTape(t, fails(flusher.Permanent(errDisk))), cfg)
		write(t, w, "aaa")
		synctest.Wait() // it has failed before Sync is called
		write(t, w, "bbb")
		assert.ErrorIs(t, w.Sync(), errDisk)
		assert.NoError(t, w.Sync())
		require.ErrorIs(t, w.Stop(background()), errDisk, "Stop tells of all that Start has begun")
		assert.ErrorIs(t, w.Sync(), writer.ErrNotRunning)
	})
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		w := open(t, newTape(t, stuck(letGo)), config())
		write(t, w, "aaa")
		synced := make(chan error, 1)
		go func() { synced <- w.Sync() }()
		synctest.Wait()
		require.Error(t, w.Stop(within(t, time.Second)))
		assert.ErrorIs(t, <-synced, writer.ErrNotRunning, "it was overtaken, and does not know")
		close(letGo)
	})
}
