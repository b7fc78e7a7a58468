package writer_test

import (
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/writer"
)

// The promises of the design, line by line: here what Write accepts, and how it
// arrives at the output.

// zapSyncer is the shape of zap's zapcore.WriteSyncer.
type zapSyncer interface {
	io.Writer
	Sync() error
}

var _ interface {
	io.WriteCloser
	io.StringWriter
	zapSyncer
} = (*writer.Writer)(nil)

func TestPromiseWriteCopiesAndCountsWhatItAccepts(t *testing.T) {
	out := newTape(t)
	w := open(t, out, config())
	p := []byte("first")
	n, err := w.Write(p)
	require.NoError(t, err)
	assert.Equal(t, 5, n)
	copy(p, "xxxxx")
	n, err = w.WriteString(" second")
	require.NoError(t, err)
	assert.Equal(t, 7, n)
	require.NoError(t, w.Close())
	assert.Equal(t, "first second", out.String())
}

func TestPromiseAnEmptyWriteIsNothing(t *testing.T) {
	out := newTape(t)
	w := open(t, out, config())
	for _, p := range [][]byte{nil, {}} {
		n, err := w.Write(p)
		assert.NoError(t, err)
		assert.Zero(t, n)
	}
	n, err := w.WriteString("")
	assert.NoError(t, err)
	assert.Zero(t, n)
	assert.Zero(t, w.Stats())
	require.NoError(t, w.Close())
	assert.Empty(t, out.offered())
}

func TestPromiseManyWritesAreOneCall(t *testing.T) {
	out := newTape(t)
	w := open(t, out, config())
	writes := numbered(1000)
	write(t, w, writes...)
	require.NoError(t, w.Sync())
	assert.Equal(t, []string{strings.Join(writes, "")}, out.offered())
}

func TestPromiseMaxBytesIsNeverExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t)
		cfg := config()
		cfg.MaxBytes = 10
		w := open(t, out, cfg)
		for _, p := range []string{"aaaa", "bbbb", "cccc", "dddd", "ee", "f"} {
			write(t, w, p)
			synctest.Wait()
		}
		assert.Equal(t, []string{"aaaabbbb", "ccccddddee"}, out.offered(), "what does not fit begins the next, and what fills it sends it")
		require.NoError(t, w.Close())
		assert.Equal(t, "f", out.offered()[2])
	})
}

func TestPromiseALargerWriteIsABatchOfItsOwn(t *testing.T) {
	out := newTape(t)
	cfg := config()
	cfg.MaxBytes = 10
	w := open(t, out, cfg)
	large := []byte(strings.Repeat("x", 1000))
	write(t, w, "before")
	n, err := w.Write(large)
	require.NoError(t, err)
	assert.Equal(t, 1000, n)
	clear(large)
	write(t, w, "after")
	require.NoError(t, w.Close())
	assert.Equal(t, []string{"before", strings.Repeat("x", 1000), "after"}, out.offered())
}

func TestPromiseMaxSizeIsInWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t)
		cfg := config()
		cfg.MaxSize = 3
		w := open(t, out, cfg)
		for _, s := range numbered(7) {
			write(t, w, s)
			synctest.Wait()
		}
		assert.Equal(t, []string{"<0><1><2>", "<3><4><5>"}, out.offered())
		require.NoError(t, w.Close())
		assert.Equal(t, "<6>", out.offered()[2])
	})
}

func TestPromiseTheIntervalWritesWhatIsNotFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t)
		cfg := config()
		cfg.FlushInterval, cfg.FlushJitter = time.Second, -1
		w := open(t, out, cfg)
		write(t, w, "a")
		time.Sleep(999 * time.Millisecond)
		write(t, w, "b")
		assert.Empty(t, out.offered())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"ab"}, out.offered())
	})
}

// full is a Writer with a batch of 4 bytes at a stuck output, and a full one
// behind it.
func TestPromiseWritesOfManyGoroutinesAreNeverSplitNorReordered(t *testing.T) {
	out := newTape(t)
	cfg := config()
	cfg.MaxBytes = 300
	w := open(t, out, cfg)
	const writers, each = 16, 2000
	var all sync.WaitGroup
	for g := range writers {
		all.Go(func() {
			for i := range each {
				if _, err := io.WriteString(w, lineOf(g, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, w.Close())
	next := make([]int, writers)
	for line := range strings.Lines(out.String()) {
		g, i, err := parse(line)
		require.NoError(t, err, "%q", line)
		require.Equal(t, next[g], i, "goroutine %d", g)
		next[g]++
	}
	for _, n := range next {
		assert.Equal(t, each, n)
	}
}
