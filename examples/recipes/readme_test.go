package recipes

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

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

// TestService runs the README's second program as a process: it takes an event,
// shows its metrics, and flushes before it ends.
func TestService(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "service")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./service").CombinedOutput()
	require.NoError(t, err, "%s", built)

	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())

	var printed bytes.Buffer
	service := exec.CommandContext(t.Context(), program)
	service.Dir, service.Stderr = folder, &printed
	service.Env = append(os.Environ(), "ADDR="+address)
	require.NoError(t, service.Start())

	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	var response *http.Response
	require.Eventually(t, func() bool {
		response, err = client.Post("http://"+address+"/events", "application/json", strings.NewReader(`{"user":"tom","name":"signup"}`))
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	assert.Equal(t, http.StatusAccepted, response.StatusCode)
	require.NoError(t, response.Body.Close())

	response, err = client.Get("http://" + address + "/metrics")
	require.NoError(t, err)
	metrics, err := io.ReadAll(bufio.NewReader(response.Body))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Regexp(t, `databuffer_item_accepted_total\{databuffer_name="events".*\} 1\n`, string(metrics))

	require.NoError(t, service.Process.Signal(syscall.SIGTERM))
	require.NoError(t, service.Wait(), "%s", printed.String())
	assert.Contains(t, printed.String(), "stored 1 events")
}
