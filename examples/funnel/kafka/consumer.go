package kafka

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

const (
	pollRecords  = 10_000   // most records of one poll
	chunkRecords = 1000     // most items of one Insert,
	chunkBytes   = 4 << 20  // and most bytes in their records, or one record
	maxUnsettled = 1 << 20  // records of a partition from the oldest that is not done, 24 bytes each
	maxHeld      = 64 << 20 // bytes in the records of a partition that are not done
	fetchBytes   = 16 << 20 // most bytes that a broker sends ahead
	insertPause  = 20 * time.Millisecond
	fetchPause   = 20 * time.Millisecond
	heldPause    = 50 * time.Millisecond // until it is looked again whether a partition has room
)

// consumer is this process's member of the group. One goroutine polls and hands
// in; the client's own calls assigned, revoked and lost, and never while polled
// records have not found their assignments yet.
type consumer struct {
	cfg    Config
	client *kgo.Client
	dead   *deadLetters

	mu    sync.Mutex
	owned map[int32]*assignment
	id    [16]byte // the topic's, that the client goes by
	fresh bool     // the topic was made anew, and what was committed is the old one's

	joined     atomic.Bool   // the group has said which partitions are ours, if only that none is
	ready      chan struct{} // closed when the client is set: its callbacks may come before
	committing chan struct{} // holds one token: commits come one after another
	anew       chan struct{} // of capacity 1: whether the topic is still the same is to be looked for
	unknown    atomic.Bool   // the brokers do not know the topic's ID any more, as the client says
	renewed    time.Time     // of the goroutine of commitEvery

	consumed, rebalances, lostPartitions, commits atomic.Int64
	fetchError, insertError, commitError          limited

	stop func()         // ends the two goroutines
	done sync.WaitGroup // waits for them
}

func newConsumer(cfg Config, id [16]byte) *consumer {
	return &consumer{
		cfg:        cfg,
		id:         id,
		owned:      make(map[int32]*assignment),
		ready:      make(chan struct{}),
		committing: make(chan struct{}, 1),
		anew:       make(chan struct{}, 1),
		renewed:    time.Now(),
	}
}

// start makes the client and joins the group.
func (c *consumer) start(brokers []string) error {
	client, err := kgo.NewClient(append(clientOptions(c.cfg, brokers),
		kgo.ConsumerGroup(c.cfg.Group),
		kgo.ConsumeTopics(c.cfg.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxBytes(fetchBytes),
		// What a transaction of another program has taken back is no reading.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DisableAutoCommit(),
		kgo.ProducerBatchMaxBytes(int32(letterBatch(c.cfg))),
		kgo.MaxBufferedBytes(2*letterBatch(c.cfg)),
		// A rebalance waits only while polled records are sorted into their
		// assignments, and never for an insert.
		kgo.BlockRebalanceOnPoll(),
		kgo.AdjustFetchOffsetsFn(c.adjust),
		kgo.OnPartitionsAssigned(c.assigned),
		kgo.OnPartitionsRevoked(c.revoked),
		kgo.OnPartitionsLost(c.lost),
	)...)
	if err != nil {
		return err
	}
	c.client = client
	c.dead = newDeadLetters(client, c.cfg)
	close(c.ready)

	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.done.Go(func() { c.consume(ctx) })
	c.done.Go(func() { c.commitEvery(ctx) })
	return nil
}

// polled is what one poll brought of one partition.
type polled struct {
	assignment *assignment
	records    []*kgo.Record
}

// consume hands in what it polls until ctx ends. While the pipeline is full it
// waits in there and polls nothing, and the client stops fetching when its buffer
// is full as well; heartbeats go on. A partition that has no room itself, for one
// record that is not done, is not fetched, and the others go on.
func (c *consumer) consume(ctx context.Context) {
	var (
		decoder = reading.Decoder{}
		work    []polled
		chunk   = chunk{consumer: c, decoder: &decoder}
		held    = make(map[*assignment][]*kgo.Record) // polled, and there is no room
	)
	for {
		fetches := c.poll(ctx, held)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			c.client.AllowRebalance()
			return
		}
		failed := false
		fetches.EachError(func(_ string, partition int32, err error) {
			if len(held) > 0 && errors.Is(err, context.DeadlineExceeded) {
				return // of poll itself
			}
			failed = true
			if errors.Is(err, kerr.UnknownTopicID) {
				c.unknown.Store(true)
				c.look()
			}
			// The client goes on by itself, also where the brokers are away.
			c.fetchError.log(c.cfg.Logger, slog.LevelWarn, "kafka: fetching failed, and is tried again",
				slog.Int("partition", int(partition)), slog.Any("error", err))
		})
		work = work[:0]
		c.mu.Lock()
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if a := c.owned[p.Partition]; a != nil && len(p.Records) > 0 {
				work = append(work, polled{a, p.Records})
				a.seen(p)
			}
		})
		c.mu.Unlock()
		c.client.AllowRebalance()

		for i, p := range work {
			if rest, ok := held[p.assignment]; ok { // it comes after these
				held[p.assignment] = slices.Concat(rest, p.records)
			} else if rest := chunk.take(ctx, p); len(rest) > 0 {
				held[p.assignment] = rest
				c.client.PauseFetchPartitions(c.only(p.assignment))
			}
			work[i] = polled{} // so that its records do not outlive their flush
		}
		for a, rest := range held {
			if held[a] = chunk.take(ctx, polled{a, rest}); len(held[a]) == 0 {
				delete(held, a)
				c.client.ResumeFetchPartitions(c.only(a))
			}
		}
		if failed && len(work) == 0 { // the client may say it again at once
			select {
			case <-time.After(fetchPause):
			case <-ctx.Done():
			}
		}
	}
}

