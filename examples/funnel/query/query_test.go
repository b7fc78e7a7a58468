package query

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

type fakeStore struct {
	store.Store // nil: only what is asked
	query       store.Query
	limit       int
	buckets     []store.Bucket
	sensors     []store.Sensor
	wait        time.Duration
	err         error
}

func (f *fakeStore) Aggregate(ctx context.Context, q store.Query) ([]store.Bucket, error) {
	f.query = q
	if f.wait > 0 {
		select {
		case <-time.After(f.wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return f.buckets, f.err
}

func (f *fakeStore) Sensors(_ context.Context, limit int) ([]store.Sensor, error) {
	f.limit = limit
	return f.sensors[:min(limit, len(f.sensors))], f.err
}

func handler(t *testing.T, f *fakeStore, cfg Config) *Handler {
	t.Helper()
	cfg.Store, cfg.Logger = f, slog.New(slog.DiscardHandler)
	h, err := New(cfg)
	require.NoError(t, err)
	return h
}

func get(h http.Handler, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/", RawQuery: query}})
	return w
}

func date(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	_, err := New(Config{MaxBuckets: -1})
	require.ErrorContains(t, err, "Store is nil")
	require.ErrorContains(t, err, "MaxBuckets is -1")
}

func TestTheQuestionIsReadWithItsDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is 2000-01-01T00:00:00Z
		f := &fakeStore{}
		h := handler(t, f, Config{})
		time.Sleep(1500 * time.Millisecond)
		for query, want := range map[string]store.Query{
			"sensor=a": {Sensor: "a", Metric: "value", From: date("1999-12-31T23:00:02Z"), To: date("2000-01-01T00:00:02Z"), Granularity: store.Minute},
			"sensor=a&metric=m&granularity=day&exact=true&to=1999-01-31T00:00:00Z": {
				Sensor: "a", Metric: "m", From: date("1998-12-02T00:00:00Z"), To: date("1999-01-31T00:00:00Z"), Granularity: store.Day, Exact: true,
			},
			"sensor=%C3%A9&granularity=hour&exact=false&from=1999-01-31T02:00:00%2B02:00&to=1999-01-31T01:00:00.000001Z": {
				Sensor: "é", Metric: "value", From: date("1999-01-31T00:00:00Z"), To: date("1999-01-31T01:00:00.000001Z"), Granularity: store.Hour,
			},
		} {
			w := get(h.Aggregates(), query)
			require.Equal(t, 200, w.Code, w.Body.String())
			assert.Equal(t, want, f.query, query)
		}
	})
}

func TestBucketsAreWrittenInFull(t *testing.T) {
	east := time.FixedZone("east", 3600)
	f := &fakeStore{buckets: []store.Bucket{
		{Start: date("2026-01-02T03:04:00Z").In(east), Count: 3, Min: -1.5, Max: 1e21, Mean: 1.0 / 3, Sum: 0.1},
		{Start: date("2026-01-02T03:05:00Z"), Count: 2, Min: 1e308, Max: 1.7e308, Mean: math.NaN(), Sum: math.Inf(1)},
	}}
	w := get(handler(t, f, Config{}).Aggregates(), "sensor=a&from=2026-01-02T03:04:00Z&to=2026-01-02T03:06:00Z")
	assert.Equal(t, `{"sensor":"a","metric":"value","from":"2026-01-02T03:04:00Z","to":"2026-01-02T03:06:00Z","granularity":"minute","buckets":[`+
		`{"start":"2026-01-02T03:04:00Z","count":3,"min":-1.5,"max":1e+21,"mean":0.3333333333333333,"sum":0.1},`+
		`{"start":"2026-01-02T03:05:00Z","count":2,"min":1e+308,"max":1.7e+308,"mean":null,"sum":null}]}`+"\n", w.Body.String())
	assert.Equal(t, "application/json", w.Header().Get("Content-Type"))

	f.buckets = nil
	w = get(handler(t, f, Config{}).Aggregates(), "sensor=a")
	assert.Contains(t, w.Body.String(), `"buckets":[]`)
}

