package contenders

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// How items find their partition. All names of ours are these.
const (
	RoundRobin = "databuffer, RoundRobin"
	Sticky     = "databuffer, Sticky"
	Key        = "databuffer, Key"
	Producer   = "databuffer, Producer"
)

// Routings are all of them.
func Routings[T any](items *Items[T]) []measure.Contender {
	return []measure.Contender{
		Ours(items, RoundRobin), Ours(items, Sticky), Ours(items, Key), Ours(items, Producer),
	}
}

// Ours is this library, with a routing by its name and other settings changed.
func Ours[T any](items *Items[T], routing string, settings ...func(*buffer.Config[T])) measure.Contender {
	return measure.Contender{Name: routing, Kind: measure.Ours, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		cfg := buffer.Config[T]{
			Name: "bench",
			Flusher: flusher.Items(func(_ context.Context, batch []T) error {
				items.take(sink, batch)
				return nil
			}),
			Partitions:    w.Partitions,
			MaxSize:       w.MaxSize,
			FlushInterval: w.Interval,
			FlushJitter:   -1,
			Logger:        slog.New(slog.DiscardHandler),
		}
		if w.Held {
			cfg.MaxSize = math.MaxInt
		}
		switch routing {
		case Sticky:
			cfg.Routing = buffer.Sticky
		case Key:
			cfg.Key = items.Key
		}
		for _, set := range settings {
			set(&cfg)
		}
		buf, err := buffer.New(cfg)
		if err != nil {
			return measure.Load{}, err
		}
		load := measure.Load{Insert: insertOurs(items, buf, w.Batch), Close: func() error { return shutdown(buf) }}
		if routing == Producer {
			load.Insert = insertProducers(items, buf, w)
		}
		return load, nil
	}}
}

func insertOurs[T any](items *Items[T], buf *buffer.Buffer[T], batch int) func(int, int) int {
	if batch > 1 {
		return func(_, n int) (accepted int) {
			for range n / batch {
				if buf.InsertBatch(ctx, items.All[:batch]) == nil {
					accepted += batch
				}
			}
			return accepted
		}
	}
	return func(_, n int) (accepted int) {
		for i := range n {
			if buf.Insert(ctx, items.All[i&mask]) == nil {
				accepted++
			}
		}
		return accepted
	}
}

func insertProducers[T any](items *Items[T], buf *buffer.Buffer[T], w measure.Work) func(int, int) int {
	producers := make([]*buffer.Producer[T], w.Producers)
	for i := range producers {
		producers[i] = buf.Producer()
	}
	return func(g, n int) (accepted int) {
		producer := producers[g]
		if w.Batch > 1 {
			for range n / w.Batch {
				if producer.InsertBatch(ctx, items.All[:w.Batch]) == nil {
					accepted += w.Batch
				}
			}
			return accepted
		}
		for i := range n {
			if producer.Insert(ctx, items.All[i&mask]) == nil {
				accepted++
			}
		}
		return accepted
	}
}

// shutdown ends anything of ours, and insists that nothing is left.
func shutdown(what interface{ Shutdown(context.Context) error }) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := what.Shutdown(ctx); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return nil
}
