package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInputThatCannotBeRead(t *testing.T) {
	dangling := t.TempDir()
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dangling, "a.log")))
	device := t.TempDir()
	require.NoError(t, os.Symlink(os.DevNull, filepath.Join(device, "a.log")))
	empty := t.TempDir()
	writeFiles(t, empty, map[string]string{"a.txt": ""})

	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"no folder", filepath.Join(empty, "missing"), []string{"missing", "no such file", "-in"}},
		{"not a folder", filepath.Join(empty, "a.txt"), []string{"a.txt", "not a directory", "-in"}},
		{"no logs", empty, []string{"has no *.log file", "-in", "-generate"}},
		{"a file that cannot be opened", dangling, []string{filepath.Join(dangling, "a.log"), "no such file", partialSuffix}},
		{"a device", device, []string{filepath.Join(device, "a.log"), "not a regular file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := settings{in: c.in, out: filepath.Join(t.TempDir(), "out"), workers: 1, maxLine: 100}
			var done counts
			err := group(t.Context(), set, &done)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.NotErrorIs(t, err, context.Canceled)
		})
	}
}

func TestFailureKeepsTheOutputBeforeAndWhatWasFlushed(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	writeLog(t, in, "a.log", 5000, 2)
	writeFiles(t, out, map[string]string{"group-1.ndjson": "old"})
	require.NoError(t, os.Symlink("nowhere", filepath.Join(in, "b.log")))

	var done counts
	err := group(t.Context(), settings{in: in, out: out, workers: 2, maxLine: 100}, &done)
	require.ErrorContains(t, err, "b.log")
	require.ErrorContains(t, err, fmt.Sprintf("of %d lines read, %[1]d are flushed to %s", done.lines.Load(), out))
	files := readFiles(t, out)
	require.Equal(t, "old", files["group-1.ndjson"])
	delete(files, "group-1.ndjson")
	for name := range files {
		require.True(t, strings.HasSuffix(name, partialSuffix), name)
	}
	requireOrder(t, files)
}

// limitedFile is a real file on a disk that gets full.
type limitedFile struct {
	appendFile
	write func(p []byte) (int, error)
}

func (f limitedFile) Write(p []byte) (int, error) { return f.write(p) }

func TestFullDisk(t *testing.T) {
	in := t.TempDir()
	for i := range 3 {
		writeLog(t, in, fmt.Sprintf("%d.log", i), 20_000, 3)
	}
	paths, err := findInputs(in)
	require.NoError(t, err)
	out, err := openOutput(t.TempDir())
	require.NoError(t, err)

	const room = 1_200_000 // for group 1, which has more
	open := func(group int64) (appendFile, int64, error) {
		file, size, err := out.openGroup(group)
		left := room - size
		return limitedFile{file, func(p []byte) (int, error) {
			if group != 1 || int64(len(p)) <= left {
				left -= int64(len(p))
				return file.Write(p)
			}
			n, _ := file.Write(p[:left])
			return n, errDiskFull
		}}, size, err
	}
	var done counts
	err = transfer(t.Context(), settings{workers: 4, maxLine: 100}, paths, open, &done)
	require.ErrorIs(t, err, errDiskFull)
	require.ErrorContains(t, err, "writing the output")

	files := readFiles(t, out.folder)
	requireOrder(t, files)
	var lines int64
	for _, content := range files {
		lines += int64(strings.Count(content, "\n"))
		require.True(t, content == "" || strings.HasSuffix(content, "\n"), "half a line")
	}
	require.Equal(t, done.flushed.Load(), lines)
	require.Positive(t, lines)
	require.Less(t, lines, done.lines.Load())
}

// writeEndlessLog is writeLog, with a last line that takes minutes to read. The
// file has a hole, so that it takes no room.
func writeEndlessLog(t *testing.T, folder string, n, groups int) {
	t.Helper()
	writeLog(t, folder, "a.log", n, groups)
	require.NoError(t, os.Truncate(filepath.Join(folder, "a.log"), 1<<38))
}

func TestInterruptFlushesWhatWasRead(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	writeEndlessLog(t, in, 10_000, 3)
	writeFiles(t, out, map[string]string{"group-1.ndjson": "old"})

	ctx, interrupt := context.WithCancelCause(t.Context())
	var done counts
	ended := make(chan error)
	go func() { ended <- group(ctx, settings{in: in, out: out, workers: 3, maxLine: 100}, &done) }()
	for done.lines.Load() == 0 {
		select {
		case err := <-ended:
			require.NoError(t, err)
		default:
		}
	}
	interrupt(fmt.Errorf("interrupt signal received: %w", context.Canceled))
	err := <-ended
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "stopped reading: interrupt signal received")
	require.ErrorContains(t, err, fmt.Sprintf("of %d lines read, %[1]d are flushed to %s", done.lines.Load(), out))

	files := readFiles(t, out)
	require.Equal(t, "old", files["group-1.ndjson"])
	delete(files, "group-1.ndjson")
	requireCounts(t, &done, renamed(files))
	requireOrder(t, files)
	requireNoGap(t, files)
}

// renamed returns partial files under their final names.
func renamed(files map[string]string) map[string]string {
	final := map[string]string{}
	for name, content := range files {
		final[strings.TrimSuffix(name, partialSuffix)] = content
	}
	return final
}

// requireNoGap requires that the lines of one input file are its first ones.
func requireNoGap(t *testing.T, files map[string]string) {
	t.Helper()
	var numbers []int
	for _, content := range files {
		for line := range strings.Lines(content) {
			_, number := origin(t, line)
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	for i, number := range numbers {
		if number != i+1 {
			t.Fatalf("line %d is missing", i+1)
		}
	}
}

func TestAnInterruptAfterTheLastLineIsTooLate(t *testing.T) {
	in := t.TempDir()
	writeLog(t, in, "a.log", 10, 2)
	paths, err := findInputs(in)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	blocks := make(chan *block, 1)
	var done counts
	pool := newBlocks(2, 100)
	reading := inputs{paths: paths, maxLine: 100, pool: pool, done: &done}
	require.NoError(t, reading.read(ctx, blocks))
	cancel()
	require.Len(t, blocks, 1)

	done = counts{}
	require.ErrorIs(t, reading.read(ctx, blocks), context.Canceled)
}

func TestWriteErrorsReachTheUserWithoutTheMachinery(t *testing.T) {
	in := t.TempDir()
	writeLog(t, in, "a.log", 10, 2)
	paths, err := findInputs(in)
	require.NoError(t, err)
	open := func(int64) (appendFile, int64, error) { return nil, 0, errors.New("permission denied") }
	var done counts
	err = transfer(t.Context(), settings{workers: 1, maxLine: 100}, paths, open, &done)
	require.EqualError(t, err, "writing the output: permission denied")

	open = func(int64) (appendFile, int64, error) { panic("a bug") }
	err = transfer(t.Context(), settings{workers: 1, maxLine: 100}, paths, open, &done)
	require.ErrorContains(t, err, "a bug")
}
