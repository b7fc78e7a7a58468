package live

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// look is how a tab is to look.
type look struct {
	width, height int
	dark, phone   bool
}

var (
	desktop = look{width: 1280, height: 900}
	night   = look{width: 1280, height: 900, dark: true}
	phone   = look{width: 360, height: 740, phone: true}
)

// tab is one page in the browser, with what it complained of and asked for.
type tab struct {
	t       *testing.T
	c       *chromium
	session string

	mu       sync.Mutex // guards what follows
	problems []string
	requests []string
}

// open makes a tab of this look until the test ends, and goes to url.
func (c *chromium) open(t *testing.T, url string, as look) *tab {
	t.Helper()
	b := &tab{t: t, c: c}
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	t.Cleanup(func() { _, _ = c.try("", "Target.closeTarget", map[string]any{"targetId": target.TargetID}) })
	b.session = target.SessionID
	c.mu.Lock()
	c.events = b.event
	c.mu.Unlock()

	for _, domain := range []string{"Runtime", "Log", "Page", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	b.resize(as.width, as.height, as.phone)
	b.theme(as.dark)
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	return b
}

// call sends a command, with the result put into into.
func (b *tab) call(method string, params, into any) {
	b.t.Helper()
	result, err := b.c.try(b.session, method, params)
	require.NoError(b.t, err)
	if into != nil {
		require.NoError(b.t, json.Unmarshal(result, into), string(result))
	}
}

func (b *tab) resize(width, height int, phone bool) {
	b.t.Helper()
	scale := 1
	if phone {
		scale = 2
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone,
	}, nil)
}

func (b *tab) theme(dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.call("Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
	}, nil)
}

// event notes what a developer would see in red.
func (b *tab) event(session, method string, params json.RawMessage) {
	if session != b.session {
		return
	}
	var p struct {
		Type             string
		Args             []struct{ Value any }
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
		Entry   struct{ Level, Text, URL string }
		Request struct{ URL string }
	}
	if json.Unmarshal(params, &p) != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case method == "Runtime.exceptionThrown":
		b.problems = append(b.problems, p.ExceptionDetails.Text+" "+p.ExceptionDetails.Exception.Description)
	case method == "Runtime.consoleAPICalled" && (p.Type == "error" || p.Type == "warning"):
		b.problems = append(b.problems, fmt.Sprint(p.Type, p.Args))
	case method == "Log.entryAdded" && (p.Entry.Level == "error" || p.Entry.Level == "warning"):
		b.problems = append(b.problems, p.Entry.Text+" "+p.Entry.URL)
	case method == "Network.requestWillBeSent":
		b.requests = append(b.requests, p.Request.URL)
	}
}

func (b *tab) seen() (problems, requests []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.problems...), append([]string{}, b.requests...)
}

// eval runs an expression, or a promise, in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	var got struct {
		Result           struct{ Value T }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	b.call("Runtime.evaluate", map[string]any{
		"expression": expression, "returnByValue": true, "awaitPromise": true,
	}, &got)
	if got.ExceptionDetails != nil {
		require.Fail(b.t, "the page threw", "%s: %s", expression, got.ExceptionDetails.Exception.Description)
	}
	return got.Result.Value
}

// text is what an element says.
func (b *tab) text(id string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.getElementById(%q)?.textContent ?? ''", id))
}

// until waits for the expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !eval[bool](b, "document.readyState === 'complete' && !!("+expression+")") {
		if time.Now().After(deadline) {
			problems, _ := b.seen()
			b.shot("failed")
			require.Fail(b.t, "it never came true", "%s\nproblems: %s\nstatus: %s",
				expression, strings.Join(problems, "\n"), b.text("status"))
		}
		time.Sleep(50 * time.Millisecond) // a browser knows no virtual time
	}
}

// shot keeps a picture of the whole page where SCREENSHOTS names a folder.
func (b *tab) shot(name string) {
	b.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	var picture struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &picture)
	content, err := base64.StdEncoding.DecodeString(picture.Data)
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(folder, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, name+".png"), content, 0o644))
}
