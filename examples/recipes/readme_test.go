package recipes

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadme holds every piece of Go in the README to a file that is compiled:
// this package's, and the programs in service and quickstart.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	var sources []string
	for _, pattern := range []string{"*.go", "service/main.go", "../quickstart/main.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			sources = append(sources, string(source))
		}
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	require.Greater(t, len(blocks), 8)
	for _, block := range blocks {
		found := false
		for _, source := range sources {
			found = found || strings.Contains(source, string(block[1]))
		}
		assert.True(t, found, "no file has this piece of the README:\n%s", block[1])
	}
}
