package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asProgram makes the test binary behave as the program itself.
const asProgram = "EVENTLOG_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program returns the program as a command of its own.
func program(t *testing.T, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

func TestCommand(t *testing.T) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // on stdout, or on stderr where it fails
	}{
		{"help", []string{"-help"}, exitOK, "-worker-number"},
		{"a wrong flag", []string{"-worker-number", "0"}, exitUsage, "-worker-number is 0"},
		{"nothing to read yet", []string{"-in", in, "-out", out}, exitFailed, "has no *.log file"},
		{"generating", []string{"-in", in, "-generate", "3000"}, exitOK, "wrote 3000 lines"},
		{"grouping", []string{"-in", in, "-out", out, "-worker-number", "4"}, exitOK, "valid                             3000\n"},
		{"a bad output folder", []string{"-in", in, "-out", os.DevNull}, exitFailed, "preparing the output folder"},
		{"a bad profile", []string{"-in", in, "-out", out, "-trace", "missing/trace"}, exitFailed, "-trace"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
			require.NoError(t, err)
			defer stderr.Close()
			var stdout bytes.Buffer
			require.Equal(t, c.code, command(t.Context(), c.args, &stdout, stderr))
			told, err := os.ReadFile(stderr.Name())
			require.NoError(t, err)
			if c.code == exitOK {
				require.Contains(t, stdout.String(), c.want)
				require.Empty(t, string(told))
				return
			}
			require.Contains(t, string(told), "eventlog: ")
			require.Contains(t, string(told), c.want)
			require.Empty(t, stdout.String())
		})
	}
	require.Contains(t, readFiles(t, out), "group-3.ndjson")
}

func TestCtrlC(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent an interrupt on Windows")
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			in, out := t.TempDir(), t.TempDir()
			writeEndlessLog(t, in, 2000, 3)
			cpu := filepath.Join(t.TempDir(), "cpu")
			cmd, stdout, stderr := program(t, "-in", in, "-out", out, "-cpu-profile", cpu)
			require.NoError(t, cmd.Start())
			require.Eventually(t, func() bool { // the folder is prepared after the signals are
				_, err := os.Stat(filepath.Join(out, rejectedName+partialSuffix))
				return err == nil
			}, 10*time.Second, time.Millisecond)
			require.NoError(t, cmd.Process.Signal(signal))
			require.Error(t, cmd.Wait())

			require.Equal(t, exitInterrupted, cmd.ProcessState.ExitCode(), stderr.String())
			require.Contains(t, stderr.String(), "eventlog: stopped reading: "+signal.String()+" signal received")
			require.NotContains(t, stderr.String(), "\r", "progress, where there is no terminal")
			files := readFiles(t, out)
			for name := range files {
				require.True(t, strings.HasSuffix(name, partialSuffix), name)
			}
			requireOrder(t, files)
			requireNoGap(t, files)
			if len(files) > 1 {
				require.Contains(t, stdout.String(), "lines per second")
			}
			profile, err := os.ReadFile(cpu)
			require.NoError(t, err)
			require.NotEmpty(t, profile, "the profile is written also then")
		})
	}
}

func TestTooFewOpenFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no ulimit on Windows")
	}
	in := t.TempDir()
	writeLog(t, in, "a.log", 3000, 1000)
	run := func(limit int) string {
		cmd, _, stderr := program(t, "-in", in, "-out", t.TempDir())
		shell := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(limit)}, cmd.Args...)...)
		shell.Env, shell.Stderr = cmd.Env, stderr
		_ = shell.Run()
		return stderr.String()
	}
	require.Contains(t, run(40), "too many open files: let this process have 320, with ulimit -n")
	require.Empty(t, run(maxOpenFiles), "the advice is good")
}

func TestInterruptedGenerate(t *testing.T) {
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := t.TempDir()
	require.Equal(t, exitInterrupted, command(ctx, []string{"-in", in, "-generate", "1000000"}, io.Discard, stderr))
	require.Empty(t, readFiles(t, in))
}
