package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadme keeps the program in the README, and what it says the program
// prints, the same as this one.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)

	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(readme)
	require.NotNil(t, program, "the README has no program")
	_, code, _ := strings.Cut(string(source), "\n") // the comment above the package
	assert.Equal(t, code, string(program[1]))

	output := regexp.MustCompile("(?s)```text\n(stored .*?)```").FindSubmatch(readme)
	require.NotNil(t, output, "the README does not show what it prints")
	assert.Equal(t, string(output[1]), run(t))
}

// run is what main prints.
func run(t *testing.T) string {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	stdout := os.Stdout
	os.Stdout = write
	defer func() { os.Stdout = stdout }()
	main()
	require.NoError(t, write.Close())
	printed, err := io.ReadAll(read)
	require.NoError(t, err)
	return string(printed)
}
