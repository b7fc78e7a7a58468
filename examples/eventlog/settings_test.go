package main

import (
	"bytes"
	"flag"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultSettings(t *testing.T) {
	set, err := parseSettings(nil, io.Discard)
	require.NoError(t, err)
	require.Equal(t, settings{
		in: "examples/eventlog/testdata/input", out: "examples/eventlog/out",
		workers: 1, maxLine: 65536, groups: 3, seed: 1,
	}, set)
}

func TestEverySettingHasAFlag(t *testing.T) {
	set, err := parseSettings([]string{
		"-in", "i", "-out", "o", "-worker-number", "4", "-max-line=100", "-cpu-profile", "c", "-mem-profile", "m", "-trace", "t",
	}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, settings{
		in: "i", out: "o", workers: 4, maxLine: 100, groups: 3, seed: 1, cpuProfile: "c", memProfile: "m", trace: "t",
	}, set)

	set, err = parseSettings([]string{"-in", "i", "-generate", "500000", "-groups", "5", "-seed", "9"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, settings{
		in: "i", out: "examples/eventlog/out", workers: 1, maxLine: 65536, generate: 500_000, groups: 5, seed: 9,
	}, set)
}

func TestBadSettings(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"-worker-number", "0"}, []string{"-worker-number is 0: allowed are 1 to 1000"}},
		{[]string{"-worker-number", "1001"}, []string{"-worker-number is 1001: allowed are 1 to 1000"}},
		{[]string{"-worker-number", "many"}, []string{`invalid value "many" for flag -worker-number`, "a whole number"}},
		{[]string{"-max-line", "64k"}, []string{`invalid value "64k" for flag -max-line`, "a whole number, in digits"}},
		{[]string{"-generate", "5", "-out", "o"}, []string{"-out does nothing with -generate, which writes into -in"}},
		{[]string{"-generate", "5", "-worker-number", "4"}, []string{"-worker-number does nothing with -generate"}},
		{[]string{"-cpu-profile", "p", "-trace", "./p"}, []string{`-cpu-profile and -trace are both "./p"`}},
		{[]string{"-max-line", "63"}, []string{"-max-line is 63: allowed are 64 to 262144 bytes"}},
		{[]string{"-max-line", "262145"}, []string{"-max-line is 262145"}},
		{[]string{"-generate", "0"}, []string{"-generate is 0: allowed are 1 to 1000000000 lines"}},
		{[]string{"-generate", "-1"}, []string{"-generate is -1"}},
		{[]string{"-generate", "1", "-groups", "0"}, []string{"-groups is 0: allowed are 1 and more"}},
		{[]string{"-groups", "2"}, []string{"-groups does nothing without -generate"}},
		{[]string{"-in", ""}, []string{`-in is ""`}},
		{[]string{"-nonsense"}, []string{"flag provided but not defined: -nonsense"}},
		{
			[]string{"-worker-number", "0", "-max-line", "0", "-out", "", "-seed", "7", "a.log", "b.log"},
			[]string{"-worker-number is 0", "-max-line is 0", `-out is ""`, "-seed does nothing", `["a.log" "b.log"]: there are no arguments`},
		},
	} {
		var usage bytes.Buffer
		_, err := parseSettings(c.args, &usage)
		for _, want := range c.want {
			require.ErrorContains(t, err, want)
		}
		require.Empty(t, usage.String(), "the usage would bury the error")
	}
}

func TestHelp(t *testing.T) {
	var usage bytes.Buffer
	_, err := parseSettings([]string{"-help"}, &usage)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{"-in", "-out", "-worker-number", "-generate", "-trace"} {
		require.Contains(t, usage.String(), name)
	}
}
