// Package databuffer_test checks what is said about the whole repository.
package databuffer_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDesignNamesFilesThatExist keeps the file map of DESIGN.md true, both ways.
func TestDesignNamesFilesThatExist(t *testing.T) {
	design, err := os.ReadFile("DESIGN.md")
	require.NoError(t, err)
	named := map[string]bool{}
	for _, match := range regexp.MustCompile("`([a-z]+/[a-z_]+\\.go)`").FindAllStringSubmatch(string(design), -1) {
		named[match[1]] = true
		assert.FileExists(t, match[1])
	}
	for _, folder := range []string{"jitter", "flusher", "telemetry", "partition", "buffer", "aggregate", "writer", "buffertest"} {
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		for _, entry := range entries {
			name := folder + "/" + entry.Name()
			if regexp.MustCompile(`(_test|/doc)\.go$`).MatchString(name) {
				continue
			}
			assert.True(t, named[name], "DESIGN.md says nothing about %s", name)
		}
	}
}
