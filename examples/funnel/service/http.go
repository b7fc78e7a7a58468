package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/kafka"
	"github.com/go-databuffer/databuffer/examples/funnel/live"
	"github.com/go-databuffer/databuffer/examples/funnel/query"
	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

const (
	headerTimeout = 5 * time.Second
	answerTime    = 10 * time.Second // to send an answer, beyond what it waits for
	readyTimeout  = 2 * time.Second
	maxHeader     = 16 << 10

	deliveryTimeout = kafka.DefaultDeliveryTimeout
)

// routes is who answers what. All but the page's files and the two questions
// after its health is guarded.
func (s *Service) routes(in *ingest.Handler, q *query.Handler) http.Handler {
	guarded := http.NewServeMux()
	guarded.Handle("/v1/readings", in)
	guarded.Handle("GET /v1/aggregates", q.Aggregates())
	guarded.Handle("GET /v1/sensors", q.Sensors())
	guarded.Handle("GET /v1/live", s.page.Stream())
	guarded.Handle("GET /metrics", s.observe.Metrics())

	protected := guard(s.set.Token, guarded)
	mux := http.NewServeMux()
	mux.Handle("/v1/", protected)
	mux.Handle("/metrics", protected)
	mux.Handle("/", live.Static())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, `{"alive":true}`) })
	mux.HandleFunc("GET /readyz", s.ready)
	return mux
}

// ready says whether to send requests here: not while stopping, nor while the
// store or Kafka does not answer.
func (s *Service) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if s.stopping.Load() {
		answer(w, http.StatusServiceUnavailable, `{"ready":false,"reason":"stopping"}`)
		return
	}
	if err := s.store.Ping(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable, `{"ready":false,"reason":"the store does not answer"}`)
		return
	}
	if s.kafka != nil {
		if err := s.kafka.Ping(ctx); err != nil {
			answer(w, http.StatusServiceUnavailable, `{"ready":false,"reason":"Kafka does not answer"}`)
			return
		}
	}
	answer(w, http.StatusOK, `{"ready":true}`)
}

// newServer is a server whose every wait has an end. What an answer waits for
// itself comes on top of the time in which its request arrives: else the connection
// would be closed before its answer, which says whether to send it again.
func newServer(set settings.Settings, handler http.Handler, logger *slog.Logger) *http.Server {
	wait := max(set.StoredAfter, set.QueryTimeout)
	if set.Kafka != "" {
		wait = max(wait, deliveryTimeout)
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: min(headerTimeout, set.ReadTimeout),
		ReadTimeout:       set.ReadTimeout,
		WriteTimeout:      set.ReadTimeout + set.Patience + wait + answerTime,
		IdleTimeout:       set.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // of clients that go away
	}
}

// newProfiler serves Go's profiles, which take as long as they are asked to.
func newProfiler(logger *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return &http.Server{
		Handler:           guard("", mux), // it listens on loopback only
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// reachable is an address that a browser on this machine can open.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return addr.String()
	}
	if tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", addrPort(tcp))
	}
	return net.JoinHostPort(tcp.IP.String(), addrPort(tcp))
}
