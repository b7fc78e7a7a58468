package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGeneratedLinesAreValid(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, generate(t.Context(), settings{generate: 20_000, groups: 5, seed: 7}, &text))
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	require.Len(t, lines, 20_000)
	groups := map[int64]int{}
	for i, line := range lines {
		var r record
		require.Equal(t, accepted, r.parse([]byte(line), 200), line)
		require.EqualValues(t, i+1, r.id.n)
		groups[r.group.n]++
	}
	require.Len(t, groups, 5)
	for group := range int64(5) {
		require.InDelta(t, 4000, groups[group+1], 400)
	}
}

func TestSeedsRepeat(t *testing.T) {
	of := func(seed uint64) string {
		var text bytes.Buffer
		require.NoError(t, generate(t.Context(), settings{generate: 100, groups: 3, seed: seed}, &text))
		return text.String()
	}
	require.Equal(t, of(1), of(1))
	require.NotEqual(t, of(1), of(2))
}

func TestGenerateFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	for range 2 { // the second time in place of the first
		var stdout bytes.Buffer
		require.NoError(t, generateFile(t.Context(), settings{in: folder, generate: 1000, groups: 3, seed: 4}, &stdout))
		files := readFiles(t, folder)
		require.Len(t, files, 1)
		require.Equal(t, 1000, strings.Count(files["generated-4.log"], "\n"))
		require.Contains(t, stdout.String(), "wrote 1000 lines")
		require.Contains(t, stdout.String(), filepath.Join(folder, "generated-4.log"))
	}
}

func TestGenerateLeavesNothingWhenItFails(t *testing.T) {
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		folder := t.TempDir()
		err := generateFile(ctx, settings{in: folder, generate: 1_000_000, groups: 3}, os.Stdout)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, readFiles(t, folder))
	})
	t.Run("a write fails", func(t *testing.T) {
		full := errors.New("no space left on device")
		folder := t.TempDir()
		_, err := writeWhole(folder, filepath.Join(folder, "a.log"), func(io.Writer) error { return full })
		require.ErrorIs(t, err, full)
		require.Empty(t, readFiles(t, folder))
	})
	t.Run("no folder", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		writeFiles(t, filepath.Dir(file), map[string]string{"file": ""})
		require.ErrorContains(t, generateFile(t.Context(), settings{in: file, generate: 1, groups: 3}, os.Stdout), "generating "+file)
	})
}
