package writer_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

// The promises of the design: what becomes of Writes when the output fails.

func TestPromiseARetryGoesOnWhereAShortWriteStopped(t *testing.T) {
	for _, test := range []struct {
		name    string
		replies []reply
		offered []string
	}{
		{"nothing was written", []reply{fails(errDisk)}, []string{"aaabbbccc", "aaabbbccc"}},
		{"within the first Write", []reply{takes(2, errDisk)}, []string{"aaabbbccc", "abbbccc"}},
		{"between two", []reply{takes(3, errDisk)}, []string{"aaabbbccc", "bbbccc"}},
		{"within the second", []reply{takes(4, errDisk)}, []string{"aaabbbccc", "bbccc"}},
		{"within the last", []reply{takes(8, errDisk)}, []string{"aaabbbccc", "c"}},
		{"without an error", []reply{takes(4, nil)}, []string{"aaabbbccc", "bbccc"}},
		{"again and again", []reply{takes(1, errDisk), takes(1, nil), takes(3, errDisk), fails(errDisk), takes(2, errDisk)}, []string{"aaabbbccc", "aabbbccc", "abbbccc", "bccc", "bccc", "cc"}},
		{"a negative number is nothing", []reply{takes(-1, nil), takes(-5, errDisk)}, []string{"aaabbbccc", "aaabbbccc", "aaabbbccc"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := newTape(t, test.replies...)
				w := open(t, out, config())
				write(t, w, "aaa", "bbb", "ccc")
				require.NoError(t, w.Sync(), "what a retry has mended has not failed")
				write(t, w, "ddd")
				require.NoError(t, w.Close())
				assert.Equal(t, append(test.offered, "ddd"), out.offered())
				assert.Equal(t, "aaabbbcccddd", out.String())
				require.Len(t, w.Errors(), len(test.replies), "each attempt that failed is told")
				for _, err := range w.Errors() {
					assert.True(t, errors.Is(err, errDisk) || errors.Is(err, io.ErrShortWrite) || strings.Contains(err.Error(), "-1 of 9 bytes"), "%v", err)
					assert.NotContains(t, err.Error(), "items failed", "it is the output's own text")
				}
			})
		})
	}
}

func TestPromiseAllBytesAreTakenForWrittenWhateverElseIsWrong(t *testing.T) {
	for _, test := range []struct {
		name  string
		reply reply
		told  string
	}{
		{"all of them, and an error", takesAll(errDisk), "disk failed"},
		{"more than were offered", takes(100, nil), "100 of 3 bytes"},
		{"more than were offered, and an error", takes(100, errDisk), "100 of 3 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := newTape(t, test.reply)
				w := open(t, out, config())
				write(t, w, "aaa")
				require.NoError(t, w.Sync())
				write(t, w, "bbb")
				require.NoError(t, w.Close())
				assert.Equal(t, "aaabbb", out.String(), "no byte twice")
				require.Len(t, w.Errors(), 1)
				assert.Contains(t, w.LastError().Error(), test.told)
			})
		})
	}
}

func TestPromiseMaxAttemptsZeroMeansFive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t, always(fails(errDisk))[:6]...)
		w := open(t, out, config())
		write(t, w, "aaa", "bbb")
		err := w.Sync()
		assert.ErrorIs(t, err, errDisk)
		assert.Contains(t, err.Error(), "2 Writes were dropped")
		assert.Contains(t, err.Error(), "after 5")
		assert.Len(t, out.offered(), 5)
		write(t, w, "ccc")
		assert.NoError(t, w.Sync(), "the failures since the last one: there are none")
		assert.Equal(t, "ccc", out.String())
		assert.Len(t, w.Errors(), 7, "six attempts and a loss")
		assert.ErrorIs(t, w.Close(), errDisk, "not everything accepted was written")
	})
}

func TestPromiseMaxAttempts(t *testing.T) {
	t.Run("one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			out := newTape(t, fails(errDisk), takes(4, errDisk), fails(errDisk))
			cfg := config()
			cfg.Retry.MaxAttempts = 1
			w := open(t, out, cfg)
			write(t, w, "aaa")
			assert.ErrorIs(t, w.Sync(), errDisk)
			write(t, w, "bbb", "ccc", "ddd")
			err := w.Sync()
			assert.Contains(t, err.Error(), "2 Writes were dropped", "what was written in part goes on, and the rest had its attempt")
			assert.Equal(t, []string{"aaa", "bbbcccddd", "ccddd"}, out.offered())
		})
	})
	t.Run("without end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			out := newTape(t, always(fails(errDisk))[:100]...)
			cfg := config()
			cfg.Retry.MaxAttempts = -1
			w := open(t, out, cfg)
			write(t, w, "aaa")
			require.NoError(t, w.Close())
			assert.Len(t, out.offered(), 101)
			assert.Equal(t, "aaa", out.String())
		})
	})
}

func TestPromiseProgressStartsTheAttemptsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Four failures, a byte, four failures, a byte...: never five in a row.
		var replies []reply
		for range 6 {
			replies = append(replies, fails(errDisk), fails(errDisk), fails(errDisk), fails(errDisk), takes(1, errDisk))
		}
		out := newTape(t, replies...)
		cfg := config()
		cfg.Retry = flusher.Retry{MaxAttempts: 5, MinBackoff: time.Second, MaxBackoff: time.Hour}
		w := open(t, out, cfg)
		write(t, w, "aaa", "bbb", "ccc")
		require.NoError(t, w.Sync())
		assert.Equal(t, "aaabbbccc", out.String())
		times := out.at()
		for i := 5; i < len(times); i += 5 {
			assert.LessOrEqual(t, times[i].Sub(times[i-1]), time.Second, "and so does the backoff")
		}
	})
}

func TestPromiseWhatIsWrittenInFullIsDeliveredAndOnlyTheRestIsLost(t *testing.T) {
	for name, last := range map[string]reply{
		"permanent":       fails(flusher.Permanent(errDisk)),
		"in part as well": takes(1, flusher.Permanent(errDisk)),
		"panic":           panics,
		"goexit":          func([]byte) (int, error) { runtime.Goexit(); return 0, nil },
		"exhausted":       fails(errDisk),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := newTape(t, takes(4, errDisk), last)
				g := &grave{}
				cfg := config()
				cfg.Retry.MaxAttempts, cfg.DeadLetter = 1, g
				w := open(t, out, cfg)
				write(t, w, "aaa", "bbb", "ccc")
				err := w.Sync()
				require.Error(t, err)
				assert.Contains(t, err.Error(), "2 Writes went to the dead letter")
				assert.Equal(t, []string{"bbb", "ccc"}, g.writes, "one []byte for each Write, and the whole of it")
				require.NotNil(t, g.causes[0])
				write(t, w, "ddd")
				require.NoError(t, w.Sync())
				assert.Equal(t, "ddd", out.offered()[2], "the next batch begins at its beginning")
			})
		})
	}
}

func TestPromiseAPermanentErrorIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t, fails(fmt.Errorf("full: %w", flusher.Permanent(errDisk))))
		w := open(t, out, config())
		write(t, w, "aaa")
		assert.ErrorIs(t, w.Sync(), errDisk)
		assert.Len(t, out.offered(), 1)
		out = newTape(t, fails(flusher.RetryAfter(errDisk, time.Hour)))
		w = open(t, out, config())
		write(t, w, "aaa")
		require.NoError(t, w.Sync())
		assert.GreaterOrEqual(t, out.at()[1].Sub(out.at()[0]), time.Hour)
	})
}

func TestPromiseAPanicIsRecoveredIntoErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newTape(t, panics)
		w := open(t, out, config())
		write(t, w, "aaa")
		err := w.Sync()
		panicked, ok := errors.AsType[*flusher.PanicError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, "poison", panicked.Value)
		assert.Contains(t, string(panicked.Stack), "panics")
		assert.Contains(t, err.Error(), "1 Writes were dropped", "a panic is not retried")
		assert.ErrorAs(t, w.LastError(), &panicked)
		write(t, w, "bbb")
		require.NoError(t, w.Sync())
		assert.Equal(t, "bbb", out.String(), "and the Writer goes on")
	})
}

func TestPromiseADeadLetterThatFailsDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errGrave := errors.New("grave failed")
		out := newTape(t, fails(flusher.Permanent(errDisk)))
		cfg := config()
		cfg.DeadLetter = &grave{err: errGrave}
		w := open(t, out, cfg)
		write(t, w, "aaa", "bbb")
		err := w.Sync()
		holds(t, err, errDisk, errGrave)
		assert.Contains(t, err.Error(), "2 Writes were dropped")
		assert.Len(t, w.Errors(), 1+5+1, "an attempt, five of the dead letter, and the loss")
	})
}

// What an output says in the terms of a Flusher is about other items than the
// Writes here, and must not be believed.
// treacherous is an error that panics when it is looked into.
