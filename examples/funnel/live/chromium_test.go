package live

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// chromium is a headless browser, driven over a pair of pipes by the DevTools
// protocol: JSON, each message ended by a zero byte. Its few commands that the
// tests need do not make up for a library of fifty thousand generated lines.
type chromium struct {
	write io.WriteCloser
	cmd   *exec.Cmd
	ended chan struct{} // closed when nothing more comes

	mu      sync.Mutex // guards what follows, and writing
	last    int
	answers map[int]chan answer
	events  func(session, method string, params json.RawMessage)
}

type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// find looks for a browser: what CHROMIUM names, else the usual names in PATH.
// Where CHROMIUM or REQUIRE_CHROMIUM is set, none is a failure and no reason to skip.
func find(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless_shell"}
	if name := os.Getenv("CHROMIUM"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CHROMIUM") != "" || os.Getenv("REQUIRE_CHROMIUM") != "" {
		t.Fatalf("none of %v can be run, and CHROMIUM or REQUIRE_CHROMIUM says that the page is to be tested", names)
	}
	t.Skipf("no browser: none of %v is in PATH, and CHROMIUM names none", names)
	return ""
}

// browse starts one, with a profile of its own, until the test ends.
func browse(t *testing.T) *chromium {
	t.Helper()
	path := find(t)
	in, write, err := os.Pipe()
	require.NoError(t, err)
	read, out, err := os.Pipe()
	require.NoError(t, err)

	// Not t.TempDir: helpers of the browser may still write into the profile when
	// it has ended, and a folder that cannot be removed would fail the test.
	profile, err := os.MkdirTemp("", "funnel-chromium")
	require.NoError(t, err)
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-quic", "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
		"--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	cmd.ExtraFiles = []*os.File{in, out} // 3 and 4 there
	require.NoError(t, cmd.Start())
	in.Close()
	out.Close()

	c := &chromium{write: write, cmd: cmd, ended: make(chan struct{}), answers: map[int]chan answer{}}
	go c.receive(read)
	t.Cleanup(func() {
		_, _ = c.try("", "Browser.close", nil)
		late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it is told to end, so how it does is no matter
		late.Stop()
		write.Close()
		read.Close()
		<-c.ended
		_ = os.RemoveAll(profile)
	})
	return c
}

// receive hands out what the browser sends until the pipe ends.
func (c *chromium) receive(from io.Reader) {
	defer close(c.ended)
	for r := bufio.NewReader(from); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID      int             `json:"id"`
			Session string          `json:"sessionId"`
			Method  string          `json:"method"`
			Params  json.RawMessage `json:"params"`
			answer
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		c.mu.Lock()
		waiting, events := c.answers[m.ID], c.events
		delete(c.answers, m.ID)
		c.mu.Unlock()
		switch {
		case m.ID != 0 && waiting != nil:
			waiting <- m.answer
		case events != nil:
			events(m.Session, m.Method, m.Params)
		}
	}
}

var errGone = errors.New("the browser has ended, or does not answer")

// try sends a command and waits for its answer.
func (c *chromium) try(session, method string, params any) (json.RawMessage, error) {
	if params == nil {
		params = struct{}{}
	}
	waiting := make(chan answer, 1)
	c.mu.Lock()
	c.last++
	c.answers[c.last] = waiting
	command := map[string]any{"id": c.last, "method": method, "params": params}
	if session != "" {
		command["sessionId"] = session
	}
	text, err := json.Marshal(command)
	if err == nil {
		_, err = c.write.Write(append(text, 0))
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a := <-waiting:
		if a.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		return a.Result, nil
	case <-c.ended:
	case <-time.After(30 * time.Second):
	}
	return nil, fmt.Errorf("%s: %w", method, errGone)
}
