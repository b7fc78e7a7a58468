package flusher_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

func TestNoErrorStaysNone(t *testing.T) {
	// Compared as interfaces: a nil pointer inside would be an error to a caller.
	assert.True(t, flusher.Permanent(nil) == nil)
	assert.True(t, flusher.RetryAfter(nil, time.Second) == nil)
	assert.True(t, flusher.Partial(nil) == nil)
	assert.True(t, flusher.Partial(nil, []int{}...) == nil)
	assert.True(t, flusher.Permanent(flusher.RetryAfter(flusher.Partial(nil), 1)) == nil)
}

func TestPartialWithoutAnErrorIsOneAllTheSame(t *testing.T) {
	err := flusher.Partial(nil, 3)

	require.EqualError(t, err, "item 3 failed")
	assert.NoError(t, errors.Unwrap(err))
	assert.Equal(t, flusher.Verdict{Retry: []int{3}}, flusher.Inspect(err, 4))
}

func TestClassesUnwrap(t *testing.T) {
	cause := &fs.PathError{Op: "write", Path: "/data", Err: fs.ErrPermission}
	for name, err := range map[string]error{
		"Permanent":  flusher.Permanent(cause),
		"RetryAfter": flusher.RetryAfter(cause, time.Second),
		"Partial":    flusher.Partial(cause, 1, 2),
		"all three":  flusher.Partial(flusher.RetryAfter(flusher.Permanent(cause), time.Second), 1),
		"wrapped":    fmt.Errorf("insert: %w", flusher.Permanent(fmt.Errorf("row: %w", cause))),
		"joined":     errors.Join(errSink, flusher.Partial(cause, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, err, fs.ErrPermission)
			var path *fs.PathError
			require.ErrorAs(t, err, &path)
			assert.Same(t, cause, path)
			assert.NotErrorIs(t, err, fs.ErrNotExist)
		})
	}
}

func TestClassesTexts(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{flusher.Permanent(errSink), "permanent: sink"},
		{flusher.RetryAfter(errSink, 1500*time.Millisecond), "retry after 1.5s: sink"},
		{flusher.RetryAfter(errSink, -time.Hour), "retry after 0s: sink"},
		{flusher.Partial(errSink), "some items failed, without their indexes: sink"},
		{flusher.Partial(errSink, 7), "item 7 failed: sink"},
		{flusher.Partial(errSink, 7, 7), "item 7 failed: sink"},
		{flusher.Partial(errSink, 9, 7), "2 items failed: 7, 9: sink"},
		{flusher.Partial(nil, 9, 7), "2 items failed: 7, 9"},
		{flusher.Partial(errSink, 1, 2, 3, 4, 5, 6, 7, 8), "8 items failed: 1, 2, 3, 4, 5, 6, 7, 8: sink"},
		{flusher.Partial(errSink, 1, 2, 3, 4, 5, 6, 7, 8, 9), "9 items failed: 1, 2, 3, 4, 5, 6, 7, 8, ...: sink"},
		{flusher.Partial(errSink, -1), "item -1 failed: sink"},
		{
			flusher.Partial(flusher.Permanent(flusher.RetryAfter(errSink, time.Minute)), 0),
			"item 0 failed: permanent: retry after 1m0s: sink",
		},
	} {
		assert.EqualError(t, test.err, test.want)
	}
}

func TestPartialTextIsBounded(t *testing.T) {
	failed := make([]int, 10_000)
	for i := range failed {
		failed[i] = 1_000_000_000 + i
	}
	assert.Less(t, len(flusher.Partial(errSink, failed...).Error()), 200)
}

func TestPartialCopiesItsIndexes(t *testing.T) {
	failed := []int{3, 1, 2}
	err := flusher.Partial(errSink, failed...)
	assert.Equal(t, []int{3, 1, 2}, failed, "the caller's slice was sorted")

	failed[0], failed[1], failed[2] = 7, 8, 9
	assert.Equal(t, flusher.Verdict{Retry: []int{1, 2, 3}}, flusher.Inspect(err, 10))
}

func TestErrTimeout(t *testing.T) {
	require.ErrorIs(t, flusher.ErrTimeout, context.DeadlineExceeded)
	assert.NotErrorIs(t, flusher.ErrTimeout, context.Canceled)
	assert.NotErrorIs(t, context.DeadlineExceeded, flusher.ErrTimeout)

	var timeout interface{ Timeout() bool }
	require.ErrorAs(t, flusher.ErrTimeout, &timeout)
	assert.True(t, timeout.Timeout())
}

func TestErrGoexitStandsAlone(t *testing.T) {
	require.EqualError(t, flusher.ErrGoexit, "flusher: the Flusher ended its goroutine")
	assert.NoError(t, errors.Unwrap(flusher.ErrGoexit))
}

// secret stands for an item: its text must not get into an error's.
type secret struct{ value string }

func (s secret) String() string { return s.value }

// brokenError panics when it is asked for its text.
type brokenError struct{}

func (brokenError) Error() string { panic("no text") }

func TestPanicErrorText(t *testing.T) {
	for _, test := range []struct {
		name  string
		value any
		want  string
	}{
		{"a string", "index out of range", "flusher: panic: index out of range"},
		{"an error", errSink, "flusher: panic: sink"},
		{"an item", secret{"hunter2"}, "flusher: panic: a value of type flusher_test.secret"},
		{"a pointer to an item", &secret{"hunter2"}, "flusher: panic: a value of type *flusher_test.secret"},
		{"a slice of items", []secret{{"hunter2"}}, "flusher: panic: a value of type []flusher_test.secret"},
		{"nothing", nil, "flusher: panic: a value of type <nil>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := &flusher.PanicError{Value: test.value, Stack: []byte("goroutine 1 [running]:")}
			assert.EqualError(t, err, test.want)
		})
	}
}

func TestPanicErrorTextOfAnErrorThatPanicsItself(t *testing.T) {
	err := &flusher.PanicError{Value: brokenError{}}
	assert.NotPanics(t, func() {
		assert.Contains(t, err.Error(), "flusher: panic: ")
	})
}

func TestPanicErrorTextIsBounded(t *testing.T) {
	for name, value := range map[string]any{
		"a long string":           strings.Repeat("x", 1<<20),
		"a long error":            errors.New(strings.Repeat("x", 1<<20)),
		"one that is cut in rune": "x" + strings.Repeat("€", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			text := (&flusher.PanicError{Value: value}).Error()
			assert.Less(t, len(text), 600)
			assert.True(t, strings.HasSuffix(text, "..."))
			assert.Equal(t, text, strings.ToValidUTF8(text, "?"), "a rune was cut in two")
		})
	}

	exact := strings.Repeat("x", 512)
	assert.EqualError(t, &flusher.PanicError{Value: exact}, "flusher: panic: "+exact, "nothing to cut off")
}

func TestPanicErrorUnwrapsAnError(t *testing.T) {
	cause := &fs.PathError{Op: "write", Path: "/data", Err: fs.ErrPermission}
	err := fmt.Errorf("flush: %w", &flusher.PanicError{Value: cause})
	require.ErrorIs(t, err, fs.ErrPermission)

	var caught *flusher.PanicError
	require.ErrorAs(t, err, &caught)
	assert.Same(t, cause, caught.Value)

	assert.NoError(t, (&flusher.PanicError{Value: "a string"}).Unwrap())
	assert.NoError(t, (&flusher.PanicError{}).Unwrap())
}
