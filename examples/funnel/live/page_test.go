package live

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
)

// counting is a pipeline that stores 100 readings in 2 batches every second.
func counting() func() pipeline.Stats {
	var n atomic.Int64
	return func() pipeline.Stats {
		k := int(n.Add(1)) - 1
		return pipeline.Stats{
			Time:       time.Now(),
			Total:      pipeline.Totals{Accepted: 100 * k, Delivered: 100 * k},
			Batches:    int64(2 * k),
			Partitions: []pipeline.Partition{{Buffered: 30, InFlight: 10, Capacity: 80}},
			BatchSize:  pipeline.Quantiles{P50: 50},
		}
	}
}

func TestNewNeedsStats(t *testing.T) {
	_, err := New(Config{})
	assert.ErrorContains(t, err, "Stats is nil")
}

func TestPointsAreRates(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := pipeline.Stats{
		Time:    start,
		Total:   pipeline.Totals{Accepted: 1000, Delivered: 900, Rejected: 7, Retried: 50, Dropped: 1},
		Batches: 10,
	}
	now := pipeline.Stats{
		Time:      start.Add(2 * time.Second),
		Total:     pipeline.Totals{Accepted: 3000, Delivered: 2100, Rejected: 17, Retried: 50, Dropped: 2, DeadLettered: 4},
		Batches:   13,
		BatchSize: pipeline.Quantiles{P50: 400},
		BatchAge:  pipeline.Quantiles{P50: 0.25, P99: 1.5},
		FlushTime: pipeline.Quantiles{P50: 0.0123456789, P99: 0.1},
		Partitions: []pipeline.Partition{
			{Buffered: 50, InFlight: 50, Capacity: 400},
			{Buffered: 0, InFlight: 100, Capacity: 400},
		},
	}
	p := pointOf(before, now)
	assert.Equal(t, float64(start.Unix()+2), p.Time)
	assert.Equal(t, 1000.0, p.Accepted)
	assert.Equal(t, 600.0, p.Stored)
	assert.Equal(t, 1.5, p.Batches)
	assert.Equal(t, 5.0, p.Rejected)
	assert.Zero(t, p.Retried)
	assert.Equal(t, 0.5, p.Dropped)
	assert.Equal(t, 2.0, p.DeadLettered)
	assert.Equal(t, 0.25, p.Fill)
	assert.Equal(t, 400.0, *p.BatchSize)
	assert.Equal(t, 0.25, *p.BatchAge)
	assert.Equal(t, 1.5, *p.BatchAgeP99)
	assert.Equal(t, 0.012346, *p.FlushTime)
	assert.Equal(t, 0.1, *p.FlushTimeP99)
}

func TestPointsOfOddSnapshots(t *testing.T) {
	now := time.Now()
	some := pipeline.Stats{Time: now, Total: pipeline.Totals{Accepted: 10}, Batches: 3, BatchSize: pipeline.Quantiles{P50: 9}}
	for name, test := range map[string]struct{ before, now pipeline.Stats }{
		"nothing happened":        {some, pipeline.Stats{Time: now.Add(time.Second), Total: some.Total, Batches: 3, BatchSize: some.BatchSize}},
		"the clock stood still":   {pipeline.Stats{Time: now}, pipeline.Stats{Time: now, Total: pipeline.Totals{Accepted: 10}}},
		"the clock was set back":  {pipeline.Stats{Time: now}, pipeline.Stats{Time: now.Add(-time.Hour), Total: pipeline.Totals{Accepted: 10}}},
		"a count seemed to fall":  {some, pipeline.Stats{Time: now.Add(time.Second), Total: pipeline.Totals{Accepted: 9}}},
		"there are no partitions": {pipeline.Stats{}, pipeline.Stats{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := pointOf(test.before, test.now)
			assert.Zero(t, p.Accepted)
			assert.Zero(t, p.Batches)
			assert.Zero(t, p.Fill)
			assert.Nil(t, p.BatchSize, "no batch, no size of one")
			_, err := json.Marshal(p) // neither NaN nor infinite
			assert.NoError(t, err)
		})
	}
	p := pointOf(some, pipeline.Stats{Partitions: []pipeline.Partition{{Buffered: 90, InFlight: 20, Capacity: 100}}})
	assert.Equal(t, 1.0, p.Fill, "an InsertBatch may exceed the capacity, a chart not")
}

