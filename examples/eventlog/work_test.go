package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorder is a buffer that keeps what it is given.
type recorder struct {
	batches [][]chunk
	err     error
}

func (r *recorder) InsertBatch(_ context.Context, chunks []chunk) error {
	r.batches = append(r.batches, append([]chunk(nil), chunks...))
	return r.err
}

// newBlock returns a block whose turn it is.
func newBlock(first int, lines string) *block {
	turn := make(chan struct{})
	close(turn)
	return &block{file: "a.log", first: first, lines: []byte(lines), turn: turn, done: make(chan struct{})}
}

func TestWorkerMakesOneChunkPerGroup(t *testing.T) {
	var done counts
	var buffer recorder
	w := worker{maxLine: 50, done: &done, buffer: &buffer}
	w.work(newBlock(11, "1|a|b|c|2|7|0\n2|a|b|c|2|5|0\r\nbad\n3|a|b|c|2|7|0\n\n"))

	require.Equal(t, [][]chunk{{
		{7, 2, []byte(`{"id":1,"log":"a","event":"b","user":"c","value":2,"groupId":7,"time":0}
{"id":3,"log":"a","event":"b","user":"c","value":2,"groupId":7,"time":0}
`)},
		{5, 1, []byte(`{"id":2,"log":"a","event":"b","user":"c","value":2,"groupId":5,"time":0}
`)},
		{rejectedGroup, 2, []byte(`{"file":"a.log","line":13,"reason":"wrong field count","text":"bad"}
{"file":"a.log","line":15,"reason":"wrong field count","text":""}
`)},
	}}, buffer.batches)
	require.EqualValues(t, 5, done.lines.Load())
	require.EqualValues(t, 3, done.valid())
	require.EqualValues(t, 2, done.rejected())
	require.EqualValues(t, 2, done.byReason[wrongFieldCount].Load())
	require.EqualValues(t, 5, done.held())
}

func TestWorkerMeasuresALineWithoutItsEnding(t *testing.T) {
	var done counts
	w := worker{maxLine: 13, done: &done, buffer: &recorder{}}
	w.work(newBlock(1, "1|a|b|c|2|7|0\n1|a|b|c|2|7|0\r\n"))
	require.EqualValues(t, 2, done.valid())
	w.work(newBlock(3, "10|a|b|c|2|7|0\n1|a|b|c|2|7|0\r\r\n"))
	require.EqualValues(t, 2, done.byReason[overLong].Load())
}

func TestWorkerHandsOnPiecesOfBoundedSize(t *testing.T) {
	const n = 100_000
	var done counts
	var buffer recorder
	w := worker{maxLine: 64 << 10, done: &done, buffer: &buffer}
	w.work(newBlock(1, strings.Repeat("\n", n))) // the most JSON per byte that there is

	lines, json := 0, []byte(nil)
	for _, chunks := range buffer.batches {
		require.Len(t, chunks, 1)
		require.LessOrEqual(t, len(chunks[0].json), maxChunk(w.maxLine))
		require.Equal(t, len(chunks[0].json), cap(chunks[0].json), "room that nobody uses")
		lines += chunks[0].lines
		json = append(json, chunks[0].json...)
	}
	require.Greater(t, len(buffer.batches), 5)
	require.Equal(t, n, lines)
	require.Equal(t, n, bytes.Count(json, []byte{'\n'}))
	require.Contains(t, string(json), fmt.Sprintf(`"line":%d,`, n), "numbers go on from piece to piece")
}

func TestLargestLineFitsInAChunk(t *testing.T) {
	const maxLine = 1000
	var done counts
	var buffer recorder
	w := worker{maxLine: maxLine, done: &done, buffer: &buffer}
	const begin, end = "1|", "|||2|3|4"
	worst := begin + strings.Repeat("\x01", maxLine-len(begin)-len(end)) + end
	w.work(newBlock(1, worst+"\n"))
	require.EqualValues(t, 1, done.valid())
	require.LessOrEqual(t, len(buffer.batches[0][0].json), maxChunk(maxLine)-pieceBytes)
}

func TestWorkerWaitsForTheBlocksTurn(t *testing.T) {
	turn := make(chan struct{})
	second := newBlock(2, "2|a|b|c|2|7|0\n")
	second.turn = turn
	first := newBlock(1, "1|a|b|c|2|7|0\n")
	first.done = turn

	var done counts
	var buffer recorder
	blocks, pool, ended := make(chan *block), make(chan *block, 2), make(chan error)
	for range 2 {
		w := worker{maxLine: 50, done: &done, buffer: &buffer}
		go func() { ended <- w.run(blocks, pool) }()
	}
	blocks <- second // its worker waits, although it has come first
	blocks <- first
	close(blocks)
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
	require.Len(t, buffer.batches, 2)
	require.Contains(t, string(buffer.batches[0][0].json), `"id":1`)
	require.Contains(t, string(buffer.batches[1][0].json), `"id":2`)
}

func TestWorkerGoesOnTakingBlocksWhenTheBufferFails(t *testing.T) {
	var done counts
	closed := errors.New("closed")
	buffer := recorder{err: closed}
	blocks, pool := make(chan *block, 3), make(chan *block, 3)
	for i := range 3 {
		blocks <- newBlock(i, "1|a|b|c|2|7|0\n")
	}
	close(blocks)
	w := worker{maxLine: 50, done: &done, buffer: &buffer}
	require.ErrorIs(t, w.run(blocks, pool), closed)
	require.Len(t, pool, 3, "all blocks are back")
	require.Len(t, buffer.batches, 1, "nothing may follow a gap")
}
