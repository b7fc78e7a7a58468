package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var workerNumber = flag.Int("worker-number", 1, "the workers of BenchmarkGroup")

// BenchmarkGroup is the whole main job, from files to files:
//
//	go test -bench Group ./examples/eventlog -worker-number=4
func BenchmarkGroup(b *testing.B) {
	const files, lines = 4, 100_000
	in := b.TempDir()
	var size int64
	for seed := range uint64(files) {
		set := settings{in: in, generate: lines, groups: 3, seed: seed}
		n, err := writeWhole(in, filepath.Join(in, fmt.Sprintf("%d.log", seed)), func(w io.Writer) error { return generate(b.Context(), set, w) })
		require.NoError(b, err)
		size += n
	}
	set := settings{in: in, out: b.TempDir(), workers: *workerNumber, maxLine: 64 << 10}
	b.SetBytes(size)
	for b.Loop() {
		var done counts
		require.NoError(b, group(b.Context(), set, &done))
		require.EqualValues(b, files*lines, done.flushed.Load())
	}
	b.ReportMetric(float64(files*lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkLine is what a worker does for one line.
func BenchmarkLine(b *testing.B) {
	line := []byte("1234567|log3|appsetup|tom|20417|4|1587583122")
	var dst []byte
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		var r record
		r.parse(line, 100)
		dst = appendRecord(dst[:0], &r)
	}
}

// BenchmarkBlock is what a worker does for a block, apart from the buffer.
func BenchmarkBlock(b *testing.B) {
	var text bytes.Buffer
	require.NoError(b, generate(b.Context(), settings{generate: 3000, groups: 3}, &text))
	var done counts
	w := worker{maxLine: 64 << 10, done: &done, buffer: discard{}}
	block := newBlock(1, text.String())
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		w.work(block)
	}
}

// discard is a buffer that takes everything and keeps nothing.
type discard struct{}

func (discard) InsertBatch(context.Context, []chunk) error { return nil }
