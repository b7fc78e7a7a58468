package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBothParts(t *testing.T) {
	dsn := os.Getenv("POSTGRES_DSN")
	if dsn == "" {
		t.Skip("POSTGRES_DSN is not set: there is no PostgreSQL to try it on")
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), config{dsn: dsn, rows: 30_000, producers: 4, oneByOne: 100 * time.Millisecond}, &out))
	assert.Regexp(t, `one by one: +\d+ rows/s`, out.String())
	assert.Regexp(t, `buffered: +\d+ rows/s \(30000 rows in .*, in \d+ calls of COPY\)`, out.String())
	assert.Regexp(t, `all \d+ rows are stored`, out.String())
}

func TestSettings(t *testing.T) {
	err := run(t.Context(), config{dsn: "postgres://", rows: 0, producers: 1, oneByOne: time.Second}, nil)
	assert.ErrorContains(t, err, "-rows 0")
	err = run(t.Context(), config{dsn: "not a dsn at all", rows: 1, producers: 1, oneByOne: time.Second}, nil)
	assert.ErrorContains(t, err, "POSTGRES_DSN")
}

// TestWithoutPostgreSQL is the program with no POSTGRES_DSN: it says how to get
// one.
func TestWithoutPostgreSQL(t *testing.T) {
	program := filepath.Join(t.TempDir(), "postgres")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", built)
	command := exec.CommandContext(t.Context(), program)
	command.Env = append(os.Environ(), "POSTGRES_DSN=")
	printed, err := command.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 2, exit.ExitCode())
	assert.Contains(t, string(printed), "POSTGRES_DSN is not set")
	assert.Contains(t, string(printed), "docker run")
}
