package service

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-databuffer/databuffer/examples/funnel/settings"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// logged is a log that a test reads.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// running is a service on a free port, with its files in a folder of the test's.
type running struct {
	*Service
	t   *testing.T
	log *logged
}

func parse(t *testing.T, args ...string) settings.Settings {
	t.Helper()
	set, err := settings.Parse(append([]string{"-listen", "127.0.0.1:0"}, args...), func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	return set
}

// start starts one. It is stopped at the end of the test, where the test did not.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	return startOver(t, func(s store.Store) store.Store { return s }, args...)
}

// startOver is start with another store around SQLite's.
func startOver(t *testing.T, wrap func(store.Store) store.Store, args ...string) *running {
	t.Helper()
	r := &running{t: t, log: &logged{}}
	set := parse(t, append([]string{"-data", t.TempDir()}, args...)...)
	var err error
	r.Service, err = startWith(t.Context(), set, "test", slog.New(slog.NewTextHandler(r.log, nil)),
		func(ctx context.Context, set settings.Settings) (opened, error) {
			o, err := openStore(ctx, set)
			if err == nil {
				o.Store = wrap(o.Store)
			}
			return o, err
		})
	require.NoError(t, err)
	t.Cleanup(func() {
		if !r.stopping.Load() {
			require.NoError(t, r.Stop(context.Background()))
		}
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t)
	})
	return r
}

// do sends a request; headers are a name and its value after each other.
func (r *running) do(method, path, body string, headers ...string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequest(method, strings.TrimSuffix(r.URL(), "/")+path, strings.NewReader(body))
	require.NoError(r.t, err)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	return response.StatusCode, string(content)
}

func (r *running) get(path string, into any) {
	r.t.Helper()
	code, body := r.do(http.MethodGet, path, "")
	require.Equal(r.t, http.StatusOK, code, body)
	require.NoError(r.t, json.Unmarshal([]byte(body), into))
}

// eventually is for what another goroutine does in real time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(end), what)
	}
}
