// Command telemetry shows on the console what the buffer tells OpenTelemetry:
// spans of inserts and flushes, linked to each other, and the metrics.
//
//	go run ./examples/telemetry
//
// A service sets the same two providers up with exporters of its own, such as
// OTLP's or Prometheus's, and changes nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run is the whole example, written to out.
func run(ctx context.Context, out io.Writer) (err error) {
	stop, err := setUp(out)
	if err != nil {
		return err
	}
	// The SDK goes last: it exports what the Shutdown of the buffer records.
	defer func() { err = errors.Join(err, stop(context.WithoutCancel(ctx))) }()

	db := &database{}
	events, err := buffer.New(buffer.Config[string]{
		Name:    "events",
		Flusher: flusher.Items(db.insertMany),
		MaxSize: 3,
		Retry:   flusher.Retry{MinBackoff: time.Millisecond},
	})
	if err != nil {
		return err
	}
	for i := range 4 {
		if err := request(ctx, events, i); err != nil {
			return err
		}
	}
	// Three are flushed by size, at the second attempt, and the fourth by this.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return events.Shutdown(ctx)
}

// request stands for a handler of a service: the insert's span is a child of its
// own.
func request(ctx context.Context, events *buffer.Buffer[string], i int) error {
	ctx, span := otel.Tracer("service").Start(ctx, fmt.Sprintf("GET /%d", i))
	defer span.End()
	return events.Insert(ctx, fmt.Sprintf("visit %d", i))
}

// database stands for one that is out of order at first.
type database struct{ calls int }

// insertMany's span is a child of the flush span, which its context carries. One
// partition has one batch in flight, so that calls needs no lock.
func (db *database) insertMany(ctx context.Context, events []string) error {
	_, span := otel.Tracer("database").Start(ctx, "INSERT INTO events")
	defer span.End()
	if db.calls++; db.calls == 1 {
		return errors.New("the database is restarting")
	}
	return nil
}

// setUp installs an SDK that writes to out, as OpenTelemetry's globals, which the
// buffer takes where its Config has no providers. What it returns exports the rest.
func setUp(out io.Writer) (stop func(context.Context) error, err error) {
	spans, err := stdouttrace.New(stdouttrace.WithWriter(out), stdouttrace.WithPrettyPrint())
	if err != nil {
		return nil, err
	}
	metrics, err := stdoutmetric.New(stdoutmetric.WithWriter(out), stdoutmetric.WithPrettyPrint())
	if err != nil {
		return nil, err
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics)))
	otel.SetTracerProvider(tracers)
	otel.SetMeterProvider(meters)
	return func(ctx context.Context) error {
		return errors.Join(tracers.Shutdown(ctx), meters.Shutdown(ctx))
	}, nil
}
