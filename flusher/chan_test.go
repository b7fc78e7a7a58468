package flusher_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

// received empties a buffered channel without waiting.
func received(out chan int) []int {
	var items []int
	for {
		select {
		case item := <-out:
			items = append(items, item)
		default:
			return items
		}
	}
}

func TestChanSendsInOrder(t *testing.T) {
	out := make(chan int, 5)
	err := flusher.Chan(out).Flush(t.Context(), flusher.Batch[int]{Items: []int{3, 1, 2}})

	require.NoError(t, err)
	assert.Equal(t, []int{3, 1, 2}, received(out))
}

func TestChanWaitsForAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := make(chan int)
		var flushed error
		done := false
		go func() {
			flushed = flusher.Chan(out).Flush(t.Context(), flusher.Batch[int]{Items: []int{1, 2}})
			done = true
		}()

		synctest.Wait()
		require.False(t, done, "Flush returned with nothing received")
		assert.Equal(t, 1, <-out)
		synctest.Wait()
		require.False(t, done, "Flush returned with one item left")
		assert.Equal(t, 2, <-out)
		synctest.Wait()
		require.True(t, done)
		assert.NoError(t, flushed)
	})
}

func TestChanSendsNothingOnceItsContextIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// A select of two ready cases would get this right every other time.
	for range 100 {
		out := make(chan int, 3)
		err := flusher.Chan(out).Flush(ctx, flusher.Batch[int]{Items: []int{1, 2, 3}})

		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, received(out))
		require.Equal(t, flusher.Verdict{Whole: true}, flusher.Inspect(err, 3), "the content is the same, and so is its ID")
	}
}

func TestChanStopsBetweenItemsOnceItsContextIsDone(t *testing.T) {
	// The context ends when its Err is asked for the third time, and its Done
	// channel never tells: only a look before each item sees it.
	ctx := &endsOnThirdLook{Context: t.Context()}
	out := make(chan int, 4)
	err := flusher.Chan(out).Flush(ctx, flusher.Batch[int]{Items: []int{1, 2, 3, 4}})

	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, []int{1, 2}, received(out))
	assert.Equal(t, flusher.Verdict{Retry: []int{2, 3}}, flusher.Inspect(err, 4))
}

type endsOnThirdLook struct {
	context.Context
	looks int
}

func (c *endsOnThirdLook) Err() error {
	if c.looks++; c.looks >= 3 {
		return context.Canceled
	}
	return nil
}

func TestChanReturnsWhatItsContextCutOff(t *testing.T) {
	for _, test := range []struct {
		name    string
		start   func(context.Context) (context.Context, context.CancelFunc)
		matches []error
	}{
		{
			name: "timeout",
			start: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(ctx, time.Second, flusher.ErrTimeout)
			},
			matches: []error{context.DeadlineExceeded, flusher.ErrTimeout},
		},
		{
			name: "timeout without a cause",
			start: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Second)
			},
			matches: []error{context.DeadlineExceeded},
		},
		{
			name: "cancelled with a cause",
			start: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(time.Second, func() { cancel(errSink) })
				return ctx, func() { cancel(nil) }
			},
			matches: []error{context.Canceled, errSink},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := test.start(t.Context())
				defer cancel()
				began := time.Now()
				out := make(chan int, 2) // room for two, and no reader
				err := flusher.Chan(out).Flush(ctx, flusher.Batch[int]{Items: []int{1, 2, 3, 4, 5}})

				assert.Equal(t, time.Second, time.Since(began))
				for _, match := range test.matches {
					require.ErrorIs(t, err, match)
				}
				assert.Equal(t, []int{1, 2}, received(out))
				assert.Equal(t, flusher.Verdict{Retry: []int{2, 3, 4}}, flusher.Inspect(err, 5))
			})
		})
	}
}

func TestChanErrorDoesNotRepeatItself(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the buffer is closed"))
	err := flusher.Chan(make(chan int)).Flush(ctx, flusher.Batch[int]{Items: []int{1}})
	assert.EqualError(t, err, "item 0 failed: context canceled: the buffer is closed")

	ctx, stop := context.WithCancel(t.Context())
	stop()
	err = flusher.Chan(make(chan int)).Flush(ctx, flusher.Batch[int]{Items: []int{1}})
	assert.EqualError(t, err, "item 0 failed: context canceled")
}

func TestChanClosedUnderItPanics(t *testing.T) {
	// The partition's isolation turns this into a *PanicError; nothing is
	// claimed to be delivered.
	out := make(chan int, 1)
	close(out)
	assert.Panics(t, func() {
		_ = flusher.Chan(out).Flush(t.Context(), flusher.Batch[int]{Items: []int{1}})
	})
}
