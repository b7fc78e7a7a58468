package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// Config is what a Handler is made of. Sink is required; for the others zero is
// the default given here.
type Config struct {
	Sink Sink

	MaxBody     int64 // bytes of a request as it is sent; default 8 MiB
	MaxDecoded  int64 // bytes of a request after decompression; default 16 MiB
	MaxReadings int   // of a request; default 10,000
	MaxLine     int   // bytes of a line of NDJSON; default 64 KiB
	MaxRequests int   // at once; more are refused as if there were no room; default 256

	RetryAfter  time.Duration // what who was refused is told, in whole seconds; default 1 s
	StoredAfter time.Duration // how long ack=stored waits at most for the store; default 30 s

	Logger *slog.Logger // default slog.Default()
}

// The defaults of Config.
const (
	DefaultMaxBody     = 8 << 20
	DefaultMaxDecoded  = 16 << 20
	DefaultMaxReadings = 10_000
	DefaultMaxLine     = 64 << 10
	DefaultMaxRequests = 256
	DefaultRetryAfter  = time.Second
	DefaultStoredAfter = 30 * time.Second
)

// Handler is POST /v1/readings. A request is accepted whole or not at all.
type Handler struct {
	cfg      Config
	requests atomic.Int64
	idle     chan *reading.Decoder // for the next requests
}

// New makes a Handler. The error joins one for every bad setting.
func New(cfg Config) (*Handler, error) {
	var bad []error
	if cfg.Sink == nil {
		bad = append(bad, errors.New("ingest: Sink is nil: it is required"))
	}
	bad = append(bad,
		setting(&cfg.MaxBody, "MaxBody", DefaultMaxBody), setting(&cfg.MaxDecoded, "MaxDecoded", DefaultMaxDecoded),
		setting(&cfg.MaxReadings, "MaxReadings", DefaultMaxReadings), setting(&cfg.MaxLine, "MaxLine", DefaultMaxLine),
		setting(&cfg.MaxRequests, "MaxRequests", DefaultMaxRequests),
		setting(&cfg.RetryAfter, "RetryAfter", DefaultRetryAfter), setting(&cfg.StoredAfter, "StoredAfter", DefaultStoredAfter))
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Handler{cfg: cfg, idle: make(chan *reading.Decoder, 2*runtime.GOMAXPROCS(0))}, nil
}

func setting[T int | int64 | time.Duration](value *T, name string, standard T) error {
	if *value < 0 {
		return fmt.Errorf("ingest: %s is %v: allowed are 0, the default, and more", name, *value)
	}
	if *value == 0 {
		*value = standard
	}
	return nil
}

// ServeHTTP answers with what became of the request; see answer.go.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, problem{status: http.StatusMethodNotAllowed, Error: "readings are sent with POST"})
		return
	}
	defer h.requests.Add(-1)
	if h.requests.Add(1) > int64(h.cfg.MaxRequests) {
		h.full(w, fmt.Sprintf("more than %d requests at once", h.cfg.MaxRequests))
		return
	}
	stored, err := wantsStored(r)
	if err != nil {
		refuse(w, problem{status: http.StatusBadRequest, Error: err.Error()})
		return
	}
	body, err := h.open(w, r)
	if err != nil {
		h.unread(w, err)
		return
	}
	defer body.Close()

	decoder := h.decoder()
	defer h.release(decoder)
	var readings []reading.Reading
	if body.lines {
		readings, err = decoder.Lines(body)
	} else {
		readings, err = decoder.JSON(body)
	}
	if err != nil {
		h.unread(w, err)
		return
	}

	ctx := r.Context()
	if stored {
		limited, cancel := context.WithTimeoutCause(ctx, h.cfg.StoredAfter, errStoredAfter)
		defer cancel()
		ctx = limited
	}
	err = h.cfg.Sink.Accept(ctx, readings, stored)
	switch {
	case err == nil:
		accepted(w, len(readings), stored)
	case errors.Is(err, ErrElsewhere):
		elsewhere(w, len(readings))
	default:
		h.refused(w, r, err)
	}
}

// wantsStored reads the query, in which there is ack=stored, ack=accepted, the
// default, or nothing.
func wantsStored(r *http.Request) (bool, error) {
	if r.URL.RawQuery == "" {
		return false, nil
	}
	stored := false
	for name, values := range r.URL.Query() {
		if name != "ack" || len(values) != 1 {
			return false, fmt.Errorf("the parameter %.40q: there is ack, once", name)
		}
		switch values[0] {
		case "stored":
			stored = true
		case "accepted":
		default:
			return false, fmt.Errorf("ack is %.40q: allowed are accepted, the default, and stored", values[0])
		}
	}
	return stored, nil
}

func (h *Handler) decoder() *reading.Decoder {
	var d *reading.Decoder
	select {
	case d = <-h.idle:
	default:
		d = &reading.Decoder{MaxReadings: h.cfg.MaxReadings, MaxLine: h.cfg.MaxLine}
	}
	d.Now = time.Now().UTC().Truncate(time.Microsecond)
	return d
}

func (h *Handler) release(d *reading.Decoder) {
	select {
	case h.idle <- d:
	default:
	}
}
