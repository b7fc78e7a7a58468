package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
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
	require.NoError(t, config{rows: 1, producers: 1, oneByOne: time.Second}.check(nil))
	err := config{rows: 0, producers: -1, oneByOne: time.Nanosecond}.check([]string{"x"})
	for _, want := range []string{
		"-rows is 0: allowed are 1 and more", "-producers is -1: allowed are 1 to 10000",
		"-one-by-one is 1ns: allowed are 10ms and more", `["x"]: there are no arguments`,
	} {
		assert.ErrorContains(t, err, want)
	}
}

// nobody is a DSN of a port that nobody listens at.
const nobody = "postgres://postgres:secret@127.0.0.1:1/postgres?connect_timeout=5"

func TestServerThatIsNotThere(t *testing.T) {
	err := run(t.Context(), config{dsn: "not a dsn at all", rows: 1, producers: 1, oneByOne: time.Second}, nil)
	assert.ErrorContains(t, err, "POSTGRES_DSN")
	err = run(t.Context(), config{dsn: nobody, rows: 1, producers: 1, oneByOne: time.Second}, nil)
	assert.ErrorContains(t, err, "POSTGRES_DSN: failed to connect")
	assert.ErrorContains(t, err, "start that server, or name another one")
	assert.NotContains(t, err.Error(), "secret")
}

// A buffer waits for its destination without end, unless it is told not to.
func TestServerThatGoesAwayEndsBothParts(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), nobody)
	require.NoError(t, err)
	defer pool.Close()
	cfg := config{rows: 100_000, producers: 4, oneByOne: time.Minute}
	for name, part := range map[string]func(context.Context, config, database) (result, error){"one by one": oneByOne, "buffered": buffered} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := part(ctx, cfg, database{pool, "events"})
			require.ErrorContains(t, err, "failed to connect")
			assert.Equal(t, 1, strings.Count(err.Error(), "failed to connect"), "told once, and not by each goroutine")
		})
	}
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
