package flusher_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

// errSink is what a destination answers in these tests.
var errSink = errors.New("sink")

// Each adapter is a Flusher.
var (
	_ flusher.Flusher[int] = flusher.Func[int](nil)
	_ flusher.Flusher[int] = flusher.Items(func(context.Context, []int) error { return nil })
	_ flusher.Flusher[int] = flusher.Chan(make(chan<- int))
)

type contextKey struct{}

func TestFuncHandsOnContextBatchAndError(t *testing.T) {
	ctx := context.WithValue(t.Context(), contextKey{}, "carried")
	batch := flusher.Batch[string]{
		Items:     []string{"a", "b"},
		ID:        flusher.NewID([8]byte{1}, 2, 3),
		Buffer:    "events",
		Partition: 2,
		Attempt:   4,
		Trigger:   flusher.Manual,
		Meta:      42,
		Cause:     errSink,
	}
	calls := 0
	f := flusher.Func[string](func(ctx context.Context, got flusher.Batch[string]) error {
		calls++
		assert.Equal(t, "carried", ctx.Value(contextKey{}))
		assert.Equal(t, batch, got)
		return errSink
	})

	require.Same(t, errSink, f.Flush(ctx, batch))
	assert.Equal(t, 1, calls)
}

func TestItemsHandsOnTheSliceItself(t *testing.T) {
	ctx := context.WithValue(t.Context(), contextKey{}, "carried")
	items := []int{1, 2, 3}
	calls := 0
	f := flusher.Items(func(ctx context.Context, got []int) error {
		calls++
		assert.Equal(t, "carried", ctx.Value(contextKey{}))
		assert.Equal(t, items, got)
		assert.Same(t, &items[0], &got[0], "the items were copied")
		return errSink
	})

	require.Same(t, errSink, f.Flush(ctx, flusher.Batch[int]{Items: items}))
	assert.Equal(t, 1, calls)
}

func TestAdaptersReturnNilForSuccess(t *testing.T) {
	batch := flusher.Batch[int]{Items: []int{1}}
	whole := flusher.Func[int](func(context.Context, flusher.Batch[int]) error { return nil })
	items := flusher.Items(func(context.Context, []int) error { return nil })

	require.NoError(t, whole.Flush(t.Context(), batch))
	require.NoError(t, items.Flush(t.Context(), batch))
}

func TestNothingToCallIsANilFunc(t *testing.T) {
	// buffer.New can tell by a plain comparison.
	assert.Nil(t, flusher.Items[int](nil))
	assert.Nil(t, flusher.Chan[int](nil))
}

func TestFlushOfANilFuncIsAPermanentError(t *testing.T) {
	err := flusher.Func[int](nil).Flush(t.Context(), flusher.Batch[int]{Items: []int{1}})

	require.ErrorContains(t, err, "nil Func")
	assert.Equal(t, flusher.Verdict{Whole: true, Final: true}, flusher.Inspect(err, 1))
}
