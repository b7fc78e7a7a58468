package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
)

// Pipeline is what a Kafka needs of a pipeline.Pipeline.
type Pipeline interface {
	// Insert takes all items or none, and blocks while there is no room: that is
	// what holds the consumer back.
	Insert(ctx context.Context, items []pipeline.Item) error
	// Flush begins to write what is buffered, and does not wait for it.
	Flush(ctx context.Context) error
}

// Config is what a Kafka is made of. Zero is the default that is given here.
type Config struct {
	// Brokers are the addresses of some brokers, host:port. Required, unless
	// Embedded.
	Brokers []string

	// Embedded starts a stand-in for Kafka in this process, for trying out, and
	// needs DataDir, where it keeps topics and offsets over restarts.
	// EmbeddedPort is where it listens on 127.0.0.1; default any free port. Both
	// mean nothing otherwise.
	Embedded     bool
	DataDir      string
	EmbeddedPort int

	Topic           string // default "readings"
	DeadLetterTopic string // default the Topic and ".dead"
	Group           string // default "funnel"

	// Partitions and Replication are those of a topic that is not there yet and
	// therefore created (a dead-letter topic has one partition). Default 4, and
	// as the brokers are set.
	Partitions  int
	Replication int

	// MaxBatch bounds a record batch, in bytes before compression, and with it
	// what one Accept can take. Default 8 MiB. A topic that is created allows so
	// much; of one that is there, its own limit applies where it is less, as it
	// was at the start, or when the topic last refused a batch as too large.
	MaxBatch int

	// MaxWaiting bounds the bytes of requests that wait to be sent; beyond it
	// Accept is buffer.ErrFull. Default 64 MiB.
	MaxWaiting int

	// Patience is how long a request waits at most to be sent; beyond it Accept is
	// buffer.ErrFull. Default as DeliveryTimeout.
	Patience time.Duration

	// MaxRecord is how long the value of a record may be to be looked at, in
	// bytes. Default 4096; a reading needs less than 2000.
	MaxRecord int

	// DeliveryTimeout is how long a record batch is sent again and again where
	// brokers cannot be reached, or do not acknowledge it. Default
	// DefaultDeliveryTimeout.
	DeliveryTimeout time.Duration

	// CommitInterval is how often offsets are committed. Default 1 s.
	CommitInterval time.Duration

	// RevokeTimeout is how long a partition that is to be given away waits for
	// what it has in flight. Default 20 s; it must stay below the group's
	// rebalance timeout, 60 s unless Options say otherwise.
	RevokeTimeout time.Duration

	// Pipeline takes what is consumed. Required.
	Pipeline Pipeline

	// Options are further settings of all clients, such as TLS and SASL, and of
	// the group, such as its timeouts. They must not change what this package
	// relies on: acknowledgements, idempotency, commits, callbacks.
	Options []kgo.Opt

	Logger        *slog.Logger         // default slog.Default()
	MeterProvider metric.MeterProvider // default OpenTelemetry's global one
}

// DefaultDeliveryTimeout is that of Config.DeliveryTimeout.
const DefaultDeliveryTimeout = 30 * time.Second

// withDefaults is c with its defaults, or an error for each bad setting.
func (c Config) withDefaults() (Config, error) {
	defaultTo(&c.Topic, "readings")
	defaultTo(&c.DeadLetterTopic, c.Topic+".dead")
	defaultTo(&c.Group, "funnel")
	defaultTo(&c.Partitions, 4)
	defaultTo(&c.Replication, -1)
	defaultTo(&c.MaxBatch, 8<<20)
	defaultTo(&c.MaxWaiting, 64<<20)
	defaultTo(&c.MaxRecord, 4096)
	defaultTo(&c.DeliveryTimeout, DefaultDeliveryTimeout)
	defaultTo(&c.Patience, c.DeliveryTimeout)
	defaultTo(&c.CommitInterval, time.Second)
	defaultTo(&c.RevokeTimeout, 20*time.Second)
	defaultTo(&c.Logger, slog.Default())
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}

	var bad []error
	wrong := func(field string, value any, allowed string) {
		bad = append(bad, fmt.Errorf("kafka: %s is %v: it must be %s", field, value, allowed))
	}
	between := func(field string, value, least, most int) {
		if value < least || value > most {
			wrong(field, value, fmt.Sprintf("from %d to %d", least, most))
		}
	}
	positive := func(field string, value time.Duration) {
		if value < 0 {
			wrong(field, value, "positive")
		}
	}
	switch {
	case c.Embedded && len(c.Brokers) > 0:
		wrong("Brokers", c.Brokers, "empty where Embedded is set")
	case c.Embedded && c.DataDir == "":
		wrong("DataDir", `""`, "a folder where Embedded is set")
	case !c.Embedded && len(c.Brokers) == 0:
		wrong("Brokers", "empty", "one address at least, or Embedded set")
	}
	if c.Pipeline == nil {
		wrong("Pipeline", nil, "set")
	}
	if c.DeadLetterTopic == c.Topic {
		wrong("DeadLetterTopic", c.Topic, "another than Topic")
	}
	if c.Replication != -1 {
		between("Replication", c.Replication, 1, 1<<15-1)
	}
	between("EmbeddedPort", c.EmbeddedPort, 0, 1<<16-1)
	between("Partitions", c.Partitions, 1, 1<<16)
	between("MaxBatch", c.MaxBatch, 1<<16, 1<<26)
	between("MaxWaiting", c.MaxWaiting, 1, 1<<40)
	between("MaxRecord", c.MaxRecord, 1, 1<<20)
	positive("Patience", c.Patience)
	positive("DeliveryTimeout", c.DeliveryTimeout)
	positive("CommitInterval", c.CommitInterval)
	positive("RevokeTimeout", c.RevokeTimeout)
	return c, errors.Join(bad...)
}

func defaultTo[T comparable](value *T, usual T) {
	var zero T
	if *value == zero {
		*value = usual
	}
}
