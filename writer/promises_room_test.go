package writer_test

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/writer"
)

// The promises of the design: what a Write does that finds no room.

func full(t *testing.T, overflow buffer.Overflow) (w *writer.Writer, out *tape, letGo chan struct{}) {
	letGo = make(chan struct{})
	out = newTape(t, stuck(letGo))
	cfg := config()
	cfg.MaxBytes, cfg.Overflow = 4, overflow
	w = open(t, out, cfg)
	write(t, w, "aaaa")
	synctest.Wait()
	write(t, w, "bbbb")
	return w, out, letGo
}

func TestPromiseBlockWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out, letGo := full(t, buffer.Block)
		returned := false
		go func() {
			write(t, w, "cc")
			returned = true
		}()
		synctest.Wait()
		assert.False(t, returned)
		assert.Equal(t, writer.Stats{Waiting: 1, Buffered: 1, WaitingBytes: 2, BufferedBytes: 4}, w.Stats(),
			"what is being written is left out")
		close(letGo)
		synctest.Wait()
		assert.True(t, returned)
		assert.Equal(t, writer.Stats{Buffered: 1, BufferedBytes: 2}, w.Stats())
		require.NoError(t, w.Close())
		assert.Equal(t, "aaaabbbbcc", out.String())
	})
}

func TestPromiseRejectRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out, letGo := full(t, buffer.Reject)
		n, err := w.Write([]byte("cc"))
		assert.ErrorIs(t, err, buffer.ErrFull)
		assert.Zero(t, n)
		close(letGo)
		require.NoError(t, w.Close(), "what was refused was not accepted, and is nobody's failure")
		assert.Equal(t, "aaaabbbb", out.String())
	})
}

func TestPromiseDropOldestCountsWhatItDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out, letGo := full(t, buffer.DropOldest)
		write(t, w, "cc")
		assert.ErrorIs(t, w.LastError(), buffer.ErrFull)
		assert.Contains(t, w.LastError().Error(), "1 Writes were dropped")
		close(letGo)
		err := w.Sync()
		assert.ErrorIs(t, err, buffer.ErrFull)
		assert.ErrorIs(t, w.Close(), buffer.ErrFull)
		assert.Equal(t, "aaaacc", out.String())
	})
}

func TestPromiseExtremes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = math.MaxInt
		out := newTape(t)
		cfg := config()
		cfg.MaxBytes, cfg.MaxSize, cfg.MaxSizeJitter = most, most, most
		cfg.FlushInterval, cfg.FlushJitter = most, most
		nothing := func(context.Context) error { return nil }
		w := open(t, out, cfg, writer.Every(most, nothing), writer.Beside(most, most, nothing))
		var want strings.Builder
		for range 3 {
			p := strings.Repeat("0123456789abcdef", 16<<10)
			write(t, w, p[:100_000], p)
			want.WriteString(p[:100_000] + p)
		}
		require.NoError(t, w.Sync())
		assert.True(t, want.String() == out.String())
		assert.Len(t, out.offered(), 1, "it grows, and is one batch all the same")
		require.NoError(t, w.Close())
	})
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t)
		cfg := config()
		cfg.MaxBytes, cfg.MaxSize, cfg.FlushInterval, cfg.FlushJitter = 1, 1, 1, 1
		w := open(t, out, cfg)
		write(t, w, numbered(100)...)
		require.NoError(t, w.Close())
		assert.Equal(t, numbered(100), out.offered())
	})
}

func TestWriteDoesNotAllocate(t *testing.T) {
	w, err := writer.New(io.Discard, config())
	require.NoError(t, err)
	defer w.Close()
	p, s := make([]byte, 32), strings.Repeat("s", 32)
	// Two batches to make what is used again, and then many, so that what each
	// batch costs is less than one for a Write.
	for range 10_000 {
		_, _ = w.Write(p)
	}
	assert.Zero(t, testing.AllocsPerRun(100_000, func() { _, _ = w.Write(p) }))
	assert.Zero(t, testing.AllocsPerRun(100_000, func() { _, _ = w.WriteString(s) }))
	assert.NoError(t, errors.Join(w.Errors()...))
}
