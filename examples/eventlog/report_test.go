package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func someCounts() *counts {
	var done counts
	done.inputs.Store(4)
	done.files.Store(3)
	done.lines.Store(200)
	done.byReason[accepted].Store(180)
	done.byReason[overLong].Store(12)
	done.byReason[timeOutOfRange].Store(8)
	done.flushed.Store(150)
	done.groups.Store(5)
	done.bytesRead.Store(8000)
	done.bytesFlushed.Store(19000)
	return &done
}

func TestTable(t *testing.T) {
	require.Equal(t, `
files                                3
lines                              200
valid                              180
rejected                            20
  over-long                         12
  time out of range                  8
groups                               5
bytes read                        8000
bytes written                    19000
seconds                          0.500
lines per second                   400
`, "\n"+table(someCounts(), 500*time.Millisecond))
}

func TestProgressIsDrawnOnOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := someCounts()
		done.lines.Store(0)
		done.flushed.Store(0)
		var screen bytes.Buffer
		end := make(chan struct{})
		go drawProgress(&screen, done, end)

		time.Sleep(progressEvery)
		synctest.Wait()
		require.Equal(t, "\rfiles 3/4  lines 0  0 lines/s  held 0  flushed 0", screen.String())
		screen.Reset()

		done.lines.Store(2000)
		done.flushed.Store(1500)
		time.Sleep(progressEvery)
		synctest.Wait()
		require.Equal(t, "\rfiles 3/4  lines 2000  10000 lines/s  held 500  flushed 1500", screen.String())
		screen.Reset()

		close(end)
		synctest.Wait()
		width := len("files 3/4  lines 2000  10000 lines/s  held 500  flushed 1500")
		require.Equal(t, "\r"+strings.Repeat(" ", width)+"\r", screen.String(), "the line is cleared")
	})
}

func TestProgressCoversALongerLineBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := someCounts()
		var screen bytes.Buffer
		end := make(chan struct{})
		go drawProgress(&screen, done, end)
		time.Sleep(2 * progressEvery)
		synctest.Wait()
		lines := strings.Split(screen.String(), "\r")
		require.Len(t, lines, 3)
		require.Greater(t, len(strings.TrimRight(lines[1], " ")), len(strings.TrimRight(lines[2], " ")), "1000 lines/s, then 0")
		require.Len(t, lines[2], len(lines[1]))
		close(end)
	})
}

func TestProgressFitsOnASmallTerminal(t *testing.T) {
	done := someCounts()
	done.inputs.Store(10_000)
	done.lines.Store(1_000_000_000_000)
	line := progressLine(done, 12_000_000)
	require.Len(t, line, progressColumns)
	require.True(t, strings.HasPrefix(line, "files 3/10000  lines 1000000000000  12000000 lines/s  held "), line)
}

func TestNoProgressOnAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stderr")
	file, err := os.Create(path)
	require.NoError(t, err)
	showProgress(file, someCounts())()
	require.NoError(t, file.Close())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, content)
}
