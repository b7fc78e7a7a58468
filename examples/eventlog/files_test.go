package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

var errDiskFull = errors.New("no space left on device")

// disk is a disk of limited size, in memory, with files that can be opened.
type disk struct {
	content map[int64][]byte
	free    int
	open    int
	mostly  int // the most files that were open at once
	writes  int

	openErr, truncateErr, closeErr error
}

func newDisk(free int) *disk { return &disk{content: map[int64][]byte{}, free: free} }

func (d *disk) openGroup(group int64) (appendFile, int64, error) {
	if d.openErr != nil {
		return nil, 0, d.openErr
	}
	d.open++
	d.mostly = max(d.mostly, d.open)
	return &diskFile{d, group}, int64(len(d.content[group])), nil
}

type diskFile struct {
	disk  *disk
	group int64
}

func (f *diskFile) Write(p []byte) (int, error) {
	f.disk.writes++
	n := min(len(p), f.disk.free)
	f.disk.free -= n
	f.disk.content[f.group] = append(f.disk.content[f.group], p[:n]...)
	if n < len(p) {
		return n, errDiskFull
	}
	return n, nil
}

func (f *diskFile) Truncate(size int64) error {
	if f.disk.truncateErr != nil {
		return f.disk.truncateErr
	}
	f.disk.free += len(f.disk.content[f.group]) - int(size)
	f.disk.content[f.group] = f.disk.content[f.group][:size]
	return nil
}

func (f *diskFile) Close() error {
	f.disk.open--
	return f.disk.closeErr
}

// textChunk is a chunk of one line.
func textChunk(group int64, text string) chunk {
	return chunk{group: group, lines: 1, json: []byte(text + "\n")}
}

func TestAppendAllGathersSmallChunks(t *testing.T) {
	d := newDisk(1 << 20)
	files := openFiles{open: d.openGroup, limit: 4}
	big := chunk{group: 2, json: make([]byte, 3*writeBytes)}
	require.NoError(t, files.appendAll([]chunk{textChunk(1, "a"), textChunk(1, "b"), textChunk(1, "c"), big}))
	require.Equal(t, "a\nb\nc\n", string(d.content[1]))
	require.Equal(t, big.json, d.content[2])
	require.Equal(t, 2, d.writes, "one for the small ones, and one for the big one")
	require.EqualValues(t, 2, files.begun())

	require.NoError(t, files.appendAll([]chunk{textChunk(1, "d"), textChunk(3, "e"), textChunk(rejectedGroup, "f")}))
	require.Equal(t, "a\nb\nc\nd\n", string(d.content[1]))
	require.EqualValues(t, 1, files.begun(), "only group 3 is new")
	require.NoError(t, files.close())
	require.Zero(t, d.open)
}

func TestOpenFilesAreLimited(t *testing.T) {
	d := newDisk(1 << 20)
	files := openFiles{open: d.openGroup, limit: 3}
	want := map[int64]string{}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		group := random.Int64N(20)
		text := fmt.Sprint(i)
		want[group] += text + "\n"
		require.NoError(t, files.appendAll([]chunk{textChunk(group, text)}))
	}
	for group, text := range want {
		require.Equal(t, text, string(d.content[group]))
	}
	require.Equal(t, 3, d.mostly)
}

func TestFailedAppendLeavesNoTraceAndCanBeRetried(t *testing.T) {
	batch := []chunk{textChunk(1, "one"), textChunk(2, "two"), textChunk(3, "three"), textChunk(4, "four")}
	for free := range len("one\ntwo\nthree\nfour\n") {
		for limit := 1; limit < 6; limit++ {
			d := newDisk(1000)
			files := openFiles{open: d.openGroup, limit: limit}
			require.NoError(t, files.appendAll([]chunk{textChunk(2, "before"), textChunk(3, "before")}))
			d.free = free
			require.ErrorIs(t, files.appendAll(batch), errDiskFull)
			require.Equal(t, "before\n", string(d.content[2]))
			require.Equal(t, "before\n", string(d.content[3]))
			require.Empty(t, d.content[1])
			require.Empty(t, d.content[4])

			d.free = 1000
			require.NoError(t, files.appendAll(batch))
			require.Equal(t, "one\n", string(d.content[1]))
			require.Equal(t, "before\ntwo\n", string(d.content[2]))
			require.Equal(t, "before\nthree\n", string(d.content[3]))
			require.Equal(t, "four\n", string(d.content[4]))
		}
	}
}

func TestFailuresOfOpenFilesAreToldApart(t *testing.T) {
	broken := errors.New("broken")
	t.Run("open", func(t *testing.T) {
		d := newDisk(1000)
		files := openFiles{open: d.openGroup, limit: 2}
		require.NoError(t, files.appendAll([]chunk{textChunk(1, "a")}))
		d.openErr = broken
		require.ErrorIs(t, files.appendAll([]chunk{textChunk(1, "b"), textChunk(2, "c")}), broken)
		require.Equal(t, "a\n", string(d.content[1]))
	})
	t.Run("taking back", func(t *testing.T) {
		d := newDisk(3)
		d.truncateErr = broken
		files := openFiles{open: d.openGroup, limit: 2}
		err := files.appendAll([]chunk{textChunk(1, "abc")})
		require.ErrorIs(t, err, errDiskFull)
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, "written in part")
	})
	t.Run("making room", func(t *testing.T) {
		d := newDisk(1000)
		d.closeErr = io.ErrClosedPipe
		files := openFiles{open: d.openGroup, limit: 1}
		require.ErrorIs(t, files.appendAll([]chunk{textChunk(1, "a"), textChunk(2, "b")}), io.ErrClosedPipe)
	})
	t.Run("close", func(t *testing.T) {
		d := newDisk(1000)
		d.closeErr = broken
		files := openFiles{open: d.openGroup, limit: 2}
		require.NoError(t, files.appendAll([]chunk{textChunk(1, "a")}))
		require.ErrorIs(t, files.close(), broken)
	})
}
