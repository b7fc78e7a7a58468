package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/metric"

	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// Kafka is the producer and the member of the group of this process. Make it with
// New and end it with Shutdown, before the pipeline's. Its methods may be called
// from any goroutine.
type Kafka struct {
	cfg      Config
	brokers  []string
	embedded *kfake.Cluster // nil: real brokers
	admin    *kgo.Client    // asks whether the brokers answer
	producer *producer
	consumer *consumer
	metrics  metric.Registration

	ending sync.Once
	ended  error
}

var _ ingest.Sink = (*Kafka)(nil)

// New checks the settings, starts the stand-in where Embedded says so, creates
// topics that are not there, and joins the group. It blocks until the brokers have
// answered, or ctx ends; nothing is left running when it fails. Partitions are
// assigned some time later.
func New(ctx context.Context, cfg Config) (*Kafka, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	k := &Kafka{cfg: cfg, brokers: cfg.Brokers}
	if err := k.start(ctx); err != nil {
		k.abort()
		return nil, err
	}
	return k, nil
}

func (k *Kafka) start(ctx context.Context) (err error) {
	cfg := k.cfg
	if cfg.Embedded {
		if k.embedded, err = startEmbedded(cfg); err != nil {
			return err
		}
		k.brokers = k.embedded.ListenAddrs()
		cfg.Options = append([]kgo.Opt{kgo.SessionTimeout(embeddedSession), kgo.HeartbeatInterval(embeddedSession / 4)}, cfg.Options...)
	}
	if k.admin, err = kgo.NewClient(clientOptions(cfg, k.brokers)...); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	if err = k.admin.Ping(ctx); err != nil {
		return fmt.Errorf("kafka: none of the brokers %v answers: %w", k.brokers, err)
	}
	topic, batch, err := ensureTopics(ctx, kadm.NewClient(k.admin), cfg)
	if err != nil {
		return err
	}

	partitions := len(topic.Partitions)
	k.consumer = newConsumer(cfg, topic.ID)
	k.producer = newProducer(cfg, partitions, batch, k.consumer.assignments, k.consumer.joined.Load)
	k.producer.topic = k.consumer.notice
	if err = k.producer.start(ctx, cfg, k.brokers); err != nil {
		return err
	}
	if err = k.consumer.start(k.brokers); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	if k.metrics, err = k.observe(); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	cfg.Logger.Info("kafka: started", slog.Any("brokers", k.brokers), slog.String("topic", cfg.Topic),
		slog.Int("partitions", partitions), slog.String("group", cfg.Group), slog.Int("max_batch", batch))
	return nil
}

// abort ends what New has begun.
func (k *Kafka) abort() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = k.stop(ended)
}

// Accept sends readings to the topic, all or none. It blocks until the brokers
// have them, on all replicas in sync; it gives up where it cannot begin to send them
// within Patience, and DeliveryTimeout after it began. With stored it sends them to a partition that this process consumes,
// and blocks until they are in the store.
//
// Its errors are
//
//   - the end of ctx, ErrTooLarge, buffer.ErrFull, buffer.ErrClosed: none was taken
//   - ErrNotSent: the brokers did not take them, and none is in the topic
//   - ErrInDoubt: ctx or DeliveryTimeout ended, or Shutdown gave up, while it was
//     not known what the brokers had done
//   - with stored also ingest.ErrNotKnown: none was taken, as no partition is
//     consumed here; and ingest.ErrAway: the same, as long as the group has not
//     given out its partitions
//   - and, after all were taken: ErrElsewhere, ErrRejected, and the end of ctx;
//     and ingest.ErrElsewhere, where the brokers did not say at which offsets
func (k *Kafka) Accept(ctx context.Context, readings []reading.Reading, stored bool) error {
	return k.producer.Accept(ctx, readings, stored)
}

// StandIn says whether the brokers are the embedded stand-in.
func (k *Kafka) StandIn() bool { return k.embedded != nil }

// Brokers are the addresses that clients begin with; of the stand-in, its own.
func (k *Kafka) Brokers() []string { return append([]string(nil), k.brokers...) }

// Ping asks whether a broker answers, until ctx ends.
func (k *Kafka) Ping(ctx context.Context) error {
	if err := k.admin.Ping(ctx); err != nil {
		return fmt.Errorf("kafka: none of the brokers %v answers: %w", k.brokers, err)
	}
	return nil
}

// Shutdown takes no more readings, sends those that wait, consumes no more, waits
// until what was consumed is in the store, commits, leaves the group, and stops
// the stand-in. At the end of ctx it leaves what is left, and says how much in a
// *ShutdownError. It may be called several times and at once; all get the first
// call's answer.
func (k *Kafka) Shutdown(ctx context.Context) error {
	k.ending.Do(func() { k.ended = k.stop(ctx) })
	return k.ended
}

func (k *Kafka) stop(ctx context.Context) error {
	var unsent, unsettled int
	if k.metrics != nil {
		_ = k.metrics.Unregister()
	}
	if k.producer != nil {
		unsent = k.producer.shutdown(ctx)
	}
	if k.consumer != nil && k.consumer.client != nil {
		unsettled = k.consumer.shutdown(ctx)
	}
	if k.admin != nil {
		k.admin.Close()
	}
	if k.embedded != nil {
		k.embedded.Close()
	}
	if unsent == 0 && unsettled == 0 {
		return nil
	}
	return &ShutdownError{Unsent: unsent, Unsettled: unsettled, Err: context.Cause(ctx)}
}