// poll waits for records, and while some are held only for a moment.
func (c *consumer) poll(ctx context.Context, held map[*assignment][]*kgo.Record) kgo.Fetches {
	if len(held) > 0 {
		limited, cancel := context.WithTimeout(ctx, heldPause)
		defer cancel()
		ctx = limited
	}
	return c.client.PollRecords(ctx, pollRecords)
}

// only is a partition as the client names it.
func (c *consumer) only(a *assignment) map[string][]int32 {
	return map[string][]int32{c.cfg.Topic: {a.partition}}
}

// seen notes where the partition ends, and how far behind that it is.
func (a *assignment) seen(p kgo.FetchTopicPartition) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = p.HighWatermark
	a.behind = max(0, p.HighWatermark-p.Records[len(p.Records)-1].Offset-1)
}

// chunk is what the consuming goroutine works with, used again and again.
type chunk struct {
	consumer *consumer
	decoder  *reading.Decoder
	items    []pipeline.Item
	tags     []int64
}

// take hands in what was polled of a partition, until that is to stop, and returns
// what there is no room for.
func (c *chunk) take(ctx context.Context, p polled) (rest []*kgo.Record) {
	a := p.assignment
	ctx, ok := a.enter(ctx)
	if !ok {
		return nil
	}
	defer a.leave()
	for records := p.records; len(records) > 0; {
		if !a.room() {
			return records
		}
		n := 0
		for bytes := 0; n < min(len(records), chunkRecords) && bytes < chunkBytes; n++ {
			bytes += size(records[n])
		}
		if !c.insert(ctx, a, records[:n]) {
			return nil
		}
		records = records[n:]
	}
	return nil
}

// insert hands in some records, whole or not at all. What is no reading is a dead
// letter instead.
func (c *chunk) insert(ctx context.Context, a *assignment, records []*kgo.Record) bool {
	var letters []deadLetter
	c.items = c.items[:0]
	c.tags = a.add(c.tags[:0], records)
	for i, record := range records {
		item, reason, err := c.decode(record)
		if err != nil {
			letters = append(letters, deadLetter{assignment: a, tag: c.tags[i], record: record, reason: reason, err: err})
			continue
		}
		item.Key = store.Key{Origin: a.origin, Index: record.Offset}
		item.Done, item.Tag = a, c.tags[i]
		c.items = append(c.items, item)
	}
	if err := c.consumer.insert(ctx, c.items); err != nil {
		a.cut(c.tags[0])
		return false
	}
	clear(c.items)
	if a.wanted() { // who waits is not to wait for others to fill the batch
		if err := c.consumer.cfg.Pipeline.Flush(ctx); err != nil && ctx.Err() == nil {
			c.consumer.insertError.log(c.consumer.cfg.Logger, slog.LevelWarn, "kafka: flushing for those who wait", slog.Any("error", err))
		}
	}
	for _, letter := range letters {
		c.consumer.dead.add(letter)
	}
	c.consumer.consumed.Add(int64(len(records)))
	return true
}

// decode reads a record. One that names no time was measured when it was sent,
// whenever it is read.
func (c *chunk) decode(record *kgo.Record) (item pipeline.Item, reason string, err error) {
	if len(record.Value) > c.consumer.cfg.MaxRecord {
		return item, ReasonTooLarge, &reading.LimitError{What: "bytes in a record", Limit: c.consumer.cfg.MaxRecord}
	}
	c.decoder.Now = record.Timestamp.UTC()
	item.Reading, err = c.decoder.One(record.Value)
	return item, ReasonUndecodable, err
}

// insert hands items to the pipeline, and tries again where that refuses them for
// the moment. It fails only at the end of ctx, or when the pipeline is closed.
func (c *consumer) insert(ctx context.Context, items []pipeline.Item) error {
	if len(items) == 0 {
		return ctx.Err()
	}
	for {
		err := c.cfg.Pipeline.Insert(ctx, items)
		if err == nil || ctx.Err() != nil || errors.Is(err, buffer.ErrClosed) {
			return err
		}
		if !errors.Is(err, buffer.ErrFull) {
			c.insertError.log(c.cfg.Logger, slog.LevelError, "kafka: the pipeline takes no readings, and is tried again",
				slog.Any("error", err))
		}
		select {
		case <-time.After(insertPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// topicID asks for the topic's ID until it is told, or ctx ends.
func (c *consumer) topicID(ctx context.Context) ([16]byte, error) {
	for {
		topics, err := kadm.NewClient(c.client).ListTopics(ctx, c.cfg.Topic)
		if err == nil {
			if detail := topics[c.cfg.Topic]; detail.Err == nil {
				return detail.ID, nil
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return [16]byte{}, ctx.Err()
		}
	}
}