func TestAWrongQuestionIsSaidToBeSo(t *testing.T) {
	long := strings.Repeat("x", 129)
	for query, want := range map[string]string{
		"":                                 "sensor is required",
		"metric=m":                         "sensor is required",
		"sensor=" + long:                   "sensor has 129 bytes",
		"sensor=a&metric=" + long:          "metric 129",
		"sensor=a&sensor=b":                "is there 2 times",
		"sensor=a&bucket=1":                `the parameter "bucket"`,
		"sensor=a&granularity=second":      `granularity is "second": allowed are minute, hour and day`,
		"sensor=a&exact=1":                 `exact is "1"`,
		"sensor=a&from=yesterday":          "from: not a time",
		"sensor=a&to=1960-01-01T00:00:00Z": "to: a time outside",
		"sensor=a&from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z":        "from is not before to",
		"sensor=a&from=2026-01-01T00:00:00Z&to=2026-01-01T00:10:00.000001Z": "11 buckets apart: allowed are 10",
		"sensor=a&from=2026-01-01T00:00:59Z&to=2026-01-01T00:10:01Z":        "11 buckets apart",
		"sensor=%zz": "cannot be read",
		"a;b":        "cannot be read",
	} {
		f := &fakeStore{}
		w := get(handler(t, f, Config{MaxBuckets: 10}).Aggregates(), query)
		assert.Equal(t, 400, w.Code, query)
		var answer struct{ Error string }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		assert.Contains(t, answer.Error, want, query)
		assert.Equal(t, store.Query{}, f.query, "the store is not asked")
	}
	w := get(handler(t, &fakeStore{}, Config{MaxBuckets: 10}).Aggregates(), "sensor=a&from=2026-01-01T00:00:00Z&to=2026-01-01T00:10:00Z")
	assert.Equal(t, 200, w.Code, "the limit itself is allowed")
}

func TestSensorsSaysWhetherThereAreMore(t *testing.T) {
	f := &fakeStore{sensors: []store.Sensor{{Sensor: "a", Metric: "m", Last: date("2026-01-02T03:04:05Z")}, {Sensor: "b", Metric: "value", Last: date("2026-01-02T03:04:06.5Z")}}}
	h := handler(t, f, Config{MaxSensors: 5}).Sensors()
	const a, b = `{"sensor":"a","metric":"m","last":"2026-01-02T03:04:05Z"}`, `{"sensor":"b","metric":"value","last":"2026-01-02T03:04:06.5Z"}`
	assert.JSONEq(t, `{"sensors":[`+a+`,`+b+`],"more":false}`, get(h, "").Body.String())
	assert.Equal(t, 6, f.limit)
	assert.JSONEq(t, `{"sensors":[`+a+`,`+b+`],"more":false}`, get(h, "limit=2").Body.String())
	assert.JSONEq(t, `{"sensors":[`+a+`],"more":true}`, get(h, "limit=1").Body.String())
	for _, query := range []string{"limit=0", "limit=6", "limit=x", "limit=-1", "limt=1"} {
		assert.Equal(t, 400, get(h, query).Code, query)
	}
	f.sensors = nil
	assert.JSONEq(t, `{"sensors":[],"more":false}`, get(h, "").Body.String())
}

func TestAStoreThatFailsIsNotQuoted(t *testing.T) {
	f := &fakeStore{err: errors.New("secret")}
	w := get(handler(t, f, Config{}).Aggregates(), "sensor=a")
	assert.Equal(t, 500, w.Code)
	assert.NotContains(t, w.Body.String(), "secret")
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{wait: time.Hour}
		w := get(handler(t, f, Config{Timeout: 3 * time.Second}).Aggregates(), "sensor=a")
		assert.Equal(t, 504, w.Code)
		assert.Contains(t, w.Body.String(), "longer than 3s")
	})
}
