package main

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
)

func batchOf(chunks ...chunk) flusher.Batch[chunk] {
	return flusher.Batch[chunk]{Items: chunks, Attempt: 1}
}

func TestFlushKeepsTheOrderOfAGroup(t *testing.T) {
	d := newDisk(1000)
	var done counts
	s := newSink(d.openGroup, &done, func(error) {})
	items := []chunk{textChunk(2, "a"), textChunk(1, "b"), textChunk(rejectedGroup, "x"), textChunk(2, "c"), textChunk(1, "d"), textChunk(2, "e")}
	batch := batchOf(items...)
	require.NoError(t, s.Flush(t.Context(), batch))
	require.Equal(t, "b\nd\n", string(d.content[1]))
	require.Equal(t, "a\nc\ne\n", string(d.content[2]))
	require.Equal(t, "x\n", string(d.content[rejectedGroup]))
	require.EqualValues(t, 6, done.flushed.Load())
	require.EqualValues(t, 12, done.bytesFlushed.Load())
	require.EqualValues(t, 2, done.groups.Load())
	require.Equal(t, items, batch.Items, "the batch is read-only")
	require.NoError(t, s.close())
}

func TestSinkEndsTheRunAtTheFirstFailure(t *testing.T) {
	d := newDisk(3)
	var done counts
	var stopped error
	s := newSink(d.openGroup, &done, func(err error) { stopped = err })
	require.NoError(t, s.Flush(t.Context(), batchOf(textChunk(1, "a"))))

	full := batchOf(textChunk(1, "b"))
	full.Cause = s.Flush(t.Context(), full)
	require.ErrorIs(t, full.Cause, errDiskFull)
	require.True(t, flusher.Inspect(full.Cause, 1).Final, "no second attempt")
	require.NoError(t, s.giveUp(t.Context(), full))
	require.ErrorIs(t, stopped, errDiskFull)

	d.free = 1000
	require.ErrorIs(t, s.Flush(t.Context(), batchOf(textChunk(1, "c"))), errDiskFull, "there is room again, but b is missing")
	require.Equal(t, "a\n", string(d.content[1]))
	require.EqualValues(t, 1, done.flushed.Load())

	later := batchOf(textChunk(1, "d"))
	later.Cause = errors.New("something else")
	require.NoError(t, s.giveUp(context.Background(), later))
	require.ErrorIs(t, s.close(), errDiskFull, "the first failure is the one that is told")
}

func TestSinkReportsAFileThatCannotBeClosed(t *testing.T) {
	d := newDisk(1000)
	d.closeErr = errDiskFull
	var done counts
	s := newSink(d.openGroup, &done, func(error) {})
	require.NoError(t, s.Flush(t.Context(), batchOf(textChunk(1, "a"))))
	require.ErrorIs(t, s.close(), errDiskFull)
}
