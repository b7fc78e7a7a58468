package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/buffer"
)

const (
	maxLanes   = 4
	roundBytes = 1 << 20 // of a round with more than one request

	limitTimeout = 5 * time.Second
)

// lane writes one batch to one partition at a time, with a client of its own. A
// partition whose leader does not answer holds up one lane, and not the others; and
// however many such partitions there are, they leave one lane to the others, once
// it is known which they are.
type lane struct {
	producer *producer
	client   *kgo.Client
	sender   *sender                 // of the goroutine that runs
	cancel   context.CancelCauseFunc // ends the wait for a batch

	open atomic.Int64 // readings in the round that is being sent, without an answer yet
}

// newLane makes a lane that is not running yet.
func newLane(p *producer, cfg Config, brokers []string) (*lane, error) {
	client, err := kgo.NewClient(clientOptions(cfg, brokers)...)
	if err != nil {
		return nil, err
	}
	l := &lane{producer: p, client: client, sender: newSender(client, cfg), cancel: func(error) {}}
	l.sender.found = p.found
	return l, nil
}

// start learns what the lane's first batch needs, so that it does not fail for
// want of that, and starts the lane.
func (l *lane) start(ctx context.Context) error {
	if err := l.sender.ready(ctx); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
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
		readings := 0
		for _, r := range round {
			readings += r.len()
		}
		l.open.Store(int64(readings))
		err := l.deliver(ctx, int32(partition), round)
		clear(round)
		l.producer.free(partition, err)
	}
}

// deliver sends a round to a partition and answers its requests. One that the topic
// takes no more is sent in halves, as nothing of it was written: only a request
// that is too large by itself is refused as that. It returns the error of the last.
func (l *lane) deliver(ctx context.Context, partition int32, round []*request) error {
	offset, err := l.sender.send(ctx, partition, round)
	if isTooLarge(err) {
		l.askLimit(ctx)
		if half := len(round) / 2; half > 0 {
			_ = l.deliver(ctx, partition, round[:half])
			return l.deliver(ctx, partition, round[half:])
		}
		err = fmt.Errorf("%w (%v)", ErrTooLarge, err)
	}
	for _, r := range round {
		if err == nil {
			l.producer.produced.Add(int64(r.len())) // also where nobody waits for it any more
		}
		r.answer(offset, err)
		l.open.Add(-int64(r.len()))
		if offset != noOffset {
			offset += int64(r.len())
		}
	}
	return err
}

// askLimit asks how large a batch the topic takes by now. What is not told leaves
// all as it was.
func (l *lane) askLimit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, limitTimeout)
	defer cancel()
	if limit, ok := topicBatch(ctx, kadm.NewClient(l.client), l.sender.topic); ok {
		l.producer.allow(limit)
	}
}

// isTooLarge says whether a batch is not in the topic since that takes only smaller
// ones.
func isTooLarge(err error) bool {
	return errors.Is(err, ErrNotSent) && (errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge))
}

// abandon ends the wait for the round that is being sent, and returns how many
// readings it has. They are in doubt then, unless nothing of them was sent.
func (l *lane) abandon() (readings int) {
	readings = int(l.open.Load())
	l.cancel(buffer.ErrClosed)
	l.client.Close()
	return readings
}
