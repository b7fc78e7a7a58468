package deploy_test

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/load"
	"github.com/go-databuffer/databuffer/examples/funnel/service"
	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

// Each command that the README marks with "try" is run as it stands, one after
// another against one funnel, and prints what the README says.
func TestReadmeCommands(t *testing.T) {
	for _, tool := range []string{"sh", "curl", "gzip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the README's commands need %s", tool)
		}
	}
	url := run(t)
	blocks := regexp.MustCompile("(?s)<!-- try -->\n```sh\n(.*?)```\n```json\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	require.Len(t, blocks, 5)
	for _, b := range blocks {
		require.Contains(t, b[1], "http://127.0.0.1:8080/")
		command := strings.ReplaceAll(b[1], "http://127.0.0.1:8080/", url)
		out, err := exec.Command("sh", "-c", command).CombinedOutput()
		require.NoError(t, err, "%s\n%s", command, out)
		assert.Equal(t, strings.TrimSpace(b[2]), strings.TrimSpace(string(out)), command)
	}
}

func TestReadmeHasTheFlagsOfTheLoad(t *testing.T) {
	_, rows, ok := strings.Cut(settings.Table(load.Flags(new(load.Settings)), load.Prefix), "|---|---|---|---|\n")
	require.True(t, ok)
	assert.Contains(t, readme(t), rows)
}

// Each metric that the README explains is there.
func TestReadmeHasTheMetrics(t *testing.T) {
	families := scrape(t)
	maps.Copy(families, kafkaFamilies(t))
	named := regexp.MustCompile("`((?:databuffer|funnel_kafka)_[a-z_]+)`").FindAllStringSubmatch(readme(t), -1)
	_, labels := names(families)
	require.Greater(t, len(named), 15)
	for _, m := range named {
		assert.True(t, families[m[1]] != nil || labels[m[1]], m[1])
	}
}

// The files that the README points at are there.
func TestReadmeLinks(t *testing.T) {
	links := regexp.MustCompile(`(?:\]\(|src="|srcset=")([^)#"]+)`).FindAllStringSubmatch(readme(t), -1)
	require.NotEmpty(t, links)
	for _, l := range links {
		assert.FileExists(t, "../"+l[1])
	}
}

func readme(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	return string(content)
}

// run starts a funnel on a folder of its own until the test ends, and returns
// where it is.
func run(t *testing.T, args ...string) (url string) {
	t.Helper()
	args = append([]string{"-listen", "127.0.0.1:0", "-data", t.TempDir()}, args...)
	set, err := settings.Parse(args, func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	s, err := service.Start(t.Context(), set, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Stop(context.Background())) })
	return s.URL()
}
