package databuffer_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGuaranteesNameTestsThatExist keeps docs/guarantees.md true, both ways: the
// tests that it names exist, and those that are called a promise are named.
func TestGuaranteesNameTestsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "guarantees.md"))
	require.NoError(t, err)
	folders := map[string]map[string]bool{}
	named := map[string]bool{}
	for _, match := range regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)`").FindAllStringSubmatch(string(page), -1) {
		folder, name := match[1], match[2]
		if folders[folder] == nil {
			folders[folder] = testsIn(t, folder)
		}
		assert.True(t, folders[folder][name], "docs/guarantees.md names %s, which is not in %s", name, folder)
		named[folder+"."+name] = true
	}
	assert.Greater(t, len(named), 50, "the names are found at all")
	for _, folder := range []string{"buffer", "aggregate", "writer"} {
		for name := range folders[folder] {
			if strings.HasPrefix(name, "TestPromise") {
				assert.True(t, named[folder+"."+name], "docs/guarantees.md does not name %s.%s", folder, name)
			}
		}
	}
}

// testsIn are the names of the test functions of a folder.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	require.NoError(t, err)
	names := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}
