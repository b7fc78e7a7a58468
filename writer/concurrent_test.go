package writer_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/writer"
)

// Everything at once, in real time, for the race detector and for the order in
// which goroutines really come: nothing accepted is lost, and nothing comes
// twice, through Restarts at any moment and a Close.
func TestEverythingAtOnce(t *testing.T) {
	out := newTape(t, takes(5, errDisk), nil, fails(errDisk), takes(1, nil))
	cfg := config()
	cfg.MaxBytes = 200
	cfg.Retry.MinBackoff, cfg.Retry.MaxBackoff = time.Microsecond, time.Millisecond
	cfg.Retry.MaxAttempts = -1
	w := open(t, out, cfg, writer.Every(time.Millisecond, nothing), writer.Beside(time.Millisecond, 2, nothing))
	const writers, each = 8, 3000
	var accepted [writers][]int
	var closed atomic.Bool
	var all, around sync.WaitGroup
	for g := range writers {
		all.Go(func() {
			for i := range each {
				switch _, err := w.WriteString(lineOf(g, i)); {
				case err == nil:
					accepted[g] = append(accepted[g], i)
				case !errors.Is(err, writer.ErrNotRunning):
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		around.Go(func() {
			for !closed.Load() {
				assert.NoError(t, w.Restart(background()))
				if err := w.Sync(); err != nil {
					assert.ErrorIs(t, err, writer.ErrNotRunning)
				}
			}
		})
		around.Go(func() {
			for !closed.Load() {
				stats := w.Stats()
				assert.False(t, stats.Waiting < 0 || stats.Buffered < 0 || stats.WaitingBytes < 0 || stats.BufferedBytes < 0)
				_, _, _, _ = w.LastError(), w.Errors(), w.IsRunning(), w.Uptime()
				time.Sleep(time.Microsecond)
			}
		})
	}
	all.Wait()
	closed.Store(true)
	around.Wait()
	require.NoError(t, w.Close())
	var written [writers][]int
	for line := range strings.Lines(out.String()) {
		g, i, err := parse(line)
		require.NoError(t, err, "%q", line)
		written[g] = append(written[g], i)
	}
	assert.Equal(t, accepted, written)
}

func TestCloseAmidWrites(t *testing.T) {
	for range 20 {
		out := newTape(t)
		cfg := config()
		cfg.MaxBytes = 100
		w := open(t, out, cfg)
		var accepted atomic.Int64
		var all sync.WaitGroup
		for g := range 4 {
			all.Go(func() {
				for i := 0; ; i++ {
					if _, err := w.WriteString(lineOf(g, i)); err != nil {
						assert.Equal(t, buffer.ErrClosed, err)
						return
					}
					accepted.Add(1)
				}
			})
		}
		time.Sleep(time.Millisecond)
		for range 2 {
			all.Go(func() { assert.NoError(t, w.Close()) })
		}
		all.Wait()
		assert.EqualValues(t, accepted.Load(), strings.Count(out.String(), "\n"))
	}
}
