package live

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func get(method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Static().ServeHTTP(w, r)
	return w
}

func TestStaticServesEveryFileWithItsType(t *testing.T) {
	files := 0
	err := fs.WalkDir(folder(t), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		w := get(http.MethodGet, "/static/"+name)
		assert.Equal(t, http.StatusOK, w.Code, name)
		assert.NotEmpty(t, types[path.Ext(name)], "%s has no type, and would not load under nosniff", name)
		assert.Equal(t, types[path.Ext(name)], w.Header().Get("Content-Type"), name)
		assert.Equal(t, policy, w.Header().Get("Content-Security-Policy"), name)
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), name)
		assert.NotZero(t, w.Body.Len(), name)
		return nil
	})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, files, 10)
}

func TestStaticAnswers(t *testing.T) {
	page := get(http.MethodGet, "/")
	assert.Equal(t, http.StatusOK, page.Code)
	assert.Contains(t, page.Body.String(), "<title>funnel</title>")
	etag := page.Header().Get("ETag")
	assert.NotEmpty(t, etag)
	assert.Equal(t, http.StatusNotModified, get(http.MethodGet, "/", "If-None-Match", etag).Code)
	assert.Equal(t, http.StatusOK, get(http.MethodGet, "/", "If-None-Match", `"other"`).Code)
	assert.Zero(t, get(http.MethodHead, "/").Body.Len())
	assert.Equal(t, http.StatusMethodNotAllowed, get(http.MethodPost, "/").Code)
	for _, missing := range []string{"/static/", "/static/none.js", "/static/vendor", "/index.html", "/static/../page.go"} {
		assert.Equal(t, http.StatusNotFound, get(http.MethodGet, missing).Code, missing)
	}
}

// What the page names is there, and nothing that it names is elsewhere; there is
// nothing inline, which the policy would not run.
func TestPageNeedsNothingElse(t *testing.T) {
	page := get(http.MethodGet, "/").Body.String()
	named := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	assert.GreaterOrEqual(t, len(named), 6)
	for _, m := range named {
		assert.Equal(t, http.StatusOK, get(http.MethodGet, "/"+m[1]).Code, m[1])
	}
	assert.NotContains(t, page, "style=")
	assert.NotContains(t, page, "<style")
	assert.NotRegexp(t, `<script[^>]*>[^<]`, page)
	assert.NotRegexp(t, ` on[a-z]+=`, page)

	imports := regexp.MustCompile(`from "\./([^"]*)"`)
	err := fs.WalkDir(folder(t), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(name, "vendor/") {
			return err
		}
		content, err := fs.ReadFile(folder(t), name)
		require.NoError(t, err)
		for _, m := range imports.FindAllStringSubmatch(string(content), -1) {
			assert.Equal(t, http.StatusOK, get(http.MethodGet, "/static/"+m[1]).Code, "%s imports %s", name, m[1])
		}
		for _, address := range regexp.MustCompile(`https?://[^" ]*`).FindAllString(string(content), -1) {
			assert.Equal(t, "http://www.w3.org/2000/svg", address, "%s names another host", name)
		}
		return nil
	})
	require.NoError(t, err)
}

// The files of others are the ones that vendor/README.md says they are.
func TestVendoredFilesAreAsPublished(t *testing.T) {
	readme, err := fs.ReadFile(folder(t), "vendor/README.md")
	require.NoError(t, err)
	sums := regexp.MustCompile(`(?m)^([0-9a-f]{64})  (\S+)$`).FindAllStringSubmatch(string(readme), -1)
	require.Len(t, sums, 3)
	for _, m := range sums {
		content, err := fs.ReadFile(folder(t), "vendor/"+m[2])
		require.NoError(t, err)
		sum := sha256.Sum256(content)
		assert.Equal(t, m[1], hex.EncodeToString(sum[:]), m[2])
	}
	script, err := fs.ReadFile(folder(t), "vendor/uPlot.iife.min.js")
	require.NoError(t, err)
	version := regexp.MustCompile(`uPlot \(v([0-9.]+)\)`).FindStringSubmatch(string(script))
	require.Len(t, version, 2)
	assert.Contains(t, string(readme), "uPlot "+version[1])
}

// folder is the folder static.
func folder(t *testing.T) fs.FS {
	t.Helper()
	static, err := fs.Sub(files, "static")
	require.NoError(t, err)
	return static
}
