package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

const patience = 30 * time.Second // for what should take a moment

// brokers are where a test's topics are: those of KAFKA_BROKERS, else a stand-in
// of its own, which is nil for real ones.
func brokers(t *testing.T, opts ...kfake.Opt) ([]string, *kfake.Cluster) {
	t.Helper()
	if real := os.Getenv("KAFKA_BROKERS"); real != "" {
		return strings.Split(real, ","), nil
	}
	cluster := fake(t, opts...)
	return cluster.ListenAddrs(), cluster
}

// fake starts a stand-in, for tests that have it fail.
func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	return cluster
}

// quick makes rebalances take a moment and not seconds.
func quick() []kgo.Opt {
	return []kgo.Opt{
		kgo.HeartbeatInterval(50 * time.Millisecond),
		kgo.SessionTimeout(10 * time.Second),
		kgo.RebalanceTimeout(10 * time.Second),
		kgo.FetchMaxWait(100 * time.Millisecond),
	}
}

// memory is a store that enforces keys.
type memory struct {
	store.Store // nil: only Write is asked for

	down   atomic.Bool
	refuse func(store.Row) bool // for good
	delay  time.Duration

	mu      sync.Mutex
	rows    map[store.Key]store.Row
	repeats int
	changed int // repeats that would have changed a row
}

func (m *memory) Write(ctx context.Context, rows []store.Row) error {
	if m.down.Load() {
		return errors.New("the store is down")
	}
	if m.delay > 0 {
		select {
		case <-time.After(m.delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil {
		m.rows = make(map[store.Key]store.Row)
	}
	var bad []int
	for i, row := range rows {
		before, there := m.rows[row.Key]
		switch {
		case m.refuse != nil && m.refuse(row):
			bad = append(bad, i)
		case there:
			m.repeats++
			if before != row {
				m.changed++
			}
		default:
			m.rows[row.Key] = row
		}
	}
	if bad != nil {
		return flusher.Permanent(flusher.Partial(errors.New("the store refuses that"), bad...))
	}
	return nil
}

// values counts how often each value is stored.
func (m *memory) values() map[float64]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := make(map[float64]int, len(m.rows))
	for _, row := range m.rows {
		counts[row.Value]++
	}
	return counts
}

func (m *memory) snapshot() map[store.Key]store.Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.rows)
}

func (m *memory) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows)
}

// funnel is a Kafka with a pipeline into a store.
type funnel struct {
	*Kafka
	pipeline *pipeline.Pipeline
}

