package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// writeFiles writes files of the given content into a folder.
func writeFiles(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o666))
	}
}

// readFiles returns the content of all files in a folder, by their name.
func readFiles(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	files := map[string]string{}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		require.NoError(t, err)
		files[entry.Name()] = string(content)
	}
	return files
}

func TestOnlyOwnNamesAreOutput(t *testing.T) {
	for _, group := range []int64{rejectedGroup, 0, 1, 20417, math.MaxInt64} {
		require.True(t, isOutput(fileName(group)), fileName(group))
	}
	for _, name := range []string{
		"", "group-", "group-.ndjson", "group-01.ndjson", "group--1.ndjson", "group-+1.ndjson", "group-1", "group-a.ndjson",
		"group-1.ndjson.partial", "group-1.ndjson.bak", "my-group-1.ndjson", "group-9223372036854775808.ndjson",
		"Rejected.ndjson", "rejected.ndjson.old", "rejected", "1.ndjson",
	} {
		require.False(t, isOutput(name), name)
	}
}

func TestOutputReplacesAllOfTheRunBefore(t *testing.T) {
	folder := t.TempDir()
	writeFiles(t, folder, map[string]string{
		"group-1.ndjson": "old", "group-2.ndjson": "old", "rejected.ndjson": "old",
		"group-3.ndjson.partial": "of a run cut short", "notes.txt": "mine", "group-x.ndjson.partial": "mine",
	})
	out, err := openOutput(folder)
	require.NoError(t, err)
	require.NotContains(t, readFiles(t, folder), "group-3.ndjson.partial")

	file, size, err := out.openGroup(1)
	require.NoError(t, err)
	require.Zero(t, size)
	_, err = file.Write([]byte("new"))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Equal(t, map[string]string{
		"group-1.ndjson": "old", "group-2.ndjson": "old", "rejected.ndjson": "old",
		"group-1.ndjson.partial": "new", "rejected.ndjson.partial": "",
		"notes.txt": "mine", "group-x.ndjson.partial": "mine",
	}, readFiles(t, folder))

	require.NoError(t, out.publish(3))
	require.Equal(t, map[string]string{
		"group-1.ndjson": "new", "rejected.ndjson": "",
		"notes.txt": "mine", "group-x.ndjson.partial": "mine",
	}, readFiles(t, folder))
}

func TestOpenGroupAppends(t *testing.T) {
	out, err := openOutput(filepath.Join(t.TempDir(), "a", "b"))
	require.NoError(t, err)
	for i := range 3 {
		file, size, err := out.openGroup(7)
		require.NoError(t, err)
		require.EqualValues(t, i, size)
		_, err = file.Write([]byte("xyz"))
		require.NoError(t, err)
		require.NoError(t, file.Truncate(int64(i)+1))
		require.NoError(t, file.Close())
	}
	require.NoError(t, out.publish(3))
	require.Equal(t, map[string]string{"group-7.ndjson": "xxx", "rejected.ndjson": ""}, readFiles(t, out.folder))
}

func TestWhatSomethingElseHasChangedIsNotPublished(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"removed":   os.Remove,
		"cut":       func(path string) error { return os.Truncate(path, 2) },
		"prolonged": func(path string) error { return os.Truncate(path, 4) },
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			writeFiles(t, folder, map[string]string{"group-1.ndjson": "old", "rejected.ndjson": ""})
			out, err := openOutput(folder)
			require.NoError(t, err)
			defer out.close()
			writeFiles(t, folder, map[string]string{"group-1.ndjson.partial": "new", "group-2.ndjson.partial": "new"})
			require.NoError(t, change(filepath.Join(folder, "group-2.ndjson.partial")))
			require.ErrorContains(t, out.publish(6), "6 bytes were written to "+folder)
			require.Equal(t, "old", readFiles(t, folder)["group-1.ndjson"])
		})
	}
}

func TestPublishManyFiles(t *testing.T) {
	out, err := openOutput(t.TempDir())
	require.NoError(t, err)
	const n = 500 // more than are listed at a time
	for group := range int64(n) {
		writeFiles(t, out.folder, map[string]string{fileName(group) + partialSuffix: "", fileName(n + group): "stale"})
	}
	require.NoError(t, out.publish(0))
	files := readFiles(t, out.folder)
	require.Len(t, files, n+1)
	for group := range int64(n) {
		require.Contains(t, files, fileName(group))
	}
}

func TestOutputFolderThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	for _, folder := range []string{file, filepath.Join(file, "below")} {
		_, err := openOutput(folder)
		require.ErrorContains(t, err, "preparing the output folder")
		require.ErrorContains(t, err, "-out")
	}
	_, _, err := output{folder: file}.openGroup(1)
	require.Error(t, err)
	require.ErrorContains(t, output{folder: file}.publish(0), "final names")

	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "group-1.ndjson", "full"), 0o777))
	writeFiles(t, folder, map[string]string{"group-1.ndjson.partial": "x"})
	require.ErrorContains(t, output{folder: folder}.publish(1), "group-1.ndjson", "a folder is in the way")
}

// Found out only by publish, it would leave half of the output replaced; and an
// empty folder would be removed, although it is somebody else's.
func TestAFolderInTheWayIsFoundOutBeforeTheRun(t *testing.T) {
	for _, name := range []string{"group-1.ndjson", "group-7.ndjson.partial", rejectedName} {
		in, folder := t.TempDir(), t.TempDir()
		writeLog(t, in, "a.log", 10, 3)
		writeFiles(t, folder, map[string]string{"group-2.ndjson": "old"})
		require.NoError(t, os.Mkdir(filepath.Join(folder, name), 0o777))
		var done counts
		err := group(t.Context(), settings{in: in, out: folder, workers: 1, maxLine: 100}, &done)
		require.ErrorContains(t, err, filepath.Join(folder, name)+" is a folder")
		require.DirExists(t, filepath.Join(folder, name))
		require.NoError(t, os.Remove(filepath.Join(folder, name)))
		require.Equal(t, map[string]string{"group-2.ndjson": "old"}, readFiles(t, folder))
	}
}

func TestTwoRunsAtOnceNeedTwoFolders(t *testing.T) {
	in, folder := t.TempDir(), t.TempDir()
	writeLog(t, in, "a.log", 100, 2)
	set := settings{in: in, out: folder, workers: 1, maxLine: 100}
	first, err := openOutput(folder)
	require.NoError(t, err)
	other, err := os.Open(folder)
	require.NoError(t, err)
	defer other.Close()
	if lock(other) == nil && runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("this system cannot lock a folder")
	}
	file, _, err := first.openGroup(1)
	require.NoError(t, err)
	_, err = file.Write([]byte("first"))
	require.NoError(t, err)
	require.NoError(t, file.Close())

	var done counts
	err = group(t.Context(), set, &done)
	require.ErrorIs(t, err, errInUse)
	require.ErrorContains(t, err, folder)
	require.ErrorContains(t, err, "-out")
	require.Zero(t, done.lines.Load())
	require.NoError(t, first.publish(5))
	first.close()
	require.Equal(t, map[string]string{"group-1.ndjson": "first", "rejected.ndjson": ""}, readFiles(t, folder))

	for range 2 { // a run leaves the folder to the next one
		var done counts
		require.NoError(t, group(t.Context(), set, &done))
	}
	require.Len(t, readFiles(t, folder), 3)
}
