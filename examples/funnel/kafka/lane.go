package kafka

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	maxLanes   = 4
	roundBytes = 1 << 20 // of a round with more than one request
)

// lane writes one batch to one partition at a time, with a client of its own. A
// partition whose leader does not answer holds up one lane, and not the others.
type lane struct {
	producer *producer
	client   *kgo.Client
	cancel   context.CancelFunc // ends the wait for a batch

	partitions atomic.Int64 // of the topic, as far as the client knows
	open       atomic.Int64 // readings in the batch that is being sent
}

// newLane makes a lane that is not running yet.
func newLane(p *producer, cfg Config, brokers []string) (*lane, error) {
	l := &lane{producer: p, cancel: func() {}}
	client, err := kgo.NewClient(append(clientOptions(cfg, brokers),
		kgo.DefaultProduceTopicAlways(),
		kgo.DefaultProduceTopic(cfg.Topic),
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int { return l.partition })),
		kgo.ManualFlushing(), // nothing is sent while a batch is put together
		kgo.MaxBufferedRecords(math.MaxInt32),
		kgo.ProducerBatchMaxBytes(int32(p.limit+batchOverhead)),
		kgo.RecordDeliveryTimeout(cfg.DeliveryTimeout),
	)...)
	if err != nil {
		return nil, err
	}
	l.client = client
	return l, nil
}

// partition is the client's partitioner, which takes the record's word for it.
func (l *lane) partition(record *kgo.Record, partitions int) int {
	l.partitions.Store(int64(partitions))
	return int(record.Partition)
}

// start makes the client learn the topic's partitions, and starts the lane.
//
// The client asks for them at the first record, and keeps the records that come
// meanwhile; then it sends them in pieces. So the first is a record for a
// partition that no topic has, which is refused when the partitions are known, and
// is never sent.
func (l *lane) start(ctx context.Context) error {
	refused := make(chan error, 1)
	l.client.Produce(ctx, &kgo.Record{Partition: math.MaxInt32}, func(_ *kgo.Record, err error) { refused <- err })
	if err := <-refused; l.partitions.Load() == 0 {
		return fmt.Errorf("kafka: learning the partitions of the topic: %w", err)
	}
	// Nor is the first batch to fail for want of a producer ID.
	if _, _, err := l.client.ProducerID(ctx); err != nil {
		return fmt.Errorf("kafka: asking for a producer ID: %w", err)
	}
	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.producer.done.Go(func() { l.run(ctx) })
	return nil
}

// run sends round after round until the producer is closed.
func (l *lane) run(ctx context.Context) {
	var round []*request
	for {
		var partition int
		round, partition = l.producer.round(round[:0])
		if len(round) == 0 {
			return
		}
		records := 0
		for _, r := range round {
			records += len(r.records)
		}
		l.open.Store(int64(records))
		for _, r := range round {
			for i := range r.records {
				r.records[i].Partition = int32(partition)
				l.client.Produce(ctx, &r.records[i], r.answered)
			}
		}
		// What becomes of the records, they are told themselves. Where the wait is
		// cut short by abandon, they are told by the closing client.
		_ = l.client.Flush(ctx)
		l.open.Store(0)
		clear(round)
		l.producer.free(partition, int(l.partitions.Load()))
	}
}

// abandon ends the wait for the batch that is being sent, which is in doubt then,
// and returns how many readings it has.
func (l *lane) abandon() (inDoubt int) {
	inDoubt = int(l.open.Load())
	l.client.Close()
	l.cancel()
	return inDoubt
}
