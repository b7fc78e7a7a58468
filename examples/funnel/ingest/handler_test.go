package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// sink keeps what it accepts, and answers as told.
type sink struct {
	err  error
	wait time.Duration

	mu       sync.Mutex
	readings []reading.Reading
	stored   int // requests
}

func (s *sink) Accept(ctx context.Context, readings []reading.Reading, stored bool) error {
	if s.wait > 0 {
		select {
		case <-time.After(s.wait):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), context.Cause(ctx))
		}
	}
	if s.err != nil {
		return s.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readings = append(s.readings, readings...)
	if stored {
		s.stored++
	}
	return nil
}

func (s *sink) all() []reading.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readings
}

func handler(t *testing.T, cfg Config) *Handler {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	h, err := New(cfg)
	require.NoError(t, err)
	return h
}

// post sends a body, with a header's name and value after each other.
func post(h http.Handler, url, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, url, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	path = "/v1/readings"
	one  = `{"sensor":"a","value":1,"time":"2026-01-02T03:04:05Z"}`
	two  = `{"sensor":"b","value":2,"metric":"m","time":"2026-01-02T03:04:06Z"}`
)

func gzipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.String()
}

func zstded(text string) string {
	w, _ := zstd.NewWriter(nil)
	return string(w.EncodeAll([]byte(text), nil))
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	_, err := New(Config{MaxBody: -1, MaxLine: -2, RetryAfter: -time.Second})
	for _, text := range []string{"Sink is nil", "MaxBody is -1", "MaxLine is -2", "RetryAfter is -1s"} {
		require.ErrorContains(t, err, text)
	}
}

func TestReadingsAreAcceptedInEachForm(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		header []string
		want   int
	}{
		"one":                 {one, []string{"Content-Type", "application/json"}, 1},
		"without a type":      {one, nil, 1},
		"an array":            {"[" + one + "," + two + "]", []string{"Content-Type", "application/json; charset=UTF-8"}, 2},
		"an empty array":      {"[]", nil, 0},
		"NDJSON":              {one + "\n" + two + "\n", []string{"Content-Type", "application/x-ndjson"}, 2},
		"JSON lines":          {one + "\n\n" + two, []string{"Content-Type", "application/jsonl"}, 2},
		"nothing in NDJSON":   {"", []string{"Content-Type", "application/x-ndjson"}, 0},
		"gzip":                {gzipped("[" + one + "," + two + "]"), []string{"Content-Encoding", "gzip"}, 2},
		"gzip in two members": {gzipped(one+"\n") + gzipped(two), []string{"Content-Encoding", "GZIP", "Content-Type", "application/x-ndjson"}, 2},
		"zstd":                {zstded(one + "\n" + two), []string{"Content-Encoding", "zstd", "Content-Type", "application/x-ndjson"}, 2},
		"identity":            {one, []string{"Content-Encoding", "identity"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink{}
			h := handler(t, Config{Sink: s})
			for range 3 { // what decompresses is used again
				s.readings = nil
				w := post(h, path, c.body, c.header...)
				require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())
				require.JSONEq(t, `{"accepted":`+string(rune('0'+c.want))+`}`, w.Body.String())
				require.Len(t, s.readings, c.want)
				if c.want == 2 {
					require.Equal(t, reading.Reading{Sensor: "b", Metric: "m", Value: 2, Time: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)}, s.readings[1])
				}
			}
		})
	}
}

