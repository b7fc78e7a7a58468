package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-databuffer/databuffer/examples/funnel/service"
	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

func none(string) (string, bool) { return "", false }

const token = "0123456789abcdef"

// funnel starts one, and in front of it what may answer instead of it.
func funnel(t *testing.T, instead func(w http.ResponseWriter, r *http.Request, forward http.Handler)) string {
	t.Helper()
	set, err := settings.Parse([]string{"-listen", "127.0.0.1:0", "-data", t.TempDir(), "-flush-interval", "100ms", "-token", token}, none)
	require.NoError(t, err)
	s, err := service.Start(t.Context(), set, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	to, err := url.Parse(s.URL())
	require.NoError(t, err)
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if instead == nil {
			proxy.ServeHTTP(w, r)
			return
		}
		instead(w, r, proxy)
	}))
	t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
		require.NoError(t, s.Stop(context.Background()))
		goleak.VerifyNone(t)
	})
	return front.URL
}

// load runs one for half a second.
func load(t *testing.T, address string, args ...string) (string, error) {
	t.Helper()
	set, err := Parse(append([]string{
		"-url", address, "-token", token, "-users", "4", "-sensors", "30", "-batch", "50",
		"-duration", "500ms", "-report", "200ms", "-settle", "20s", "-query-every", "5",
	}, args...), none)
	require.NoError(t, err)
	var out bytes.Buffer
	err = Run(t.Context(), set, &out)
	return out.String(), err
}

func TestWhatIsTakenIsThereToTheLastReading(t *testing.T) {
	for _, args := range [][]string{nil, {"-stored"}, {"-rate", "2000"}, {"-sensors", "4", "-batch", "1", "-users", "3"}, {"-query-every", "0"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			out, err := load(t, funnel(t, nil), args...)
			require.NoError(t, err, out)
			assert.Contains(t, out, "are exactly those of the")
			assert.Contains(t, out, "errors    0")
			assert.Contains(t, out, " readings/s  p50 ", "progress")
			if len(args) > 0 && args[0] == "-rate" {
				var taken int
				_, err := fmt.Sscanf(out[strings.Index(out, "taken     "):], "taken     %d readings", &taken)
				require.NoError(t, err)
				assert.LessOrEqual(t, taken, 1000+4*50, out)
			}
		})
	}
}

func TestAReadingThatIsLostIsFound(t *testing.T) {
	var n atomic.Int64
	address := funnel(t, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if r.Method == http.MethodPost && n.Add(1) == 3 { // without its last reading
			body, _ := io.ReadAll(r.Body)
			cut := bytes.LastIndex(body, []byte(",{"))
			r.Body = io.NopCloser(strings.NewReader(string(body[:cut]) + "]"))
			r.ContentLength = int64(cut + 1)
		}
		forward.ServeHTTP(w, r)
	})
	out, err := load(t, address, "-settle", "5s")
	require.ErrorIs(t, err, ErrFailed)
	assert.Contains(t, out, "the aggregates of 1 of 30 sensors are NOT those of what was taken")
}

func TestAReadingThatIsStoredTwiceOrChangedIsFound(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"twice":   func(body string) string { return "[" + body[1:strings.Index(body, "}")+1] + "," + body[1:] },
		"changed": func(body string) string { return strings.Replace(body, `"value":`, `"value":1`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			address := funnel(t, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
				if r.Method == http.MethodPost && n.Add(1) == 3 {
					body, _ := io.ReadAll(r.Body)
					body = []byte(change(string(body)))
					r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				}
				forward.ServeHTTP(w, r)
			})
			out, err := load(t, address, "-settle", "1s")
			require.ErrorIs(t, err, ErrFailed)
			assert.Contains(t, out, "NOT those")
		})
	}
}

func TestRefusedRequestsAreSentAgainAndAreNoErrors(t *testing.T) {
	var n atomic.Int64
	address := funnel(t, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if r.Method == http.MethodPost && n.Add(1)%40 == 2 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		forward.ServeHTTP(w, r)
	})
	out, err := load(t, address, "-duration", "1500ms")
	require.NoError(t, err, out)
	assert.NotContains(t, out, "refused   0 requests")
	assert.Contains(t, out, "errors    0")
}

