package live

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
)

// fake is a service for the page: numbers that move as those of a busy funnel do,
// and the two endpoints that the page asks.
type fake struct {
	*httptest.Server
	page *Page

	mu     sync.Mutex // guards what follows
	now    time.Time
	second float64
	total  pipeline.Totals
	count  int64
	error  string
	full   bool
	token  string
	down   bool // closes streams and refuses new ones
}

// serve starts one, with a history of so many seconds.
func serve(t *testing.T, about About, seconds int) *fake {
	t.Helper()
	f := &fake{now: time.Now().Add(-time.Duration(seconds) * time.Second)}
	page, err := New(Config{Stats: f.stats, About: about})
	require.NoError(t, err)
	for range seconds {
		page.take(f.stats())
	}
	f.page = page

	mux := http.NewServeMux()
	mux.Handle("GET /{$}", Static())
	mux.Handle("GET /static/", Static())
	mux.Handle("GET /v1/live", f.guard(page.Stream()))
	mux.Handle("GET /v1/sensors", f.guard(http.HandlerFunc(f.sensors)))
	mux.Handle("GET /v1/aggregates", f.guard(http.HandlerFunc(f.aggregates)))
	f.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		page.Close()
		f.Close()
	})
	return f
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// guard wants the token where there is one.
func (f *fake) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		token, down := f.token, f.down
		f.mu.Unlock()
		switch {
		case down:
			http.Error(w, `{"error":"the store has moved"}`, http.StatusBadGateway)
		case token != "" && r.Header.Get("Authorization") != "Bearer "+token:
			http.Error(w, "a token, please", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// stats is one second further with each call.
func (f *fake) stats() pipeline.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(time.Second)
	f.second++
	wave := 1 + 0.18*math.Sin(f.second/23) + 0.05*math.Sin(f.second*1.7)
	in := int(152_000 * wave)
	f.total.Accepted += in
	f.total.Delivered = f.total.Accepted - 3000
	f.count += int64(in / 4000)
	if int(f.second)%60 < 5 {
		f.total.Retried += 4000
		f.total.Rejected += 1500
	}
	s := pipeline.Stats{
		Time: f.now, Total: f.total, Batches: f.count, LastBatch: 4000, WriteError: f.error,
		BatchSize: pipeline.Quantiles{P50: 4000, P90: 4000, P99: 4000, Max: 4000},
		BatchAge:  pipeline.Quantiles{P50: 0.026 * wave, P90: 0.04, P99: 0.061 * wave, Max: 0.1},
		FlushTime: pipeline.Quantiles{P50: 0.0078 * wave, P90: 0.012, P99: 0.019 * wave * wave, Max: 0.05},
	}
	for i := range 4 {
		p := pipeline.Partition{
			Index: i, FlushSize: 4000, Capacity: 12_000, InFlight: 4000, Batches: 1,
			Buffered: int(2000 * (1 + math.Sin(f.second+float64(i)))),
		}
		if f.full {
			p.Buffered = 8000
		}
		s.Partitions = append(s.Partitions, p)
	}
	return s
}

func (f *fake) sensors(w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]any{"sensors": []map[string]any{
		{"sensor": "s-1", "metric": "temperature", "last": time.Now().UTC()},
		{"sensor": "s-2", "metric": "temperature", "last": time.Now().UTC()},
	}})
}

func (f *fake) aggregates(w http.ResponseWriter, r *http.Request) {
	from, err := time.Parse(time.RFC3339, r.FormValue("from"))
	to, err2 := time.Parse(time.RFC3339, r.FormValue("to"))
	step := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[r.FormValue("granularity")]
	if err != nil || err2 != nil || step == 0 || r.FormValue("metric") != "temperature" {
		http.Error(w, "bad query", http.StatusBadRequest)
		return
	}
	buckets := []map[string]any{}
	for at := from.Truncate(step); at.Before(to); at = at.Add(step) {
		x := float64(at.Unix()) / step.Seconds()
		mean := 21.5 + 2*math.Sin(x/9) + 0.3*math.Sin(x*2.3)
		buckets = append(buckets, map[string]any{
			"start": at.UTC(), "count": 600, "min": mean - 1.2 - 0.3*math.Sin(x), "max": mean + 1.4, "mean": mean, "sum": mean * 600,
		})
	}
	reply(w, map[string]any{"buckets": buckets})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
