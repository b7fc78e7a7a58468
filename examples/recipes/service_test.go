package recipes

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// service is the README's program for a service, as a process.
type service struct {
	folder  string // where it runs
	address string
	process *exec.Cmd
	printed bytes.Buffer // to be read after Wait
	client  *http.Client
}

// quick makes the program ten times as quick: whatever it gives a second has
// 100 ms.
var quick = []string{"time.Second", "100*time.Millisecond"}

// start builds the program, with each first text replaced by the second one, and
// runs it.
func start(t *testing.T, changes ...string) *service {
	t.Helper()
	s := &service{folder: t.TempDir(), client: &http.Client{Timeout: 5 * time.Second}}
	t.Cleanup(s.client.CloseIdleConnections)

	original, err := filepath.Abs(filepath.Join("service", "main.go"))
	require.NoError(t, err)
	source, err := os.ReadFile(original)
	require.NoError(t, err)
	for i := 0; i < len(changes); i += 2 {
		require.Contains(t, string(source), changes[i])
	}
	changed := filepath.Join(s.folder, "changed.go")
	require.NoError(t, os.WriteFile(changed, []byte(strings.NewReplacer(changes...).Replace(string(source))), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "overlay.json"), overlay, 0o600))
	program := filepath.Join(s.folder, "service")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(s.folder, "overlay.json"), "-o", program, "./service").CombinedOutput()
	require.NoError(t, err, "%s", built)

	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = free.Addr().String()
	require.NoError(t, free.Close())
	s.process = exec.CommandContext(t.Context(), program)
	s.process.Dir, s.process.Stderr = s.folder, &s.printed
	s.process.Env = append(os.Environ(), "ADDR="+s.address)
	require.NoError(t, s.process.Start())
	return s
}

// accept has the service accept an event, as soon as it is up.
func (s *service) accept(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := s.client.Post("http://"+s.address+"/events", "application/json", strings.NewReader(`{"user":"tom","name":"signup"}`))
		if err != nil {
			return false
		}
		assert.Equal(t, http.StatusAccepted, response.StatusCode)
		assert.NoError(t, response.Body.Close())
		return true
	}, 20*time.Second, 20*time.Millisecond)
}

// stall begins a POST that never ends.
func (s *service) stall(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	// The server says that it goes on when the handler reads the body.
	_, err = io.WriteString(conn, "POST /events HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n")))
	require.NoError(t, err)
}

// end asks the service to end, and returns how it did.
func (s *service) end(t *testing.T) error {
	t.Helper()
	require.NoError(t, s.process.Process.Signal(syscall.SIGTERM))
	return s.process.Wait()
}

// The service takes an event, shows its metrics, and flushes before it ends.
func TestService(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.accept(t)

	response, err := s.client.Get("http://" + s.address + "/metrics")
	require.NoError(t, err)
	metrics, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Regexp(t, `databuffer_item_accepted_total\{databuffer_name="events".*\} 1\n`, string(metrics))

	require.NoError(t, s.end(t), "%s", &s.printed)
	assert.Contains(t, s.printed.String(), "stored 1 events")
}

// A client that sends its event too slowly costs no event of the others.
func TestServiceWithASlowClient(t *testing.T) {
	t.Parallel()
	t.Run("is cut off", func(t *testing.T) {
		t.Parallel()
		s := start(t, quick...)
		s.accept(t)
		s.stall(t)
		require.NoError(t, s.end(t), "%s", &s.printed)
		assert.Contains(t, s.printed.String(), "stored 1 events")
	})
	t.Run("is left behind where it may take its time", func(t *testing.T) {
		t.Parallel()
		s := start(t, append([]string{"ReadTimeout:       10 * time.Second,", ""}, quick...)...)
		s.accept(t)
		s.stall(t)
		require.NoError(t, s.end(t), "%s", &s.printed)
		assert.Contains(t, s.printed.String(), "stored 1 events")
	})
}

// What Shutdown gives back is written to the file of the dead letter.
func TestServiceWhoseDatabaseIsDown(t *testing.T) {
	t.Parallel()
	s := start(t, append([]string{"\treturn nil\n}\n\n// keep", "\treturn errors.New(\"connection refused\")\n}\n\n// keep"}, quick...)...)
	s.accept(t)
	var exit *exec.ExitError
	require.ErrorAs(t, s.end(t), &exit)
	assert.Equal(t, 1, exit.ExitCode())
	assert.Contains(t, s.printed.String(), "1 events are not stored, 0 more may or may not be")

	written, err := os.ReadFile(filepath.Join(s.folder, "dead-letter.ndjson"))
	require.NoError(t, err)
	var line struct {
		Event map[string]string
		Cause string
	}
	require.NoError(t, json.Unmarshal(written, &line), "%s", written)
	assert.Equal(t, map[string]string{"user": "tom", "name": "signup"}, line.Event)
	assert.Contains(t, line.Cause, "connection refused")
}

// A second signal ends the service at once.
func TestServiceIsToldTwice(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.accept(t)
	s.stall(t)
	require.NoError(t, s.process.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { // it has heard the first one
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 20*time.Second, 10*time.Millisecond)
	var exit *exec.ExitError
	require.ErrorAs(t, s.end(t), &exit)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	assert.True(t, status.Signaled(), "%v", exit)
}
