package buffertest_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/flusher"
)

var errSink = errors.New("sink failed")

// answers is a Flusher that answers err.
func answers(err error) flusher.Func[int] {
	return func(context.Context, flusher.Batch[int]) error { return err }
}

// batchOf is a batch of these items.
func batchOf(items ...int) flusher.Batch[int] {
	return flusher.Batch[int]{
		Items: items, ID: flusher.NewID([8]byte{1}, 2, 3), Buffer: "events", Partition: 2, Attempt: 4,
		Trigger: flusher.Manual, Oldest: time.Unix(1, 0), Meta: "meta", Cause: errSink,
	}
}

// call calls Flush in a goroutine of its own, as a buffer does, and tells how that
// ended: with flusher.ErrGoexit or a *flusher.PanicError where it did not return.
func call(ctx context.Context, f flusher.Flusher[int], batch flusher.Batch[int]) error {
	ended := make(chan error, 1)
	go func() {
		err := flusher.ErrGoexit
		defer func() {
			if value := recover(); value != nil {
				err = &flusher.PanicError{Value: value}
			}
			ended <- err
		}()
		err = f.Flush(ctx, batch)
	}()
	return <-ended
}

func TestRecorderKeepsCopies(t *testing.T) {
	var r buffertest.Recorder[int] // the zero value takes everything
	items := []int{1, 2, 3}
	batch := batchOf(items...)
	require.NoError(t, r.Flush(t.Context(), batch))
	clear(items) // as a buffer does, that fills the slice anew

	batch.Items = []int{1, 2, 3}
	assert.Equal(t, []flusher.Batch[int]{batch}, r.Batches(), "all that is known of a batch")
	assert.Equal(t, []int{1, 2, 3}, r.Items())
	assert.Equal(t, []int{1, 2, 3}, r.Delivered())

	// What it returns is the caller's.
	clear(r.Batches()[0].Items)
	clear(r.Attempts()[0].Items)
	clear(r.Items())
	clear(r.Delivered())
	assert.Equal(t, batch, r.Attempts()[0].Batch)
	assert.Equal(t, []int{1, 2, 3}, r.Items())
	assert.Equal(t, []int{1, 2, 3}, r.Delivered())
}

func TestRecorderTellsWhatIsDelivered(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		delivered []int
	}{
		"nil":                    {nil, []int{10, 11, 12, 13}},
		"an error":               {errSink, nil},
		"permanent":              {flusher.Permanent(errSink), nil},
		"a Partial":              {flusher.Partial(errSink, 1), []int{10, 12, 13}},
		"several Partials":       {errors.Join(flusher.Partial(errSink, 3), flusher.Partial(flusher.Permanent(errSink), 0)), []int{11, 12}},
		"a Partial of all":       {flusher.Partial(errSink, 0, 1, 2, 3), nil},
		"a Partial out of range": {flusher.Partial(errSink, 4), nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := buffertest.Record(answers(c.err))
			assert.Equal(t, c.err, r.Flush(t.Context(), batchOf(10, 11, 12, 13)), "the answer is passed on as it is")
			assert.Equal(t, c.delivered, r.Delivered())
			attempts := r.Attempts()
			require.Len(t, attempts, 1)
			assert.Equal(t, c.err, attempts[0].Err)
			assert.Equal(t, c.delivered, attempts[0].Delivered())
			assert.Equal(t, []int{10, 11, 12, 13}, r.Items(), "these are what it was given")
		})
	}
}

func TestRecorderPassesOnHowAnAttemptEnds(t *testing.T) {
	t.Run("a panic", func(t *testing.T) {
		r := buffertest.Record(flusher.Func[int](func(context.Context, flusher.Batch[int]) error { panic(errSink) }))
		var panicked *flusher.PanicError
		require.ErrorAs(t, call(t.Context(), r, batchOf(1)), &panicked)
		assert.Equal(t, errSink, panicked.Value)
		var recorded *flusher.PanicError
		require.ErrorAs(t, r.Attempts()[0].Err, &recorded)
		assert.Equal(t, errSink, recorded.Value)
		assert.Contains(t, string(recorded.Stack), "TestRecorderPassesOn")
		assert.Empty(t, r.Delivered())
	})
	t.Run("a Goexit", func(t *testing.T) {
		r := buffertest.Record(flusher.Func[int](func(context.Context, flusher.Batch[int]) error { runtime.Goexit(); return nil }))
		assert.Equal(t, flusher.ErrGoexit, call(t.Context(), r, batchOf(1)))
		assert.Equal(t, flusher.ErrGoexit, r.Attempts()[0].Err)
		assert.False(t, r.Attempts()[0].Running())
		assert.Empty(t, r.Delivered())
	})
}

func TestRecorderTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := buffertest.Record(buffertest.NewFaulty[int](nil, buffertest.Script(buffertest.Delay(time.Second))))
		begun := time.Now()
		go func() { _ = r.Flush(t.Context(), batchOf(1)) }()
		synctest.Wait()
		attempt := r.Attempts()[0]
		assert.True(t, attempt.Running())
		assert.Empty(t, attempt.Delivered())
		assert.Empty(t, r.Delivered())
		time.Sleep(time.Second)
		synctest.Wait()
		attempt = r.Attempts()[0]
		assert.False(t, attempt.Running())
		assert.Equal(t, begun, attempt.Begun)
		assert.Equal(t, begun.Add(time.Second), attempt.Ended)
		assert.Equal(t, []int{1}, attempt.Delivered())
	})
}

func TestRecorderWait(t *testing.T) {
	later := func(r *buffertest.Recorder[int], after time.Duration, items ...int) {
		go func() {
			time.Sleep(after)
			_ = r.Flush(context.Background(), batchOf(items...))
		}()
	}
	t.Run("until there are as many, or more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var r buffertest.Recorder[int]
			begun := time.Now()
			require.NoError(t, r.Wait(t.Context(), 0))
			later(&r, time.Second, 1, 2)
			later(&r, 2*time.Second, 3, 4)
			require.NoError(t, r.Wait(t.Context(), 3))
			assert.Equal(t, 2*time.Second, time.Since(begun))
			require.NoError(t, r.Wait(t.Context(), 4))
			assert.Equal(t, 2*time.Second, time.Since(begun))
		})
	})
	t.Run("for several at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var r buffertest.Recorder[int]
			begun := time.Now()
			waited := make([]time.Duration, 4)
			for n := range waited {
				go func() {
					assert.NoError(t, r.Wait(t.Context(), n))
					waited[n] = time.Since(begun)
				}()
			}
			for i := 1; i <= 3; i++ {
				later(&r, time.Duration(i)*time.Second, i)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}, waited)
		})
	})
	t.Run("only what is delivered counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := buffertest.Record(answers(flusher.Partial(errSink, 0)))
			later(r, time.Second, 1, 2, 3)
			require.NoError(t, r.Wait(t.Context(), 2))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			assert.Error(t, r.Wait(ctx, 3))
		})
	})
	t.Run("or until its context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var r buffertest.Recorder[int]
			later(&r, 0, 1, 2)
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errSink)
			defer cancel()
			err := r.Wait(ctx, 3)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, errSink)
			assert.Contains(t, err.Error(), "waited for 3 items, 2 are delivered, in 1 attempts")
			require.NoError(t, r.Flush(t.Context(), batchOf(3)), "nobody waits any more")
			require.NoError(t, r.Wait(ctx, 3), "what is there is there, whatever the context says")
		})
	})
}

// closedUp is an error that panics when it is looked into.
type closedUp struct{}

func (closedUp) Error() string { return "closed up" }
func (closedUp) Unwrap() error { panic("looked into") }

func TestRecorderOfAnAnswerThatPanicsWhenItIsRead(t *testing.T) {
	recorder := buffertest.Record(answers(closedUp{}))
	require.ErrorIs(t, call(t.Context(), recorder, batchOf(1)), closedUp{})
	require.Len(t, recorder.Attempts(), 1)
	assert.False(t, recorder.Attempts()[0].Running())
	assert.Equal(t, closedUp{}, recorder.Attempts()[0].Err)
	assert.Empty(t, recorder.Delivered())
}
