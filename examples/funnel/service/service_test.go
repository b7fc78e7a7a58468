package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

const one = `{"sensor":"a","value":1.5,"time":"2026-01-02T03:04:05Z"}`

type aggregates struct {
	Buckets []struct {
		Start               time.Time
		Count               int64
		Min, Max, Mean, Sum float64
	}
}

// What comes out is what a plain recomputation of what went in comes to, in each
// granularity. Sums are of multiples of 1/4, so that they are exact.
func TestAggregatesAreThoseOfWhatWasSent(t *testing.T) {
	r := start(t, "-batch", "700", "-flush-interval", "50ms")
	random := rand.New(rand.NewPCG(3, 4))
	base := time.Date(2026, 2, 27, 22, 30, 0, 0, time.UTC)
	type key struct {
		sensor, metric string
		start          int64
	}
	granularities := map[string]int64{"minute": 60, "hour": 3600, "day": 86400}
	want := map[string]map[key][]float64{"minute": {}, "hour": {}, "day": {}}
	var bodies []string
	for range 40 {
		var lines []byte
		for range 1 + random.IntN(200) {
			one := reading.Reading{
				Sensor: fmt.Sprintf("s-%d", random.IntN(3)), Metric: []string{"value", "température"}[random.IntN(2)],
				Value: float64(random.IntN(4000)-2000) / 4,
				Time:  base.Add(time.Duration(random.Int64N(int64(50 * time.Hour)))).Truncate(time.Microsecond),
			}
			lines = append(reading.Append(lines, one), '\n')
			for name, seconds := range granularities {
				k := key{one.Sensor, one.Metric, one.Time.Unix() / seconds * seconds}
				want[name][k] = append(want[name][k], one.Value)
			}
		}
		bodies = append(bodies, string(lines))
	}
	var all sync.WaitGroup
	for _, body := range bodies {
		all.Go(func() {
			code, answer := r.do(http.MethodPost, "/v1/readings?ack=stored", body, "Content-Type", "application/x-ndjson")
			assert.Equal(t, http.StatusOK, code, answer)
		})
	}
	all.Wait()
	for name := range granularities {
		found := 0
		for _, sensor := range []string{"s-0", "s-1", "s-2"} {
			for _, metric := range []string{"value", "température"} {
				var got aggregates
				r.get("/v1/aggregates?"+url.Values{
					"sensor": {sensor}, "metric": {metric}, "granularity": {name},
					"from": {base.Format(time.RFC3339)}, "to": {base.Add(50 * time.Hour).Format(time.RFC3339)},
				}.Encode(), &got)
				for _, b := range got.Buckets {
					values := want[name][key{sensor, metric, b.Start.Unix()}]
					sum, low, high := 0.0, math.Inf(1), math.Inf(-1)
					for _, v := range values {
						sum, low, high = sum+v, min(low, v), max(high, v)
					}
					require.Equal(t, []float64{float64(len(values)), low, high, sum, sum / float64(len(values))},
						[]float64{float64(b.Count), b.Min, b.Max, b.Sum, b.Mean}, "%s %s %s %s", name, sensor, metric, b.Start)
					found++
				}
			}
		}
		require.Len(t, want[name], found, "buckets by %s", name)
	}
	var sensors struct{ Sensors []store.Sensor }
	r.get("/v1/sensors", &sensors)
	assert.Len(t, sensors.Sensors, 6)
}

func TestItAnswersWhereItShould(t *testing.T) {
	r := start(t)
	for path, text := range map[string]string{"/": "<!doctype html>", "/healthz": "alive", "/readyz": `"ready":true`, "/metrics": "databuffer_item_accepted", "/v1/sensors": `"sensors":[]`} {
		code, body := r.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, code, path)
		assert.Contains(t, body, text, path)
	}
	for path, status := range map[string]int{"/v1/readings": 405, "/v1/nothing": 404, "/debug/pprof/": 404, "/v1/aggregates": 400} {
		code, _ := r.do(http.MethodGet, path, "")
		assert.Equal(t, status, code, path)
	}
	code, body := r.do(http.MethodPost, "/v1/readings", one, "Content-Type", "application/json")
	assert.Equal(t, http.StatusAccepted, code)
	assert.JSONEq(t, `{"accepted":1}`, body)
}

