package ingest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// serve runs a handler on loopback, with timeouts for a test.
func serve(t *testing.T, timeout time.Duration, cfg Config) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler(t, cfg))
	server.Config.ReadTimeout = timeout
	server.Config.ReadHeaderTimeout = timeout
	server.Start()
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t)
	})
	return server
}

// talk sends text on a connection of its own, in pieces with a pause between
// them, and returns the status of the answer, 0 where there is none.
func talk(t *testing.T, server *httptest.Server, pause time.Duration, pieces ...string) int {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	answered := make(chan struct{})
	var sending sync.WaitGroup
	defer sending.Wait()
	defer close(answered)
	sending.Go(func() {
		for _, piece := range pieces {
			if _, err := io.WriteString(conn, piece); err != nil {
				return
			}
			select {
			case <-time.After(pause):
			case <-answered:
				return
			}
		}
	})
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func head(extra string) string {
	return "POST /v1/readings HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n" + extra + "\r\n"
}

// alive says that the service still takes readings.
func alive(t *testing.T, server *httptest.Server) {
	t.Helper()
	answer, err := http.Post(server.URL+path, "application/json", strings.NewReader(one))
	require.NoError(t, err)
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	require.Equal(t, http.StatusAccepted, answer.StatusCode)
}

func TestSlowBodiesEndInTime(t *testing.T) {
	server := serve(t, 300*time.Millisecond, Config{Sink: &sink{}})
	began := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			pieces := strings.Split(head(fmt.Sprintf("Content-Length: %d\r\n", len(one)))+one, "")
			assert.Contains(t, []int{0, http.StatusBadRequest, http.StatusRequestTimeout}, talk(t, server, 20*time.Millisecond, pieces...), "even the header takes too long")
		})
		all.Go(func() {
			assert.Equal(t, http.StatusRequestTimeout, talk(t, server, 20*time.Millisecond, append([]string{head("Content-Length: 5000\r\n")}, strings.Split(one, "")...)...))
		})
		all.Go(func() {
			assert.Equal(t, http.StatusRequestTimeout, talk(t, server, time.Second, head("Transfer-Encoding: chunked\r\n"), "5\r\nhello\r\n", "0\r\n\r\n"))
		})
	}
	alive(t, server)
	all.Wait()
	assert.Less(t, time.Since(began), 10*time.Second)
	alive(t, server)
}

func TestBodiesThatBreakOff(t *testing.T) {
	s := &sink{}
	server := serve(t, 10*time.Second, Config{Sink: s})
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, head("Content-Length: 5000\r\n")+one+"\n"+one+"\n")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	answer.Body.Close()
	require.NoError(t, conn.Close())
	assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
	assert.Empty(t, s.all(), "not even the lines that had arrived")
	assert.Equal(t, http.StatusBadRequest, talk(t, server, 0, head("Transfer-Encoding: chunked\r\n")+"zz\r\n"))
	alive(t, server)
}

func TestHugeBodiesAreNotRead(t *testing.T) {
	server := serve(t, 10*time.Second, Config{Sink: &sink{}, MaxBody: 1 << 20})
	assert.Equal(t, http.StatusRequestEntityTooLarge, talk(t, server, 0, head("Content-Length: 1000000000000\r\n")))

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 3 {
		// One line without an end, and as many empty ones as fit.
		for _, fill := range []string{"x", "\n"} {
			r, err := http.NewRequest(http.MethodPost, server.URL+path, io.LimitReader(endless(fill[0]), 1<<40))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/x-ndjson")
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				continue // the connection was closed while we were sending: fair
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			assert.Contains(t, []int{http.StatusRequestEntityTooLarge, http.StatusRequestTimeout}, answer.StatusCode)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(8<<20))
	alive(t, server)
}

type endless byte

func (e endless) Read(to []byte) (int, error) {
	for i := range to {
		to[i] = byte(e)
	}
	return len(to), nil
}

func TestZipBombsStopAtTheLimit(t *testing.T) {
	server := serve(t, 10*time.Second, Config{Sink: &sink{}})
	bombs := map[string]string{
		"gzip": gzipped(strings.Repeat(" ", 40<<20)),
		"zstd": zstded(strings.Repeat(" ", 40<<20)),
	}
	bombs["gzip, many members"] = strings.Repeat(gzipped(strings.Repeat(" ", 1<<20)), 100)
	for name, bomb := range bombs {
		for _, kind := range []string{"application/json", "application/x-ndjson"} {
			r, err := http.NewRequest(http.MethodPost, server.URL+path, strings.NewReader(bomb))
			require.NoError(t, err)
			r.Header.Set("Content-Type", kind)
			r.Header.Set("Content-Encoding", name[:4])
			answer, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			assert.Equal(t, http.StatusRequestEntityTooLarge, answer.StatusCode, name)
		}
	}
	// Members without content make no output, and end with the body's limit.
	answer := post(handler(t, Config{Sink: &sink{}, MaxBody: 1 << 20}), path, strings.Repeat(gzipped(""), 60_000), "Content-Encoding", "gzip")
	assert.Equal(t, http.StatusRequestEntityTooLarge, answer.Code)
	alive(t, server)
}

func TestGarbageIsRefused(t *testing.T) {
	s := &sink{}
	server := serve(t, 10*time.Second, Config{Sink: s})
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		garbage := make([]byte, random.IntN(2000)+1)
		for j := range garbage {
			garbage[j] = byte(random.Uint32())
		}
		garbage[0] |= 0x80 // neither a bracket nor space
		kind, encoding := []string{"application/json", "application/x-ndjson"}[i%2], []string{"", "gzip", "zstd"}[i%3]
		r, err := http.NewRequest(http.MethodPost, server.URL+path, strings.NewReader(string(garbage)))
		require.NoError(t, err)
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Content-Encoding", encoding)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
	}
	deep := strings.Repeat("[", 1<<20)
	assert.Equal(t, http.StatusBadRequest, post(handler(t, Config{Sink: s}), path, deep).Code)
	assert.Equal(t, http.StatusBadRequest, post(handler(t, Config{Sink: s}), path, strings.Repeat(`{"sensor":`, 1<<17)).Code)
	assert.Empty(t, s.all())
	alive(t, server)
}
