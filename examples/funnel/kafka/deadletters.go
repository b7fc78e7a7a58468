package kafka

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The headers of a dead letter. Its key, value and own headers are those of the
// record that it was.
const (
	HeaderReason    = "funnel.reason"    // ReasonUndecodable and so on
	HeaderError     = "funnel.error"     // what was wrong, for people
	HeaderTopic     = "funnel.topic"     // where the record was
	HeaderPartition = "funnel.partition" // in decimal
	HeaderOffset    = "funnel.offset"    // in decimal
	HeaderCut       = "funnel.cut"       // the value's length, where the dead-letter topic takes only its start
)

// The values of HeaderReason.
const (
	ReasonUndecodable = "undecodable" // the value is no reading
	ReasonTooLarge    = "too_large"   // it is longer than MaxRecord
	ReasonRejected    = "rejected"    // the store refused it for good
)

const (
	letterBackoff = 500 * time.Millisecond // before a failed dead letter is tried again; doubles
	maxBackoff    = 10 * time.Second
	cutTo         = 16 << 10 // bytes left of a value that the dead-letter topic refuses
	maxErrorText  = 512      // bytes of HeaderError
)

// deadLetter is a record on its way to the dead-letter topic.
type deadLetter struct {
	assignment *assignment
	tag        int64
	record     *kgo.Record
	reason     string
	err        error
	alone      bool // in a record batch of its own, since one with others was too large
	cut        bool
}

// letterBatch bounds a record batch of dead letters, in bytes before compression.
// It has room for whatever a topic that is created here takes, with headers.
func letterBatch(cfg Config) int { return cfg.MaxBatch + 64<<10 }

// deadLetters sends them, each until it is acknowledged or its partition is given
// away, which then repeats it. One goroutine hands them to the client; what
// waits is bounded by what partitions hold that is not done.
type deadLetters struct {
	client *kgo.Client
	topic  string
	logger *slog.Logger
	logged limited
	sent   atomic.Int64

	mu      sync.Mutex
	waiting []deadLetter
	failed  []deadLetter  // to be tried again after the backoff
	wake    chan struct{} // of capacity 1: something waits

	cancel context.CancelFunc
	done   chan struct{}
}

func newDeadLetters(client *kgo.Client, cfg Config) *deadLetters {
	ctx, cancel := context.WithCancel(context.Background())
	d := &deadLetters{
		client: client,
		topic:  cfg.DeadLetterTopic,
		logger: cfg.Logger,
		wake:   make(chan struct{}, 1),
		cancel: cancel,
		done:   make(chan struct{}),
	}
	go d.run(ctx)
	return d
}

// add takes a letter. It does not block.
func (d *deadLetters) add(letter deadLetter) {
	d.mu.Lock()
	d.waiting = append(d.waiting, letter)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// stop gives up what has not been acknowledged.
func (d *deadLetters) stop() {
	d.cancel()
	<-d.done
}

func (d *deadLetters) run(ctx context.Context) {
	defer close(d.done)
	backoff := time.Duration(0)
	for {
		var again <-chan time.Time
		d.mu.Lock()
		letters := d.waiting
		d.waiting = nil
		switch {
		case len(d.failed) == 0:
			backoff = 0
		default:
			backoff = min(max(letterBackoff, 2*backoff), maxBackoff)
			again = time.After(backoff)
		}
		d.mu.Unlock()
		for _, letter := range letters {
			if !letter.assignment.over() { // else whoever has the partition now finds it
				d.send(ctx, letter)
			}
		}

		select {
		case <-d.wake:
		case <-again:
			d.mu.Lock()
			d.waiting = append(d.failed, d.waiting...)
			d.failed = nil
			d.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// send hands a letter to the client, which has its own patience with brokers, and
// blocks while that holds too many; with one that goes alone, while it holds any.
func (d *deadLetters) send(ctx context.Context, letter deadLetter) {
	if letter.alone {
		_ = d.client.Flush(ctx) // fails at the end of ctx, as Produce does
		defer func() { _ = d.client.Flush(ctx) }()
	}
	d.client.Produce(ctx, d.record(letter), func(_ *kgo.Record, err error) {
		if err == nil {
			d.sent.Add(1)
			letter.assignment.done(letter.tag, true)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) {
			letter.alone, letter.cut = true, letter.alone
		}
		d.logged.log(d.logger, slog.LevelError, "kafka: a dead letter was not taken, and is sent again: its partition commits nothing beyond it",
			slog.String("topic", d.topic), slog.Any("error", err))
		d.mu.Lock()
		d.failed = append(d.failed, letter)
		d.mu.Unlock()
		select {
		case d.wake <- struct{}{}:
		default:
		}
	})
}

// record is what the dead-letter topic gets of a letter.
func (d *deadLetters) record(letter deadLetter) *kgo.Record {
	from := letter.record
	text := letter.err.Error()
	header := func(key, value string) kgo.RecordHeader {
		return kgo.RecordHeader{Key: key, Value: []byte(value)}
	}
	to := &kgo.Record{
		Topic: d.topic,
		Key:   from.Key,
		Value: from.Value,
		Headers: append([]kgo.RecordHeader{
			header(HeaderReason, letter.reason),
			header(HeaderError, text[:min(len(text), maxErrorText)]),
			header(HeaderTopic, from.Topic),
			header(HeaderPartition, strconv.Itoa(int(from.Partition))),
			header(HeaderOffset, strconv.FormatInt(from.Offset, 10)),
		}, from.Headers...),
	}
	if letter.cut {
		to.Headers = append(to.Headers[:5:5], header(HeaderCut, strconv.Itoa(len(from.Value))))
		to.Key, to.Value = nil, to.Value[:min(len(to.Value), cutTo)]
	}
	return to
}
