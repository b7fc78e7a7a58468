package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProfilesAreWrittenAlsoWhenTheRunFails(t *testing.T) {
	broken := errors.New("broken")
	folder := t.TempDir()
	set := settings{
		cpuProfile: filepath.Join(folder, "cpu"), memProfile: filepath.Join(folder, "mem"), trace: filepath.Join(folder, "trace"),
	}
	require.ErrorIs(t, profiled(set, func() error { return broken }), broken)
	files := readFiles(t, folder)
	require.Len(t, files, 3)
	const gzip = "\x1f\x8b"
	require.Equal(t, gzip, files["cpu"][:2])
	require.Equal(t, gzip, files["mem"][:2])
	require.Contains(t, files["trace"][:16], "go 1.")
}

func TestNoProfileUnlessAskedFor(t *testing.T) {
	ran := false
	require.NoError(t, profiled(settings{}, func() error { ran = true; return nil }))
	require.True(t, ran)
}

func TestProfileThatCannotBeWritten(t *testing.T) {
	for _, c := range []struct {
		flag string
		set  settings
	}{
		{"-cpu-profile", settings{cpuProfile: "missing/cpu"}},
		{"-mem-profile", settings{memProfile: "missing/mem"}},
		{"-trace", settings{trace: "missing/trace"}},
	} {
		err := profiled(c.set, func() error { t.Error("the run was begun"); return nil })
		require.ErrorContains(t, err, c.flag)
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}
