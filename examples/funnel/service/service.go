// Package service puts the parts together: it starts them, and stops them in
// order.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/kafka"
	"github.com/go-databuffer/databuffer/examples/funnel/live"
	"github.com/go-databuffer/databuffer/examples/funnel/observe"
	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/query"
	"github.com/go-databuffer/databuffer/examples/funnel/settings"
)

// Service is one running funnel. Make it with Start and end it with Stop.
type Service struct {
	set    settings.Settings
	logger *slog.Logger

	removeData func() error
	listener   net.Listener
	profiling  net.Listener // nil without -pprof
	store      opened
	observe    *observe.Observe
	pipeline   *pipeline.Pipeline
	kafka      *kafka.Kafka // nil without -kafka
	page       *live.Page
	server     *http.Server
	profiler   *http.Server

	stopping atomic.Bool
	serving  sync.WaitGroup // the servers, and the demo
	endDemo  context.CancelFunc
	failed   chan error // from the servers; nobody needs to read it
}

// Start starts everything, and returns when it serves. What it has started when
// something fails is stopped again.
func Start(ctx context.Context, set settings.Settings, version string, logger *slog.Logger) (*Service, error) {
	return startWith(ctx, set, version, logger, openStore)
}

type opener func(context.Context, settings.Settings) (opened, error)

func startWith(ctx context.Context, set settings.Settings, version string, logger *slog.Logger, open opener) (*Service, error) {
	s := &Service{set: set, logger: logger, removeData: func() error { return nil }, failed: make(chan error, 2)}
	if err := s.start(ctx, version, open); err != nil {
		return nil, errors.Join(err, s.abort())
	}
	return s, nil
}

func (s *Service) start(ctx context.Context, version string, open opener) (err error) {
	// The address comes first: of all that can be wrong it is the likeliest, and
	// a store that was opened before would only have to be closed.
	if s.listener, err = listen(ctx, "-listen", s.set.Listen); err != nil {
		return err
	}
	if s.set.Pprof != "" {
		if s.profiling, err = listen(ctx, "-pprof", s.set.Pprof); err != nil {
			return err
		}
	}
	if s.removeData, err = prepareData(&s.set); err != nil {
		return err
	}
	if s.observe, err = observe.Start(ctx, observe.Config{Service: "funnel", Version: version, Logger: s.logger}); err != nil {
		return err
	}
	store, err := open(ctx, s.set)
	if err != nil {
		return err
	}
	s.store = store
	sink, err := s.connect(ctx)
	if err != nil {
		return err
	}
	if err := s.handle(sink, version); err != nil {
		return err
	}
	s.serve(sink)
	return nil
}

// connect makes the way from the sink into the store.
func (s *Service) connect(ctx context.Context) (ingest.Sink, error) {
	cfg := pipeline.Config{
		Store:          s.store,
		Partitions:     s.set.Partitions,
		MaxSize:        s.set.Batch,
		MaxInFlight:    s.set.InFlight,
		FlushInterval:  s.set.FlushInterval,
		WriteTimeout:   s.set.WriteTimeout,
		TracerProvider: s.observe.Tracers(),
		MeterProvider:  s.observe.Meters(),
		Logger:         s.logger,
	}
	if s.set.Kafka != "" {
		// Kafka is told of each, and keeps it in its dead-letter topic.
		cfg.Rejected = func(context.Context, []pipeline.Item, error) error { return nil }
	}
	pipe, err := pipeline.New(cfg)
	if err != nil {
		return nil, err
	}
	s.pipeline = pipe
	if s.set.Kafka == "" {
		return pipeline.NewDirect(s.pipeline, s.set.Patience), nil
	}
	k, err := kafka.New(ctx, kafka.Config{
		Brokers:         s.set.Brokers(),
		Embedded:        s.set.Kafka == settings.Embedded,
		DataDir:         filepath.Join(s.set.Data, "kafka"),
		Topic:           s.set.KafkaTopic,
		DeadLetterTopic: s.set.KafkaDead,
		Group:           s.set.KafkaGroup,
		Partitions:      s.set.KafkaPartitions,
		Patience:        s.set.Patience,
		DeliveryTimeout: deliveryTimeout,
		Pipeline:        s.pipeline,
		Logger:          s.logger,
		MeterProvider:   s.observe.Meters(),
	})
	if err != nil {
		return nil, err
	}
	s.kafka = k
	if s.kafka.StandIn() {
		s.logger.Warn("Kafka is a stand-in for tests, in this process", slog.Any("brokers", s.kafka.Brokers()))
	}
	return s.kafka, nil
}

// handle makes what answers requests.
func (s *Service) handle(sink ingest.Sink, version string) error {
	in, err := ingest.New(ingest.Config{
		Sink:        sink,
		MaxBody:     int64(s.set.MaxBody),
		MaxDecoded:  int64(s.set.MaxDecoded),
		MaxReadings: s.set.MaxReadings,
		MaxLine:     s.set.MaxLine,
		MaxRequests: s.set.MaxRequests,
		RetryAfter:  s.set.RetryAfter,
		StoredAfter: s.set.StoredAfter,
		Logger:      s.logger,
	})
	if err != nil {
		return err
	}
	q, err := query.New(query.Config{Store: s.store, MaxBuckets: s.set.MaxBuckets, Timeout: s.set.QueryTimeout, Logger: s.logger})
	if err != nil {
		return err
	}
	if s.page, err = live.New(live.Config{Stats: s.pipeline.Stats, About: live.About{
		Version: version, Store: s.store.name, Kafka: s.kafka != nil, Embedded: s.set.Kafka == settings.Embedded, Demo: s.set.Demo,
	}}); err != nil {
		return err
	}
	s.server = newServer(s.set, s.routes(in, q), s.logger)
	s.server.RegisterOnShutdown(s.page.Close)
	if s.profiling != nil {
		s.profiler = newProfiler(s.logger)
	}
	return nil
}

// serve starts the servers, and the demo, whose goroutines Stop waits for.
func (s *Service) serve(sink ingest.Sink) {
	run := func(server *http.Server, on net.Listener) {
		s.serving.Go(func() {
			if err := server.Serve(on); !errors.Is(err, http.ErrServerClosed) {
				s.failed <- err
			}
		})
	}
	run(s.server, s.listener)
	if s.profiler != nil {
		run(s.profiler, s.profiling)
		s.logger.Info("profiles", slog.String("address", "http://"+reachable(s.profiling.Addr())+"/debug/pprof/"))
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.endDemo = cancel
	if s.set.Demo {
		s.serving.Go(func() { demo(ctx, sink, s.store, s.logger) })
	}
}

// URL is where the page is.
func (s *Service) URL() string { return "http://" + reachable(s.listener.Addr()) + "/" }

// Failed gives the error of a server that cannot go on, as rarely happens.
func (s *Service) Failed() <-chan error { return s.failed }

func listen(ctx context.Context, name, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is %s: another program listens there already; choose another port, or 0 for any that is free", name, address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is %s: %w", name, address, err)
	}
	return listener, nil
}

func addrPort(tcp *net.TCPAddr) string { return strconv.Itoa(tcp.Port) }