func TestATokenIsAskedForWhereThereIsOne(t *testing.T) {
	const token = "0123456789abcdefghij"
	r := start(t, "-token", token)
	for _, path := range []string{"/v1/readings", "/v1/sensors", "/v1/aggregates", "/v1/live", "/metrics"} {
		for _, given := range []string{"", token, "Bearer ", "Bearer " + token + "x", "Bearer " + token[1:], "bearer" + token, "Basic " + token} {
			code, _ := r.do(http.MethodGet, path, "", "Authorization", given)
			assert.Equal(t, http.StatusUnauthorized, code, "%s with %q", path, given)
		}
	}
	for _, path := range []string{"/", "/healthz", "/readyz"} {
		code, _ := r.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, code, path)
	}
	code, _ := r.do(http.MethodPost, "/v1/readings", one, "Authorization", "Bearer "+token, "Host", "funnel.example", "Sec-Fetch-Site", "cross-site")
	assert.Equal(t, http.StatusAccepted, code, "who has the token may come from anywhere")
}

func TestOtherSitesMayNotUseTheBrowser(t *testing.T) {
	r := start(t)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}, {"Host", "evil.example"}, {"Host", "evil.example:8080"}} {
		code, _ := r.do(http.MethodPost, "/v1/readings", one, headers...)
		assert.Equal(t, http.StatusForbidden, code, "%v", headers)
	}
	code, _ := r.do(http.MethodGet, "/v1/sensors", "", "Host", "evil.example")
	assert.Equal(t, http.StatusForbidden, code)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Host", "localhost:8080"}, {"Host", "[::1]"}, {"Host", "127.0.0.1"}} {
		code, _ := r.do(http.MethodPost, "/v1/readings", one, headers...)
		assert.Equal(t, http.StatusAccepted, code, "%v", headers)
	}
}

func TestAPortThatIsTakenIsSaidClearly(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	folder := t.TempDir() + "/data"
	_, err = Start(t.Context(), parse(t, "-listen", taken.Addr().String(), "-data", folder), "test", slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "another program listens there already")
	_, err = os.Stat(folder)
	require.ErrorIs(t, err, os.ErrNotExist, "nothing was begun")
	_, err = Start(t.Context(), parse(t, "-pprof", taken.Addr().String(), "-data", folder), "test", slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "-pprof")
}

func TestAStoreThatDoesNotOpenStopsTheStart(t *testing.T) {
	file := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Start(t.Context(), parse(t, "-data", file), "test", slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "-data")
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(folder+"/readings.db", []byte(strings.Repeat("no database", 1000)), 0o600))
	_, err = Start(t.Context(), parse(t, "-data", folder), "test", slog.New(slog.DiscardHandler))
	require.Error(t, err)
}

func TestProfilesHaveAListenerOfTheirOwn(t *testing.T) {
	r := start(t, "-pprof", "127.0.0.1:0")
	answer, err := http.Get("http://" + r.profiling.Addr().String() + "/debug/pprof/goroutine?debug=1")
	require.NoError(t, err)
	answer.Body.Close()
	assert.Equal(t, http.StatusOK, answer.StatusCode)
}

func TestTheDemoMovesAndLeavesNothingBehind(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	s, err := Start(t.Context(), parse(t, "-demo", "-flush-interval", "50ms"), "test", logger)
	require.NoError(t, err)
	folder := s.set.Data
	require.DirExists(t, folder)
	r := &running{Service: s, t: t}
	var hour aggregates
	query := url.Values{"sensor": {"demo-01"}, "metric": {"temperature"}, "from": {time.Now().UTC().Add(-2 * time.Hour).Format(time.RFC3339)}}.Encode()
	eventually(t, "an hour of readings", func() bool {
		r.get("/v1/aggregates?"+query, &hour)
		return len(hour.Buckets) >= 59
	})
	eventually(t, "live readings", func() bool { return s.pipeline.Stats().Total.Accepted > 240*demoSensors })
	require.NoError(t, s.Stop(context.Background()))
	assert.NoDirExists(t, folder)
	http.DefaultClient.CloseIdleConnections()
}

func TestWhatWasAcceptedIsThereAfterARestart(t *testing.T) {
	folder := t.TempDir()
	r := start(t, "-data", folder, "-flush-interval", "1h")
	for range 30 {
		code, _ := r.do(http.MethodPost, "/v1/readings", "["+one+","+one+"]")
		require.Equal(t, http.StatusAccepted, code)
	}
	require.NoError(t, r.Stop(t.Context()))
	assert.Contains(t, r.log.String(), "all that was accepted is stored")
	assert.Contains(t, r.log.String(), "accepted=60 stored=60")

	r = start(t, "-data", folder)
	var got aggregates
	r.get("/v1/aggregates?sensor=a&from=2026-01-02T00:00:00Z&to=2026-01-03T00:00:00Z&granularity=day", &got)
	require.Len(t, got.Buckets, 1)
	assert.Equal(t, int64(60), got.Buckets[0].Count)
	assert.InDelta(t, 90, got.Buckets[0].Sum, 0)
}