// The history is bounded, and what falls out is the oldest.
func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Config{Stats: counting()})
		require.NoError(t, err)
		defer p.Close()
		start := time.Now()
		time.Sleep((Keep + 50) * Every)
		synctest.Wait()
		points, stats, taken := p.history()
		assert.Len(t, points, Keep)
		assert.Equal(t, Keep, cap(p.points), "it does not grow")
		assert.Equal(t, Keep+50, taken)
		assert.Equal(t, 100*(Keep+50), stats.Total.Accepted)
		assert.Equal(t, float64(start.Add(51*Every).UnixMilli())/1000, points[0].Time)
		for i, point := range points {
			assert.Equal(t, 100.0, point.Accepted)
			assert.Equal(t, 2.0, point.Batches)
			if i > 0 {
				assert.Equal(t, 1.0, point.Time-points[i-1].Time)
			}
		}
	})
}

// A stream gets the history first, and then each second once.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Config{Stats: counting(), About: About{Store: "SQLite", Demo: true}})
		require.NoError(t, err)
		defer p.Close()
		time.Sleep(10*Every + Every/2)
		s := follow(t, p)
		h := next[History](s, "history")
		assert.Equal(t, About{Store: "SQLite", Demo: true}, h.About)
		assert.Equal(t, Keep, h.Keep)
		assert.Len(t, h.Points, 10)
		assert.Equal(t, 1000, h.Stats.Total.Delivered)
		for i := range 5 {
			snap := next[Snapshot](s, "snapshot")
			assert.Equal(t, 1100+100*i, snap.Stats.Total.Delivered)
			assert.Equal(t, 100.0, snap.Point.Stored)
			assert.Equal(t, 0.5, snap.Point.Fill)
		}
		assert.Equal(t, "text/event-stream", s.header.Get("Content-Type"))
		assert.Equal(t, "no-store", s.header.Get("Cache-Control"))
	})
}

// A stream outlives the timeouts of its server, which are meant for requests that
// end; without deadlines of its own it would be cut off after five seconds.
func TestStreamOutlivesTheServersTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Config{Stats: counting()})
		require.NoError(t, err)
		defer p.Close()
		s := follow(t, p)
		next[History](s, "history")
		for range 60 {
			next[Snapshot](s, "snapshot")
		}
	})
}

// A client that stops reading is cut off, and what it missed is kept nowhere.
func TestASlowClientIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Config{Stats: counting()})
		require.NoError(t, err)
		defer p.Close()
		s := follow(t, p)
		next[History](s, "history")
		time.Sleep(sendTimeout + 5*Every) // it reads nothing
		synctest.Wait()
		assert.Empty(t, p.streams, "the stream is still held")
	})
}

// Close ends the streams, so that the server's Shutdown does not wait for whoever
// has a page open.
func TestCloseEndsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Config{Stats: counting()})
		require.NoError(t, err)
		s := follow(t, p)
		next[History](s, "history")
		p.Close()
		p.Close()
		_, err = io.ReadAll(s.body)
		require.NoError(t, err)
		assert.Empty(t, p.streams)

		w := httptest.NewRecorder()
		p.Stream().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/live", nil))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Contains(t, w.Body.String(), "stopping")
	})
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Config{Stats: counting()})
		require.NoError(t, err)
		defer p.Close()
		for range maxStreams {
			p.streams <- struct{}{}
		}
		w := httptest.NewRecorder()
		p.Stream().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/live", nil))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.NotEmpty(t, w.Header().Get("Retry-After"))
		for range maxStreams {
			<-p.streams
		}
	})
}

// events is the client's side of a stream.
type events struct {
	t      *testing.T
	header http.Header
	body   *bufio.Reader
}

// follow opens a stream over a server with short timeouts, all of it in the
// bubble.
func follow(t *testing.T, p *Page) *events {
	t.Helper()
	pipes := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: p.Stream(), ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second}
	go func() { _ = server.Serve(pipes) }()
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			a, b := net.Pipe()
			pipes.conns <- b
			return a, nil
		},
		ReadBufferSize: 512,
	}
	request, err := http.NewRequest(http.MethodGet, "http://funnel/v1/live", nil)
	require.NoError(t, err)
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	t.Cleanup(func() {
		response.Body.Close()
		transport.CloseIdleConnections()
		server.Close()
	})
	return &events{t: t, header: response.Header, body: bufio.NewReader(response.Body)}
}

func next[T any](s *events, name string) (data T) {
	s.t.Helper()
	var lines [3]string
	for i := range lines {
		line, err := s.body.ReadString('\n')
		require.NoError(s.t, err)
		lines[i] = strings.TrimSuffix(line, "\n")
	}
	require.Equal(s.t, "event: "+name, lines[0])
	text, ok := strings.CutPrefix(lines[1], "data: ")
	require.True(s.t, ok, lines[1])
	require.Empty(s.t, lines[2])
	require.NoError(s.t, json.Unmarshal([]byte(text), &data))
	return data
}

// listener hands out the ends of pipes as connections.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