// start starts one, and ends it with the test. Where the test ends it, that is all.
func start(t *testing.T, into store.Store, cfg Config, pipes ...pipeline.Config) *funnel {
	t.Helper()
	pipe := pipeline.Config{FlushInterval: 20 * time.Millisecond, MaxSize: 500}
	if len(pipes) > 0 {
		pipe = pipes[0]
	}
	pipe.Store = into
	pipe.Retry = flusher.Retry{MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond}
	pipe.Rejected = func(context.Context, []pipeline.Item, error) error { return nil }
	pipe.Logger = slog.New(slog.DiscardHandler)
	p, err := pipeline.New(pipe)
	require.NoError(t, err)

	cfg.Pipeline = p
	cfg.Options = append(quick(), cfg.Options...)
	if cfg.Logger == nil {
		cfg.Logger = logger(t)
	}
	if cfg.CommitInterval == 0 {
		cfg.CommitInterval = 50 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	k, err := New(ctx, cfg)
	if err != nil {
		_ = p.Shutdown(ctx)
		require.NoError(t, err)
	}
	f := &funnel{Kafka: k, pipeline: p}
	t.Cleanup(func() { _ = f.end(patience) })
	return f
}

// end shuts both down.
func (f *funnel) end(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := f.Shutdown(ctx)
	return errors.Join(err, f.pipeline.Shutdown(ctx))
}

// owns waits until f consumes so many partitions.
func (f *funnel) owns(t *testing.T, partitions int) {
	t.Helper()
	eventually(t, func() bool { return len(f.Stats().Partitions) == partitions }, "%d partitions are consumed", partitions)
}

func eventually(t *testing.T, holds func() bool, what string, args ...any) {
	t.Helper()
	require.Eventually(t, holds, patience, 5*time.Millisecond, append([]any{what}, args...)...)
}

// topics are names of a topic and a group that no other test has.
func topics(cfg Config) Config {
	unique := fmt.Sprintf("t%d", time.Now().UnixNano())
	cfg.Topic, cfg.DeadLetterTopic, cfg.Group = unique, unique+".dead", unique
	return cfg
}

// logger writes what goes wrong into the test's output.
func logger(t *testing.T) *slog.Logger {
	level := slog.LevelError + 1
	if testing.Verbose() {
		level = slog.LevelWarn
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

var readingTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// numbered makes readings whose values are from, from+1 and so on.
func numbered(from, n int) []reading.Reading {
	readings := make([]reading.Reading, n)
	for i := range readings {
		readings[i] = reading.Reading{
			Sensor: fmt.Sprintf("s-%d", (from+i)%100),
			Metric: reading.DefaultMetric,
			Value:  float64(from + i),
			Time:   readingTime.Add(time.Duration(from+i) * time.Millisecond),
		}
	}
	return readings
}

// raw is a client of a test's own.
func raw(t *testing.T, addresses []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addresses...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// produce writes records as other programs would.
func produce(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, client.ProduceSync(ctx, records...).FirstErr())
}

// committed is the sum of the group's offsets in the topic.
func committed(t *testing.T, client *kgo.Client, cfg Config) (sum int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	offsets, err := kadm.NewClient(client).FetchOffsets(ctx, cfg.Group)
	if errors.Is(err, kerr.GroupIDNotFound) { // nobody has joined yet
		return 0
	}
	require.NoError(t, err)
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == cfg.Topic && o.At > 0 {
			sum += o.At
		}
	})
	return sum
}

// consumeAll reads n records of a topic from its start.
func consumeAll(t *testing.T, addresses []string, topic string, n int) (records []*kgo.Record) {
	t.Helper()
	client := raw(t, addresses, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		require.NoError(t, ctx.Err(), "%d of %d records of %s", len(records), n, topic)
		records = append(records, fetches.Records()...)
	}
	return records
}

// stored is a record batch as it is in a partition.
type stored struct {
	first, last int64 // offsets
	header      kmsg.RecordBatch
}

// batches reads all record batches of a partition as the brokers keep them.
func batches(t *testing.T, addresses []string, topic string, partition int32) (all []stored) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := raw(t, addresses)
	details, err := kadm.NewClient(client).ListTopics(ctx, topic)
	require.NoError(t, err)
	detail := details[topic]

	for next := int64(0); ; {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, next, 1<<26
		of := kmsg.NewFetchRequestTopic()
		of.Topic, of.TopicID, of.Partitions = topic, detail.ID, append(of.Partitions, p)
		request := kmsg.NewPtrFetchRequest()
		request.MaxBytes, request.Topics = 1<<26, append(request.Topics, of)
		response, err := client.Broker(int(detail.Partitions[partition].Leader)).RetriableRequest(ctx, request)
		require.NoError(t, err)
		answer := response.(*kmsg.FetchResponse).Topics[0].Partitions[0]
		require.NoError(t, kerr.ErrorForCode(answer.ErrorCode))
		for raw := answer.RecordBatches; len(raw) > 0; {
			length := lengthEnd + int(binary.BigEndian.Uint32(raw[8:]))
			var b stored
			require.NoError(t, b.header.ReadFrom(raw[:length]))
			b.first = b.header.FirstOffset
			b.last = b.first + int64(b.header.LastOffsetDelta)
			require.Equal(t, next, b.first, "batches stand side by side")
			all, raw, next = append(all, b), raw[length:], b.last+1
		}
		if next >= answer.HighWatermark {
			return all
		}
	}
}

// sending is how many readings lanes are sending.
func (f *funnel) sending() (readings int64) {
	for _, l := range f.producer.lanes {
		readings += l.open.Load()
	}
	return readings
}
