package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/flusher"
)

// noOffset is the offset of readings that are in the topic, where the brokers do
// not say at which.
const noOffset = -1

// attemptPause is the pause between two attempts to send a batch.
var attemptPause = flusher.Retry{MinBackoff: 20 * time.Millisecond, MaxBackoff: time.Second}

// sender sends record batches to the partitions of a topic, each in a request of
// its own, and one after the other. It puts them together itself, since what is
// handed to the producing half of the client record by record is cut into batches
// as that sees fit. It belongs to the goroutine of its lane.
//
// It is an idempotent producer: a batch has the producer's ID, and the sequence
// number of its first record among all those that went to the partition with that
// ID. A broker that finds it to be the last one again answers as it did before,
// and writes nothing; it also refuses what leaves out a sequence number.
type sender struct {
	client     *kgo.Client // for connections, and which broker is where
	topic      string
	patience   time.Duration // with a batch
	hold       time.Duration // for which a broker may wait for its replicas
	compressor kgo.Compressor
	logger     *slog.Logger
	logged     limited

	batch recordBatch

	// found is told of what learn has found, unless nil.
	found func(topicID [16]byte, partitions int)

	// What learn has found, as of learned; zero: to be asked for again.
	learned time.Time
	topicID [16]byte
	leaders []int32 // by partition, negative where there is none

	// What identify has got, and the next sequence number by partition; nil: an
	// ID is to be asked for.
	id        int64
	epoch     int16
	sequences map[int32]int32
}

func newSender(client *kgo.Client, cfg Config) *sender {
	s := &sender{client: client, topic: cfg.Topic, patience: cfg.DeliveryTimeout, logger: cfg.Logger}
	s.hold, _ = client.OptValue(kgo.ProduceRequestTimeout).(time.Duration)
	s.compressor, _ = client.OptValue(kgo.WithCompressor).(kgo.Compressor)
	return s
}

// ready learns what the first batch needs. It blocks until that is known, or ctx
// ends, or the brokers refuse to tell.
func (s *sender) ready(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := s.learn(ctx)
		if err == nil {
			err = s.identify(ctx)
		}
		if err == nil || forGood(err) || pause(ctx, attempt) != nil {
			return err
		}
	}
}

// send writes a round to a partition, as one record batch. It blocks until a
// broker has it, on all replicas in sync, or refuses it for good; at most until
// its patience or ctx ends. It returns the offset of the first reading, or
// noOffset. Its errors are
//
//   - ErrNotSent: the brokers did not take the batch
//   - the cause of ctx, where that ended and they had not taken it
//   - ErrInDoubt: an attempt was sent, and what became of it is not known
func (s *sender) send(ctx context.Context, partition int32, round []*request) (first int64, err error) {
	trying, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	s.batch.fill(round, s.compressor)
	defer s.batch.release()

	topicID := s.topicID
	doubt := false // an attempt that did not succeed may have written the batch
	for attempt := 1; ; attempt++ {
		first, written, failure := s.attempt(trying, partition)
		if failure == nil {
			s.sequences[partition] = nextSequence(s.sequences[partition], s.batch.len())
			return first, nil
		}
		doubt = doubt || written
		if err == nil || trying.Err() == nil { // else all it says is that the time is up
			err = failure
		}
		// Of a topic that was made anew with fewer partitions this one does not come
		// back. Otherwise a broker may only be late to learn of it.
		gone := s.topicID != topicID && int(partition) >= len(s.leaders)
		over := forGood(failure) || gone
		if isAmnesia(failure) {
			// With a new ID the batch is the first that the broker sees. But then it
			// would not know it again either, should an attempt have written it.
			s.sequences = nil
			over = doubt
		}
		s.learned = time.Time{}
		if over || pause(trying, attempt) != nil {
			break
		}
		s.logged.log(s.logger, slog.LevelWarn, "kafka: a record batch was not acknowledged, and is sent again",
			slog.Int("partition", int(partition)), slog.Int("attempt", attempt), slog.Any("error", failure))
	}

	// The next batch does not get the same sequence number: should this one be in
	// the topic in spite of all, it would be taken for a repetition, and be lost.
	s.sequences = nil
	if trying.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("not acknowledged within %v: %w", s.patience, err)
	}
	switch {
	case doubt:
		return noOffset, fmt.Errorf("%w: %w", ErrInDoubt, err)
	case ctx.Err() != nil:
		return noOffset, context.Cause(ctx)
	default:
		return noOffset, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
}

// pause waits between an attempt and the next one, or until ctx ends, the error of
// which it returns.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(attemptPause.Backoff(attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}
