package settings

import (
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func env(pairs map[string]string) Lookup {
	return func(name string) (string, bool) {
		value, ok := pairs[name]
		return value, ok
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestTheDefaultsAreAllowed(t *testing.T) {
	s, err := Parse(nil, env(nil))
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8080", s.Listen)
	assert.Equal(t, SQLite, s.Store)
	assert.Equal(t, Bytes(8<<20), s.MaxBody)
	level, err := s.Level()
	require.NoError(t, err)
	assert.Equal(t, slog.LevelInfo, level)
	assert.Nil(t, s.Brokers())
}

func TestAFlagComesBeforeAVariableAndThatBeforeTheFile(t *testing.T) {
	file := write(t, "# ours\n\nbatch = 1\nin-flight=2\n partitions = 3 \npatience = 4s\nkafka = a:1, b:2 ,\n")
	vars := env(map[string]string{"FUNNEL_CONFIG": file, "FUNNEL_BATCH": "10", "FUNNEL_IN_FLIGHT": "20", "FUNNEL_DEMO": "true", "FUNNEL_MAX_BODY": "3KiB"})
	s, err := Parse([]string{"-batch", "100"}, vars)
	require.NoError(t, err)
	assert.Equal(t, []int{100, 20, 3}, []int{s.Batch, s.InFlight, s.Partitions})
	assert.Equal(t, 4*time.Second, s.Patience)
	assert.True(t, s.Demo)
	assert.Equal(t, Bytes(3072), s.MaxBody)
	assert.Equal(t, []string{"a:1", "b:2"}, s.Brokers())
}

func TestWithKafkaSQLiteKeepsWhatItHasStored(t *testing.T) {
	for args, want := range map[string]string{
		"":                                   "NORMAL",
		"-kafka embedded":                    "NORMAL",
		"-kafka a:1,b:2":                     "FULL",
		"-kafka a:1 -sqlite-sync NORMAL":     "NORMAL",
		"-kafka embedded -sqlite-sync FULL":  "FULL",
		"-kafka a:1 -store mongo -mongo m:1": "FULL", // which means nothing
	} {
		s, err := Parse(strings.Fields(args), env(nil))
		require.NoError(t, err)
		assert.Equal(t, want, s.SQLiteSync, args)
	}
	s, err := Parse([]string{"-kafka", "a:1"}, env(map[string]string{"FUNNEL_SQLITE_SYNC": "NORMAL"}))
	require.NoError(t, err)
	assert.Equal(t, "NORMAL", s.SQLiteSync)
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	file := write(t, "batch = x\nno line\nnot-there = 1\nconfig = y\nbatch = 2\n")
	_, err := Parse([]string{"-config", file}, env(map[string]string{"FUNNEL_PATIENCE": "soon"}))
	for _, text := range []string{
		`FUNNEL_PATIENCE is "soon"`, `:1: batch is "x"`, `:2: not of the form`, `:3: there is no setting "not-there"`,
		`:4: there is no setting "config"`, `:5: batch was set above`,
	} {
		assert.ErrorContains(t, err, text)
	}

	_, err = Parse(strings.Fields(`-listen nowhere -pprof 0.0.0.0:1 -store files -sqlite-sync OFF -batch 0 -max-body 0 -patience 0s
		-unready-delay 1h -log-level loud -log-format xml -token short`), env(nil))
	for _, text := range []string{
		`-listen is "nowhere"`, `-pprof is "0.0.0.0:1"`, `-store is "files"`, `-sqlite-sync is "OFF"`, "-batch is 0", "-max-body is 0", "-patience is 0s",
		"-unready-delay is 1h0m0s", `-log-level is "loud"`, `-log-format is "xml"`, "the token has 5 characters",
	} {
		assert.ErrorContains(t, err, text)
	}
	assert.NotContains(t, err.Error(), "short")

	for args, text := range map[string]string{
		"-store postgres":       "needs -postgres",
		"-store mongo":          "needs -mongo",
		"-config /not/there":    "the settings' file",
		"-token-file /not/here": "-token-file",
		"extra":                 `["extra"]`,
		"-unknown":              "-unknown",
		"-max-body 1TiB":        "sizes like",
		"-kafka-topic=":         "-kafka-topic",
	} {
		_, err := Parse(strings.Fields(args), env(nil))
		assert.ErrorContains(t, err, text, args)
	}
	_, err = Parse([]string{"-help"}, env(nil))
	assert.ErrorIs(t, err, flag.ErrHelp)
}

func TestBeyondLoopbackATokenIsRequired(t *testing.T) {
	const token = "0123456789abcdef"
	for _, address := range []string{":8080", "0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "example.com:80", "127.0.0.1.example.com:80"} {
		_, err := Parse([]string{"-listen", address}, env(nil))
		assert.ErrorContains(t, err, "needs a -token", address)
		_, err = Parse([]string{"-listen", address, "-token", token}, env(nil))
		assert.NoError(t, err, address)
	}
	for _, address := range []string{"127.0.0.1:0", "127.8.9.1:80", "[::1]:80", "localhost:80", "[::ffff:127.0.0.1]:80"} {
		_, err := Parse([]string{"-listen", address}, env(nil))
		assert.NoError(t, err, address)
	}
	s, err := Parse([]string{"-listen", ":80", "-token-file", write(t, token+"\n")}, env(nil))
	require.NoError(t, err)
	assert.Equal(t, token, s.Token)
	_, err = Parse([]string{"-token", token, "-token-file", "x"}, env(nil))
	assert.ErrorContains(t, err, "one of them")
	_, err = Parse([]string{"-token-file", write(t, "\n")}, env(nil))
	assert.ErrorContains(t, err, "no token")
	_, err = Parse([]string{"-token", "0123456789 abcdef"}, env(nil))
	assert.ErrorContains(t, err, "space")
}

func TestSizesAreReadBackAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "500": 500, "64KiB": 64 << 10, "8MiB": 8 << 20, "1GiB": 1 << 30} {
		var b Bytes
		require.NoError(t, b.Set(text))
		assert.Equal(t, want, b)
		assert.Equal(t, text, b.String())
	}
	for _, text := range []string{"", "x", "-1", "1.5MiB", "1kb", "9223372036854775807GiB"} {
		var b Bytes
		assert.Error(t, b.Set(text), text)
	}
}

// The table in the README is Table's, between two comments.
func TestTheReadmeHasTheTable(t *testing.T) {
	const begin, end = "<!-- settings -->\n", "<!-- /settings -->"
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), begin)
	require.True(t, ok, "there is no %q", begin)
	table, _, ok := strings.Cut(rest, end)
	require.True(t, ok, "there is no %q", end)
	assert.Equal(t, strings.TrimSpace(Table(Flags(new(Settings)), Prefix)), strings.TrimSpace(table),
		"paste what go run ./examples/funnel -settings prints")
}