func TestErrorsAreCountedAndShown(t *testing.T) {
	var n atomic.Int64
	address := funnel(t, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if r.Method == http.MethodPost && n.Add(1) == 2 {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
		forward.ServeHTTP(w, r)
	})
	out, err := load(t, address)
	require.ErrorIs(t, err, ErrFailed)
	assert.Contains(t, out, "errors    1")
	assert.Contains(t, out, "answered 500: out of order")
	assert.Contains(t, out, "are exactly those of the", "what was taken is there all the same")
}

func TestNobodyThereIsAFailure(t *testing.T) {
	began := time.Now()
	_, err := load(t, "http://127.0.0.1:1", "-duration", "50ms", "-ready", "300ms")
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorContains(t, err, "connection refused")
	assert.Greater(t, time.Since(began), 300*time.Millisecond, "it may be about to start")
	out, err := load(t, funnel(t, nil), "-token", "wrong-wrong-wrong-wrong", "-duration", "50ms")
	require.ErrorIs(t, err, ErrFailed)
	assert.Contains(t, out, "answered 401")
}

func TestAnInterruptedLoadIsCheckedToo(t *testing.T) {
	address := funnel(t, nil)
	set, err := Parse([]string{"-url", address, "-token", token, "-users", "2", "-sensors", "4", "-duration", "1h"}, none)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	require.NoError(t, Run(ctx, set, &out), out.String())
	assert.Contains(t, out.String(), "are exactly those of the")
}

func TestSettingsComeFromVariablesToo(t *testing.T) {
	s, err := Parse([]string{"-users", "3"}, func(name string) (string, bool) {
		value, ok := map[string]string{"FUNNEL_LOAD_USERS": "7", "FUNNEL_LOAD_DURATION": "2m", "FUNNEL_LOAD_RATE": "5", "FUNNEL_LOAD_QUERY_EVERY": "9"}[name]
		return value, ok
	})
	require.NoError(t, err)
	assert.Equal(t, Settings{
		URL: "http://127.0.0.1:8080", Users: 3, Duration: 2 * time.Minute, Rate: 5, Batch: 500, Sensors: 1000, QueryEvery: 9,
		Timeout: 30 * time.Second, Settle: time.Minute, Report: time.Second, Ready: 10 * time.Second,
	}, s)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(" "+token+"\n"), 0o600))
	s, err = Parse([]string{"-token-file", file}, none)
	require.NoError(t, err)
	assert.Equal(t, token, s.Token)
	_, err = Parse([]string{"-token-file", file, "-token", token}, none)
	assert.ErrorContains(t, err, "one of them")
	_, err = Parse(strings.Fields("-url localhost:8080 -users 0 -sensors -1 -batch 0 -rate -1 -query-every -1 -duration 0s"), none)
	for _, text := range []string{"-url is", "-users is 0", "-sensors is -1", "-batch is 0", "-rate is -1", "-query-every is -1", "-duration is 0s"} {
		assert.ErrorContains(t, err, text)
	}
	_, err = Parse([]string{"-users", "10", "-sensors", "9"}, none)
	assert.ErrorContains(t, err, "-sensors is 9: allowed are 10")
}

func TestPercentilesAreByNearestRank(t *testing.T) {
	assert.Zero(t, percentile(nil, 99))
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for percent, want := range map[float64]time.Duration{0: 1, 1: 1, 50: 50, 99: 99, 99.5: 100, 100: 100} {
		assert.Equal(t, want, percentile(hundred, percent), "%v", percent)
	}
	assert.Equal(t, time.Duration(7), percentile([]time.Duration{7}, 50))
}

// The README's table has the rows that -settings prints.
func TestTheReadmeHasTheTable(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	_, rows, ok := strings.Cut(settings.Table(Flags(new(Settings)), Prefix), "|---|---|---|---|\n")
	require.True(t, ok)
	assert.Contains(t, string(readme), rows, "paste what go run ./examples/funnel load -settings prints")
}
