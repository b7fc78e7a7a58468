// Package query answers what is in the store: GET /v1/aggregates and GET
// /v1/sensors.
package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// Config is what a Handler is made of. Store is required; for the others zero is
// the default given here.
type Config struct {
	Store store.Store

	MaxBuckets int           // of one answer; default 10,000
	MaxSensors int           // of one answer; default 10,000
	Timeout    time.Duration // of one question to the store; default 30 s

	Logger *slog.Logger // default slog.Default()
}

// The defaults of Config, and how many sensors are listed where nothing is said.
const (
	DefaultMaxBuckets = 10_000
	DefaultMaxSensors = 10_000
	DefaultTimeout    = 30 * time.Second
	defaultSensors    = 1000
	defaultBuckets    = 60
)

// Handler holds both endpoints.
type Handler struct{ cfg Config }

// New makes a Handler. The error joins one for every bad setting.
func New(cfg Config) (*Handler, error) {
	var bad []error
	if cfg.Store == nil {
		bad = append(bad, errors.New("query: Store is nil: it is required"))
	}
	if cfg.MaxBuckets < 0 || cfg.MaxSensors < 0 || cfg.Timeout < 0 {
		bad = append(bad, fmt.Errorf("query: MaxBuckets is %d, MaxSensors %d, Timeout %v: allowed are 0, the default, and more", cfg.MaxBuckets, cfg.MaxSensors, cfg.Timeout))
	}
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	for value, standard := range map[*int]int{&cfg.MaxBuckets: DefaultMaxBuckets, &cfg.MaxSensors: DefaultMaxSensors} {
		if *value == 0 {
			*value = standard
		}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Handler{cfg: cfg}, nil
}

// aggregates is the answer to /v1/aggregates. From and To are those asked for,
// or what was taken instead; there is a bucket for each granule with readings.
type aggregates struct {
	Sensor      string    `json:"sensor"`
	Metric      string    `json:"metric"`
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Granularity string    `json:"granularity"`
	Buckets     []bucket  `json:"buckets"`
}

type bucket struct {
	Start time.Time `json:"start"`
	Count int64     `json:"count"`
	Min   number    `json:"min"`
	Max   number    `json:"max"`
	Mean  number    `json:"mean"`
	Sum   number    `json:"sum"`
}

// number is null where it is beyond float64, as a sum can be.
type number float64

// MarshalJSON implements json.Marshaler. The digits are as many as it takes to
// read back the same float64.
func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(n), 'g', -1, 64), nil
}

// Aggregates is GET /v1/aggregates?sensor=&metric=&from=&to=&granularity=&exact=.
// Only sensor is required: metric is "value", to is now, granularity minute, and
// from 60 of these before to.
func (h *Handler) Aggregates() http.Handler {
	return h.answering(func(ctx context.Context, params url.Values) (any, error) {
		query, granularity, err := h.parse(params, time.Now())
		if err != nil {
			return nil, &wrong{err.Error()}
		}
		found, err := h.cfg.Store.Aggregate(ctx, query)
		if err != nil {
			return nil, err
		}
		answer := aggregates{
			Sensor: query.Sensor, Metric: query.Metric, From: query.From, To: query.To, Granularity: granularity,
			Buckets: make([]bucket, len(found)),
		}
		for i, b := range found {
			answer.Buckets[i] = bucket{b.Start.UTC(), b.Count, number(b.Min), number(b.Max), number(b.Mean), number(b.Sum)}
		}
		return answer, nil
	})
}

// sensors is the answer to /v1/sensors.
type sensors struct {
	Sensors []sensor `json:"sensors"`
	More    bool     `json:"more"` // there are more than the limit
}

type sensor struct {
	Sensor string    `json:"sensor"`
	Metric string    `json:"metric"`
	Last   time.Time `json:"last"`
}

// Sensors is GET /v1/sensors?limit=.
func (h *Handler) Sensors() http.Handler {
	return h.answering(func(ctx context.Context, params url.Values) (any, error) {
		limit := min(defaultSensors, h.cfg.MaxSensors)
		if err := only(params, "limit"); err != nil {
			return nil, &wrong{err.Error()}
		}
		if text := params.Get("limit"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > h.cfg.MaxSensors {
				return nil, &wrong{fmt.Sprintf("limit is %.40q: allowed are 1 to %d", text, h.cfg.MaxSensors)}
			}
			limit = n
		}
		found, err := h.cfg.Store.Sensors(ctx, limit+1)
		if err != nil {
			return nil, err
		}
		answer := sensors{Sensors: make([]sensor, 0, limit), More: len(found) > limit}
		for _, s := range found[:min(limit, len(found))] {
			answer.Sensors = append(answer.Sensors, sensor{s.Sensor, s.Metric, s.Last.UTC()})
		}
		return answer, nil
	})
}

// wrong is a question that is wrong: 400.
type wrong struct{ text string }

func (e *wrong) Error() string { return e.text }

var errTimeout = errors.New("query: the store took too long")

// answering answers with JSON what ask returns.
func (h *Handler) answering(ask func(context.Context, url.Values) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeoutCause(r.Context(), h.cfg.Timeout, errTimeout)
		defer cancel()
		status := http.StatusOK
		params, err := url.ParseQuery(r.URL.RawQuery)
		var answer any
		if err != nil {
			err = &wrong{"the query of the address cannot be read"}
		} else {
			answer, err = ask(ctx, params)
		}
		if err != nil {
			var text string
			status, text = h.failure(ctx, err)
			answer = map[string]string{"error": text}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer) // who asked is gone otherwise
	})
}

func (h *Handler) failure(ctx context.Context, err error) (status int, text string) {
	if bad, ok := errors.AsType[*wrong](err); ok {
		return http.StatusBadRequest, bad.text
	}
	switch cause := context.Cause(ctx); {
	case cause == errTimeout:
		return http.StatusGatewayTimeout, "the store took longer than " + h.cfg.Timeout.String()
	case cause != nil:
		return http.StatusServiceUnavailable, "the request has ended"
	}
	h.cfg.Logger.LogAttrs(ctx, slog.LevelError, "the store did not answer a query", slog.Any("error", err))
	return http.StatusInternalServerError, "the store did not answer: the log says why"
}
