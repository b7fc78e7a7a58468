package writer_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/partition"
)

// The promises of the design: what is told of failures, and what is not believed.

func TestAPartialOfTheOutputDeliversNothing(t *testing.T) {
	for _, err := range []error{
		flusher.Partial(errDisk, 0),
		flusher.Partial(errDisk, 2),
		flusher.Partial(errDisk, -1),
		flusher.Partial(errDisk, 1, 2),
		flusher.Partial(errDisk),
		errors.Join(errDisk, flusher.Partial(errDisk, 1)),
		treacherous{},
	} {
		for _, n := range []int{0, 1, 3, 4} {
			t.Run(fmt.Sprint(err, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					out := newTape(t, takes(n, err), takes(n, err))
					w := open(t, out, config())
					write(t, w, "aaa", "bbb", "ccc")
					require.NoError(t, w.Sync())
					assert.Equal(t, "aaabbbccc", out.String())
					assert.Contains(t, w.LastError().Error(), "disk failed")
				})
			})
		}
	}
}

type treacherous struct{}

func (treacherous) Error() string { return "disk failed" }

func (treacherous) Unwrap() []error { panic("treacherous") }

func TestPromiseErrorsAreTheNewestHundred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var replies []reply
		for i := range 250 {
			replies = append(replies, fails(flusher.Permanent(fmt.Errorf("failure %d", i))))
		}
		w := open(t, newTape(t, replies...), config())
		assert.Empty(t, w.Errors())
		assert.NoError(t, w.LastError())
		for i := range 125 {
			write(t, w, "secret")
			require.Error(t, w.Sync())
			require.Contains(t, w.LastError().Error(), fmt.Sprintf("failure %d", i))
		}
		got := w.Errors()
		require.Len(t, got, 100)
		for i, err := range got { // each an attempt, and a loss
			assert.Contains(t, err.Error(), fmt.Sprintf("failure %d", 75+i/2))
		}
		assert.NotContains(t, texts(got), "secret", "no text holds what was written")
		err := w.Close()
		assert.Contains(t, err.Error(), "109 failures before, of 109 Writes", "the newest 16 are joined")
		assert.Contains(t, err.Error(), "failure 124")
		assert.NotContains(t, err.Error(), "failure 108")
		got[0] = nil
		assert.NotNil(t, w.Errors()[0], "it is a copy")
	})
}

func TestErrorsOfTheOutputThatAreOurOwnAreNotMistaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// As where the output is a Writer that was closed.
		w := open(t, newTape(t, fails(flusher.Permanent(buffer.ErrClosed)), fails(flusher.Permanent(&partition.Progress{Err: errDisk}))), config())
		for range 2 {
			write(t, w, "aaa")
			err := w.Sync()
			require.Error(t, err)
			assert.Contains(t, err.Error(), "1 Writes were dropped")
		}
		assert.True(t, w.IsRunning())
	})
}
