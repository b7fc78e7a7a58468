package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSettings(t *testing.T) {
	set, err := parseSettings(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, settings{events: 1000, perSecond: 8}, set)

	set, err = parseSettings([]string{"-url", "http://localhost:8080", "-events", "5", "-rate", "0.5"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, settings{url: "http://localhost:8080", events: 5, perSecond: 0.5}, set)
}

func TestBadSettings(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"-url", "example.com/events"}, []string{`-url is "example.com/events"`, "such as https://"}},
		{[]string{"-url", "localhost:8080"}, []string{`-url is "localhost:8080"`}},
		{[]string{"-url", "ftp://example.com"}, []string{`-url is "ftp://example.com"`}},
		{[]string{"-url", "https://"}, []string{`-url is "https://"`}},
		{[]string{"-url", "http://a b/"}, []string{`-url is "http://a b/"`}},
		{[]string{"-events", "0"}, []string{"-events is 0: allowed are 1 to 1000000000"}},
		{[]string{"-events", "-4"}, []string{"-events is -4"}},
		{[]string{"-events", "many"}, []string{`invalid value "many" for flag -events`}},
		{[]string{"-rate", "0"}, []string{"-rate is 0: allowed are 0.1 to 1000000 calls per second"}},
		{[]string{"-rate", "-1"}, []string{"-rate is -1"}},
		{[]string{"-rate", "NaN"}, []string{"-rate is NaN"}},
		{[]string{"-rate", "Inf"}, []string{"-rate is +Inf"}},
		{[]string{"-nonsense"}, []string{"not defined: -nonsense"}},
		{[]string{"-rate", "0", "-events", "0", "x"}, []string{"-rate is 0", "-events is 0", `["x"]: there are no arguments`}},
	} {
		var usage bytes.Buffer
		_, err := parseSettings(c.args, &usage)
		for _, want := range c.want {
			require.ErrorContains(t, err, want)
		}
		assert.Empty(t, usage.String(), "the usage would bury the error")
	}
}

func TestHelp(t *testing.T) {
	var usage bytes.Buffer
	_, err := parseSettings([]string{"-help"}, &usage)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{"-url", "-events", "-rate"} {
		assert.Contains(t, usage.String(), name)
	}
}

// asProgram makes the test binary behave as the program itself.
const asProgram = "WEBHOOK_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestExitCodeOfWrongFlags(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-rate", "0")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	printed, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 2, exit.ExitCode())
	assert.Contains(t, string(printed), "webhook: -rate is 0")
}

// The API is one that nobody listens for: what is buffered would be tried for a
// minute after the first Ctrl-C.
func TestSecondCtrlCEndsTheProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent an interrupt on Windows")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-url", "http://127.0.0.1:1/events")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	requirePrinted(t, stdout, "attempt 1 to send 100 events: ")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	requirePrinted(t, stderr, "interrupted: ")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.ErrorContains(t, cmd.Wait(), "signal: interrupt")
}

// requirePrinted reads on until the text has come.
func requirePrinted(t *testing.T, from io.Reader, text string) {
	t.Helper()
	var printed []byte
	for buf := make([]byte, 1000); !bytes.Contains(printed, []byte(text)); {
		n, err := from.Read(buf)
		printed = append(printed, buf[:n]...)
		require.NoError(t, err, "after %q", printed)
	}
}