func TestWhatIsWrongIsRefusedWholeAndSaidSo(t *testing.T) {
	ndjson := []string{"Content-Type", "application/x-ndjson"}
	for name, c := range map[string]struct {
		url    string
		body   string
		header []string
		status int
		want   string
	}{
		"the second is bad":      {path, "[" + one + ",\n {\"sensor\":\"a\",\"value\":\"x\"}]", nil, 400, `{"error":"line 2, column 24 (byte 80): '\"' where a number is expected","line":2,"column":24,"offset":80}`},
		"the first byte is bad":  {path, "x", nil, 400, `{"error":"line 1, column 1 (byte 0): 'x' where a reading or an array of readings is expected","line":1,"column":1,"offset":0}`},
		"the second line":        {path, one + "\n{}", ndjson, 400, `{"error":"line 2, column 1 (byte 55): this reading has no \"sensor\"","line":2,"column":1,"offset":55}`},
		"place after gzip":       {path, gzipped(one + "\n{}"), []string{"Content-Type", "application/x-ndjson", "Content-Encoding", "gzip"}, 400, `{"error":"line 2, column 1 (byte 55): this reading has no \"sensor\"","line":2,"column":1,"offset":55}`},
		"no gzip":                {path, one, []string{"Content-Encoding", "gzip"}, 400, `{"error":"the body is no gzip: gzip: invalid header"}`},
		"cut gzip":               {path, gzipped(one)[:30], []string{"Content-Encoding", "gzip"}, 400, `{"error":"the body is no gzip: unexpected EOF"}`},
		"no zstd":                {path, one, []string{"Content-Encoding", "zstd"}, 400, `{"error":"the body is no zstd: invalid input: magic number mismatch"}`},
		"cut zstd":               {path, zstded(one)[:20], []string{"Content-Encoding", "zstd"}, 400, `{"error":"the body is no zstd: unexpected EOF"}`},
		"a large window":         {path, "\x28\xb5\x2f\xfd\x00\xa8" + one, []string{"Content-Encoding", "zstd"}, 413, `{"error":"a zstd window of more than 8388608 bytes"}`},
		"too many bytes":         {path, strings.Repeat(" ", 1001), nil, 413, `{"error":"more than 1000 bytes"}`},
		"too many when unzipped": {path, gzipped(strings.Repeat(" ", 2001)), []string{"Content-Encoding", "gzip"}, 413, `{"error":"more than 2000 bytes after decompression"}`},
		"too many readings":      {path, "[" + one + "," + one + "," + one + "," + one + "]", nil, 413, `{"error":"more than 3 readings"}`},
		"a long line":            {path, one + "\n" + strings.Repeat(" ", 101), ndjson, 413, `{"error":"line 2: more than 100 bytes in a line","line":2}`},
		"a form":                 {path, one, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, `{"error":"Content-Type is \"application/x-www-form-urlencoded\": allowed are application/json and application/x-ndjson, in UTF-8"}`},
		"a broken type":          {path, one, []string{"Content-Type", "application/json;;"}, 415, `{"error":"Content-Type is \"application/json;;\": allowed are application/json and application/x-ndjson, in UTF-8"}`},
		"a charset":              {path, one, []string{"Content-Type", "application/json; charset=latin1"}, 415, `{"error":"the charset is \"latin1\": allowed are application/json and application/x-ndjson, in UTF-8"}`},
		"another encoding":       {path, one, []string{"Content-Encoding", "br"}, 415, `{"error":"Content-Encoding is \"br\": allowed are gzip, zstd and none"}`},
		"two encodings":          {path, one, []string{"Content-Encoding", "gzip", "Content-Encoding", "gzip"}, 415, `{"error":"Content-Encoding is \"gzip,gzip\": allowed are gzip, zstd and none"}`},
		"another ack":            {path + "?ack=yes", one, nil, 400, `{"error":"ack is \"yes\": allowed are accepted, the default, and stored"}`},
		"ack twice":              {path + "?ack=stored&ack=stored", one, nil, 400, `{"error":"the parameter \"ack\": there is ack, once"}`},
		"another parameter":      {path + "?wait=1", one, nil, 400, `{"error":"the parameter \"wait\": there is ack, once"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink{}
			h := handler(t, Config{Sink: s, MaxBody: 1000, MaxDecoded: 2000, MaxReadings: 3, MaxLine: 100})
			for range 2 {
				w := post(h, c.url, c.body, c.header...)
				assert.Equal(t, c.status, w.Code)
				assert.JSONEq(t, c.want, w.Body.String())
				assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
				assert.Empty(t, s.readings, "whole or not at all")
			}
		})
	}
}

func TestTheLimitsThemselvesAreAllowed(t *testing.T) {
	s := &sink{}
	body := one + strings.Repeat(" ", 100-len(one))
	h := handler(t, Config{Sink: s, MaxBody: 100, MaxDecoded: 100, MaxReadings: 1, MaxLine: 100})
	require.Equal(t, http.StatusAccepted, post(h, path, body).Code)
	require.Equal(t, http.StatusAccepted, post(h, path, body, "Content-Type", "application/x-ndjson").Code)
	h = handler(t, Config{Sink: s, MaxDecoded: 100})
	require.Equal(t, http.StatusAccepted, post(h, path, gzipped(body), "Content-Encoding", "gzip").Code)
	require.Equal(t, http.StatusAccepted, post(h, path, zstded(body), "Content-Encoding", "zstd").Code)
	require.Equal(t, http.StatusRequestEntityTooLarge, post(h, path, zstded(body+" "), "Content-Encoding", "zstd").Code)
}

func TestWhatTheSinkSaysBecomesAStatus(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		text   string
	}{
		{buffer.ErrFull, 429, "no room"},
		{errors.Join(buffer.ErrClosed, errors.New("x")), 503, "stopping"},
		{fmt.Errorf("kafka: %w", buffer.ErrTooLarge), 413, "several requests"},
		{ErrNotKnown, 501, "without ack=stored"},
		{fmt.Errorf("secret: %w", ErrAway), 503, "send them again later"},
		{fmt.Errorf("secret: %w: %w", ErrInDoubt, context.DeadlineExceeded), 504, "stored twice if they are sent again"},
		{fmt.Errorf("secret: %w", ErrElsewhere), 202, `{"accepted":1,"note":"the readings were taken, and when they are stored is not known here: do not send them again"}`},
		{fmt.Errorf("secret: %w", ErrRejected), 422, "do not send them again"},
		{errors.New("secret"), 500, "the log says why"},
	} {
		h := handler(t, Config{Sink: &sink{err: c.err}, RetryAfter: 1500 * time.Millisecond})
		w := post(h, path, one)
		assert.Equal(t, c.status, w.Code)
		assert.Contains(t, w.Body.String(), c.text)
		assert.NotContains(t, w.Body.String(), "secret")
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
		if c.status == 429 || errors.Is(c.err, ErrAway) {
			assert.Equal(t, "2", w.Header().Get("Retry-After"))
		} else {
			assert.Empty(t, w.Header().Get("Retry-After"))
		}
	}
	w := httptest.NewRecorder()
	handler(t, Config{Sink: &sink{}}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	assert.Equal(t, "POST", w.Header().Get("Allow"))
}

func TestStoredIsAnsweredWhenItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{wait: 3 * time.Second}
		h := handler(t, Config{Sink: s, StoredAfter: 5 * time.Second})
		began := time.Now()
		w := post(h, path+"?ack=stored", one)
		require.Equal(t, 200, w.Code)
		require.JSONEq(t, `{"stored":1}`, w.Body.String())
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, 1, s.stored)
		w = post(h, path+"?ack=accepted", one)
		require.Equal(t, 202, w.Code)
		require.Equal(t, 1, s.stored)

		s.wait = 6 * time.Second
		w = post(h, path+"?ack=stored", one)
		require.Equal(t, 504, w.Code)
		require.Contains(t, w.Body.String(), "not stored within 5s")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w = httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(one)).WithContext(ctx))
		require.Equal(t, 503, w.Code)
	})
}

func TestTooManyRequestsAtOnceAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handler(t, Config{Sink: &sink{wait: time.Second}, MaxRequests: 2})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { assert.Equal(t, 202, post(h, path, one).Code) })
		}
		synctest.Wait()
		w := post(h, path, one)
		assert.Equal(t, 429, w.Code)
		assert.Equal(t, "1", w.Header().Get("Retry-After"))
		all.Wait()
		assert.Equal(t, 202, post(h, path, one).Code)
	})
}
