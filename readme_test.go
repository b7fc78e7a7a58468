package databuffer_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
)

// TestReadmeSettings holds the README's table of settings to the fields of Config:
// each has its row, and each row its field. That what stands there as the default
// is it, buffer's own tests hold.
func TestReadmeSettings(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Settings\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")

	var rows []string
	for _, cell := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(section, -1) {
		prefix := ""
		for _, name := range strings.Split(cell[1], ", ") {
			name = strings.Trim(name, "`")
			if before, _, ok := strings.Cut(name, "."); ok {
				prefix = before + "."
			} else {
				name = prefix + name
			}
			rows = append(rows, name)
		}
	}

	var fields []string
	for field := range reflect.TypeFor[buffer.Config[int]]().Fields() {
		if field.Name == "Retry" {
			for part := range field.Type.Fields() {
				fields = append(fields, "Retry."+part.Name)
			}
			continue
		}
		fields = append(fields, field.Name)
	}
	assert.ElementsMatch(t, fields, rows)
}
