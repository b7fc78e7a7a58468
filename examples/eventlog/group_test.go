package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// committed are the input files that belong to the repository. The folder may
// hold generated ones as well.
var committed = []string{"app.log", "broken.log", "shop-crlf.log"}

// groupInto runs group over a folder of input files, with a new output folder.
func groupInto(t *testing.T, in string, workers int) (map[string]string, *counts) {
	t.Helper()
	set := settings{in: in, out: t.TempDir(), workers: workers, maxLine: 64 << 10}
	var done counts
	require.NoError(t, group(t.Context(), set, &done))
	return readFiles(t, set.out), &done
}

// requireCounts requires that the counts are what is in the output, and that no
// line is missing.
func requireCounts(t *testing.T, done *counts, files map[string]string) {
	t.Helper()
	var valid, rejected, groups, bytes int64
	for name, content := range files {
		bytes += int64(len(content))
		if name == rejectedName {
			rejected += int64(strings.Count(content, "\n"))
			continue
		}
		groups++
		valid += int64(strings.Count(content, "\n"))
	}
	require.Equal(t, done.valid(), valid)
	require.Equal(t, done.rejected(), rejected)
	require.Equal(t, done.lines.Load(), valid+rejected)
	require.Equal(t, done.groups.Load(), groups)
	require.Equal(t, done.bytesFlushed.Load(), bytes)
	require.Zero(t, done.held())
}

func TestCommittedInput(t *testing.T) {
	in := t.TempDir()
	for _, name := range committed {
		content, err := os.ReadFile(filepath.Join("testdata/input", name))
		require.NoError(t, err)
		writeFiles(t, in, map[string]string{name: string(content)})
	}
	for _, workers := range []int{1, 4} {
		files, done := groupInto(t, in, workers)
		requireCounts(t, done, files)
		require.EqualValues(t, 196, done.lines.Load())
		require.EqualValues(t, len(committed), done.files.Load())
		for why := range reasons {
			require.NotZero(t, done.byReason[why].Load(), "the input has no line that is %s", why)
		}
		// Between files there is no order.
		for name, content := range files {
			files[name] = sortedLines(content)
		}
		if *update {
			writeFiles(t, "testdata/golden", files)
		}
		require.Equal(t, readFiles(t, "testdata/golden"), files)
	}
}

func sortedLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// writeLog writes an input file of n lines that tell where they come from: log
// is the file, id the line. Every 50th line is bad.
func writeLog(t *testing.T, folder, name string, n, groups int) {
	t.Helper()
	var text strings.Builder
	for i := 1; i <= n; i++ {
		if i%50 == 0 {
			fmt.Fprintf(&text, "%d is bad\n", i)
			continue
		}
		fmt.Fprintf(&text, "%d|%s|event|user|%d|%d|1587583122\n", i, name, i*7, i*31%groups)
	}
	writeFiles(t, folder, map[string]string{name: text.String()})
}

// origin tells the input file and the line number of a line of any output file,
// where the input is writeLog's.
func origin(t *testing.T, line string) (file string, number int) {
	t.Helper()
	fileKey, numberKey := `"log":"`, `"id":`
	if strings.HasPrefix(line, `{"file":`) {
		fileKey, numberKey = `"file":"`, `"line":`
	}
	after := func(key, end string) string {
		_, rest, _ := strings.Cut(line, key)
		value, _, found := strings.Cut(rest, end)
		require.True(t, found, line)
		return value
	}
	number, err := strconv.Atoi(after(numberKey, ","))
	require.NoError(t, err, line)
	return after(fileKey, `"`), number
}

// requireOrder requires that the lines of every input file are in order within
// every output file.
func requireOrder(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		last := map[string]int{}
		for line := range strings.Lines(content) {
			file, number := origin(t, line)
			if number <= last[file] {
				t.Fatalf("%s has line %d of %s after line %d", name, number, file, last[file])
			}
			last[file] = number
		}
	}
}

func TestOrderIsKeptWithAnyNumberOfWorkers(t *testing.T) {
	in := t.TempDir()
	for i := range 4 {
		writeLog(t, in, fmt.Sprintf("%d.log", i), 10_000, 5)
	}
	for _, workers := range []int{1, 3, 100} {
		files, done := groupInto(t, in, workers)
		require.Len(t, files, 6)
		require.EqualValues(t, 40_000, done.lines.Load())
		require.EqualValues(t, 800, done.rejected())
		requireCounts(t, done, files)
		requireOrder(t, files)
	}
}

func TestMoreGroupsThanOpenFiles(t *testing.T) {
	const groups = 2 * maxOpenOutputs
	in := t.TempDir()
	writeLog(t, in, "a.log", 6000, groups)
	files, done := groupInto(t, in, 3)
	require.Len(t, files, groups+1)
	requireCounts(t, done, files)
	requireOrder(t, files)
}

func TestMoreFilesThanReaders(t *testing.T) {
	in := t.TempDir()
	for i := range 5 * maxOpenInputs {
		writeLog(t, in, fmt.Sprintf("%d.log", i), 100, 3)
	}
	writeFiles(t, in, map[string]string{"empty.log": "", "notes.txt": "not a log"})
	require.NoError(t, os.Mkdir(filepath.Join(in, "folder.log"), 0o777))
	files, done := groupInto(t, in, 2)
	require.EqualValues(t, 5*maxOpenInputs+1, done.files.Load())
	require.EqualValues(t, 100*5*maxOpenInputs, done.lines.Load())
	requireCounts(t, done, files)
	requireOrder(t, files)
}

func TestOverLongLineIsRejectedWithItsNumber(t *testing.T) {
	in := t.TempDir()
	writeFiles(t, in, map[string]string{
		"a.log": "1|a|b|c|2|3|4\n" + strings.Repeat("x", 3<<20) + "\n2|a|b|c|2|3|4\nbad",
	})
	files, done := groupInto(t, in, 2)
	requireCounts(t, done, files)
	require.EqualValues(t, 2, done.valid())
	require.EqualValues(t, 1, done.byReason[overLong].Load())
	require.Contains(t, files[rejectedName], `"line":2,"reason":"over-long","text":"xxx`)
	require.Contains(t, files[rejectedName], `"line":4,"reason":"wrong field count","text":"bad"`)
}