// stuckStore writes only once it may.
type stuckStore struct {
	store.Store
	stuck chan struct{} // closed: no more
	err   error
}

func (s stuckStore) Write(ctx context.Context, rows []store.Row) error {
	select {
	case <-s.stuck:
		return s.Store.Write(ctx, rows)
	case <-ctx.Done():
		return errors.Join(ctx.Err(), s.err)
	}
}

func (s stuckStore) Ping(ctx context.Context) error {
	select {
	case <-s.stuck:
		return s.Store.Ping(ctx)
	default:
		return errors.New("down")
	}
}

func TestWhatIsLeftIsSaidInNumbers(t *testing.T) {
	stuck := make(chan struct{})
	r := startOver(t, func(s store.Store) store.Store { return stuckStore{Store: s, stuck: stuck} },
		"-batch", "10", "-partitions", "1", "-stop-timeout", "900ms")
	for range 3 {
		code, _ := r.do(http.MethodPost, "/v1/readings", "["+strings.TrimSuffix(strings.Repeat(one+",", 5), ",")+"]")
		require.Equal(t, http.StatusAccepted, code)
	}
	began := time.Now()
	err := r.Stop(t.Context())
	left, ok := errors.AsType[*LeftError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, LeftError{Undelivered: 15}, *left)
	assert.Less(t, time.Since(began), 10*time.Second)
	assert.Contains(t, r.log.String(), "undelivered=15 in_doubt=0")
}

func TestAStoreThatIsDownAWhileLosesNothing(t *testing.T) {
	stuck := make(chan struct{})
	r := startOver(t, func(s store.Store) store.Store { return stuckStore{Store: s, stuck: stuck} },
		"-batch", "100", "-partitions", "2", "-patience", "50ms", "-write-timeout", "100ms", "-retry-after", "1500ms")
	code, body := r.do(http.MethodGet, "/readyz", "")
	assert.Equal(t, http.StatusServiceUnavailable, code)
	assert.Contains(t, body, "the store does not answer")
	batch := "[" + strings.TrimSuffix(strings.Repeat(one+",", 50), ",") + "]"
	accepted, refused := 0, 0
	for refused < 5 {
		switch code, body := r.do(http.MethodPost, "/v1/readings", batch); code {
		case http.StatusAccepted:
			accepted += 50
		case http.StatusTooManyRequests:
			refused++
		default:
			t.Fatal(code, body)
		}
	}
	assert.Equal(t, 400, accepted, "two partitions of a batch that is filled and one that is written")
	close(stuck)
	eventually(t, "there is room again", func() bool {
		code, _ := r.do(http.MethodPost, "/v1/readings?ack=stored", batch)
		return code == http.StatusOK
	})
	require.NoError(t, r.Stop(t.Context()))
	assert.Contains(t, r.log.String(), fmt.Sprintf("accepted=%d stored=%d", accepted+50, accepted+50))
}

func TestStoppingIsDoneInOrder(t *testing.T) {
	stuck := make(chan struct{})
	r := startOver(t, func(s store.Store) store.Store { return stuckStore{Store: s, stuck: stuck} }, "-unready-delay", "300ms", "-stop-timeout", "20s")
	var waiting sync.WaitGroup
	waiting.Go(func() {
		code, body := r.do(http.MethodPost, "/v1/readings?ack=stored", one)
		assert.Equal(t, http.StatusOK, code, body)
	})
	eventually(t, "the request is accepted", func() bool { return r.pipeline.Stats().Total.Accepted == 1 })
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(context.Background()) }()
	eventually(t, "unready", func() bool {
		code, body := r.do(http.MethodGet, "/readyz", "")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "stopping")
	})
	code, _ := r.do(http.MethodPost, "/v1/readings", one)
	assert.Equal(t, http.StatusAccepted, code, "unready still takes what comes")
	close(stuck)
	waiting.Wait()
	require.NoError(t, <-stopped)
	_, err := http.Get(r.URL())
	require.Error(t, err)
	assert.Contains(t, r.log.String(), "accepted=2 stored=2")
}
