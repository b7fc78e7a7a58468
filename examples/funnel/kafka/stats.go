package kafka

import (
	"cmp"
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Stats is a snapshot of a Kafka, for people to look at. Counts are since New, in
// readings where nothing else is said.
type Stats struct {
	StandIn bool     `json:"stand_in"` // the brokers are the embedded stand-in for tests
	Brokers []string `json:"brokers"`
	Topic   string   `json:"topic"`
	Group   string   `json:"group"`

	Produced     int64       `json:"produced"`      // taken by the brokers from this process
	Waiting      int         `json:"waiting"`       // bytes of requests that wait to be sent
	Consumed     int64       `json:"consumed"`      // records handed to the pipeline, or dead letters
	DeadLettered int64       `json:"dead_lettered"` // records
	Commits      int64       `json:"commits"`       // one a partition
	Rebalances   int64       `json:"rebalances"`    // times that partitions came or went
	Lost         int64       `json:"lost"`          // partitions that went without notice, so that records are repeated
	Partitions   []Partition `json:"partitions"`    // those consumed here
}

// Partition is one that this process consumes.
type Partition struct {
	Partition int32 `json:"partition"`
	Committed int64 `json:"committed"` // the offset; 0 where nothing was committed here
	Unsettled int   `json:"unsettled"` // records from the oldest that is not done
	Behind    int64 `json:"behind"`    // records in the partition after the last that was consumed
}

// Stats takes a snapshot.
func (k *Kafka) Stats() Stats {
	s := Stats{
		StandIn:      k.StandIn(),
		Brokers:      k.Brokers(),
		Topic:        k.cfg.Topic,
		Group:        k.cfg.Group,
		Produced:     k.producer.produced.Load(),
		Consumed:     k.consumer.consumed.Load(),
		DeadLettered: k.consumer.dead.sent.Load(),
		Commits:      k.consumer.commits.Load(),
		Rebalances:   k.consumer.rebalances.Load(),
		Lost:         k.consumer.lostPartitions.Load(),
		Partitions:   []Partition{},
	}
	k.producer.mu.Lock()
	s.Waiting = k.producer.bytes
	k.producer.mu.Unlock()
	for _, a := range k.consumer.assignments() {
		a.mu.Lock()
		s.Partitions = append(s.Partitions, Partition{
			Partition: a.partition,
			Committed: a.saved,
			Unsettled: a.offsets.len(),
			Behind:    a.behind,
		})
		a.mu.Unlock()
	}
	slices.SortFunc(s.Partitions, func(a, b Partition) int { return cmp.Compare(a.Partition, b.Partition) })
	return s
}

// observe registers the instruments, which tell what Stats tells.
func (k *Kafka) observe() (metric.Registration, error) {
	meter := k.cfg.MeterProvider.Meter("github.com/go-databuffer/databuffer/examples/funnel/kafka")
	var (
		problem error
		all     []metric.Observable
		counter = func(name, unit, description string) metric.Int64ObservableCounter {
			c, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
			problem, all = cmp.Or(problem, err), append(all, c)
			return c
		}
		gauge = func(name, unit, description string) metric.Int64ObservableGauge {
			g, err := meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
			problem, all = cmp.Or(problem, err), append(all, g)
			return g
		}

		produced   = counter("funnel.kafka.produced", "{reading}", "Readings that the brokers have taken from this process.")
		consumed   = counter("funnel.kafka.consumed", "{record}", "Records consumed and handed on.")
		dead       = counter("funnel.kafka.dead_lettered", "{record}", "Records that went to the dead-letter topic.")
		rebalances = counter("funnel.kafka.rebalances", "{rebalance}", "Times that partitions came or went.")
		lost       = counter("funnel.kafka.lost", "{partition}", "Partitions that went to another process without notice.")
		waiting    = gauge("funnel.kafka.waiting", "By", "Requests that wait to be sent.")
		unsettled  = gauge("funnel.kafka.unsettled", "{record}", "Records consumed, from the oldest that is not stored.")
		behind     = gauge("funnel.kafka.behind", "{record}", "Records in the partition that were not consumed yet.")
	)
	if problem != nil {
		return nil, problem
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := k.Stats()
		o.ObserveInt64(produced, s.Produced)
		o.ObserveInt64(consumed, s.Consumed)
		o.ObserveInt64(dead, s.DeadLettered)
		o.ObserveInt64(rebalances, s.Rebalances)
		o.ObserveInt64(lost, s.Lost)
		o.ObserveInt64(waiting, int64(s.Waiting))
		for _, p := range s.Partitions {
			partition := metric.WithAttributes(attribute.Int("partition", int(p.Partition)))
			o.ObserveInt64(unsettled, int64(p.Unsettled), partition)
			o.ObserveInt64(behind, p.Behind, partition)
		}
		return nil
	}, all...)
}
