package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

type Event struct {
	User string `json:"user"`
	Name string `json:"name"`
}

// store stands for your database.
func store(ctx context.Context, events []Event) error {
	log.Printf("stored %d events", len(events))
	return nil
}

// keep writes what was given up, or is left over, to a file for somebody to look at.
func keep(_ context.Context, batch flusher.Batch[Event]) error {
	file, err := os.OpenFile("dead-letter.ndjson", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(file)
	for _, event := range batch.Items {
		err = errors.Join(err, lines.Encode(map[string]any{"event": event, "cause": batch.Cause.Error()}))
	}
	return errors.Join(err, file.Close())
}

func main() {
	// Telemetry: the buffer finds OpenTelemetry's global providers by itself.
	exporter, err := prometheus.New()
	if err != nil {
		log.Fatal(err)
	}
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)))

	events, err := buffer.New(buffer.Config[Event]{
		Name:       "events",
		Flusher:    flusher.Items(store),
		DeadLetter: flusher.Func[Event](keep),      // for what is refused for good: flusher.Permanent, a panic
		Retry:      flusher.Retry{MaxAttempts: -1}, // an outage is waited for; with 0, a dead letter takes over after 5 attempts
		Partitions: 4,
		MaxSize:    1000,
	})
	if err != nil {
		log.Fatal(err)
	}

	http.Handle("GET /metrics", promhttp.Handler())
	http.HandleFunc("POST /events", func(w http.ResponseWriter, r *http.Request) {
		var event Event
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&event); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := events.Insert(r.Context(), event); err != nil { // waits for room, as long as the client does
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted) // it is in memory, not stored yet
	})
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("ADDR"), "localhost:8080"),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
	}
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()

	// Graceful shutdown: first whoever inserts, then the buffer, each with a time of
	// its own, so that a slow client takes none of the buffer's.
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	<-stopped.Done()
	stop() // a second signal ends the process
	closing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		log.Print(err)
		server.Close()
	}
	flushing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = events.Shutdown(flushing)
	if left, ok := errors.AsType[*buffer.ShutdownError[Event]](err); ok {
		log.Printf("%d events are not stored, %d more may or may not be", len(left.Undelivered), len(left.InDoubt))
		err = errors.Join(err, keep(context.Background(), flusher.Batch[Event]{Items: left.Undelivered, Cause: left.Err}))
	}
	if err != nil {
		log.Fatal(err)
	}
}
