package kafka

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/buffer"
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
	sender   *sender                 // of the goroutine that runs
	cancel   context.CancelCauseFunc // ends the wait for a batch

	open atomic.Int64 // readings in the batch that is being sent
}

// newLane makes a lane that is not running yet.
func newLane(p *producer, cfg Config, brokers []string) (*lane, error) {
	client, err := kgo.NewClient(clientOptions(cfg, brokers)...)
	if err != nil {
		return nil, err
	}
	return &lane{producer: p, client: client, sender: newSender(client, cfg), cancel: func(error) {}}, nil
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
		offset, err := l.sender.send(ctx, int32(partition), round)
		l.open.Store(0)
		for _, r := range round {
			r.answer(offset, err)
			if offset != noOffset {
				offset += int64(r.len())
			}
		}
		clear(round)
		l.producer.free(partition, len(l.sender.leaders))
	}
}

// abandon ends the wait for the batch that is being sent, and returns how many
// readings it has. They are in doubt then, unless nothing of them was sent.
func (l *lane) abandon() (readings int) {
	readings = int(l.open.Load())
	l.cancel(buffer.ErrClosed)
	l.client.Close()
	return readings
}
