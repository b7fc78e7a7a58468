package service

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// raw sends text on a connection of its own and returns the status of the answer,
// 0 where the connection ends without one.
func (r *running) raw(text string) int {
	conn, err := net.Dial("tcp", r.listener.Addr().String())
	require.NoError(r.t, err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, text)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// Whatever comes, the whole service answers it in bounded time, and still takes
// readings meanwhile and afterwards.
func TestTheServiceSurvivesHostileClients(t *testing.T) {
	r := start(t, "-read-timeout", "500ms", "-max-body", "64KiB", "-max-decoded", "128KiB", "-max-requests", "100", "-flush-interval", "20ms")
	const post = "POST /v1/readings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	began := time.Now()
	var all sync.WaitGroup
	for _, c := range []struct {
		text string
		want []int
	}{
		{"", []int{0, 400, 408}},                                     // says nothing
		{"POST /v1/rea", []int{0, 400, 408}},                         // half a line
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", []int{400}}, // TLS
		{"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", []int{0, 431}},
		{post + "Content-Length: 100\r\n\r\n{", []int{408}},                                     // never ends
		{post + "Content-Length: 99999999999\r\n\r\n", []int{413}},                              // says that it is huge
		{post + "Content-Length: -1\r\n\r\n", []int{400}},                                       // nonsense
		{post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", []int{400}}, // smuggling
		{post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", []int{400}},
		{post + "Content-Length: 2\r\n\r\n[]", []int{202}},
		{"DELETE /v1/readings HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{405}},
		{"GET /v1/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{301, 307, 400, 404}},
		{"GET /v1/aggregates?sensor=%00&from=0001-01-01T00:00:00Z HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{400}},
		{"GET /v1/aggregates?sensor=a&from=1970-01-01T00:00:00Z HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{400}}, // 29 million buckets
		{"GET /v1/sensors?limit=999999999999999999999 HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{400}},
	} {
		for range 10 {
			all.Go(func() { assert.Contains(t, c.want, r.raw(c.text), "%.60q", c.text) })
		}
	}
	all.Wait()
	assert.Less(t, time.Since(began), 15*time.Second)
	code, body := r.do(http.MethodPost, "/v1/readings?ack=stored", one)
	assert.Equal(t, http.StatusOK, code, body)
	assert.Equal(t, 1, r.pipeline.Stats().Total.Accepted, "nothing of the others")
}

// Readings beyond the range of sums, and names of all sorts, come back as they were.
func TestExtremeReadingsComeBack(t *testing.T) {
	r := start(t, "-flush-interval", "20ms")
	names := []string{"'; DROP TABLE readings; --", "%", "_", "é😀", `"\`, strings.Repeat("x", 128), " "}
	for _, name := range names {
		line := fmt.Sprintf(`{"sensor":%q,"value":1.7e308,"time":"9999-12-31T23:59:59.999999Z"}`, name)
		code, body := r.do(http.MethodPost, "/v1/readings?ack=stored", "["+line+","+line+"]")
		require.Equal(t, http.StatusOK, code, body)
	}
	var sensors struct{ Sensors []struct{ Sensor string } }
	r.get("/v1/sensors", &sensors)
	var got []string
	for _, s := range sensors.Sensors {
		got = append(got, s.Sensor)
	}
	assert.ElementsMatch(t, names, got)
	code, body := r.do(http.MethodGet, "/v1/aggregates?sensor=%25&from=9999-12-31T00:00:00Z&to=9999-12-31T23:59:59.999999Z&granularity=day", "")
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, body, `"buckets":[]`, "to is not included")
}
