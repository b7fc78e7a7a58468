package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const allReplicas = -1 // acknowledge: all that are in sync

// attempt sends the batch once. Where it fails, written says whether the batch may
// be in the partition, or may still get there.
func (s *sender) attempt(ctx context.Context, partition int32) (first int64, written bool, err error) {
	if err := s.learn(ctx); err != nil {
		return noOffset, false, err
	}
	if err := s.identify(ctx); err != nil {
		return noOffset, false, err
	}
	if int(partition) >= len(s.leaders) || s.leaders[partition] < 0 {
		return noOffset, false, fmt.Errorf("partition %d of topic %q: %w", partition, s.topic, kerr.LeaderNotAvailable)
	}
	leader := int(s.leaders[partition])
	request := s.produce(partition)
	response, err := s.client.Broker(leader).Request(ctx, request)
	if err != nil {
		return noOffset, request.withdraw(), fmt.Errorf("sending to broker %d: %w", leader, err)
	}
	first, written, err = readAnswer(response, partition)
	if err != nil {
		err = fmt.Errorf("broker %d, for partition %d of topic %q: %w", leader, partition, s.topic, err)
	}
	return first, written, err
}

// produce makes the request that sends the batch, whose bytes it keeps.
func (s *sender) produce(partition int32) *produceRequest {
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition = partition
	p.Records = s.batch.encode(s.id, s.epoch, s.sequences[partition])
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = s.topic, s.topicID // which of them counts depends on the version
	t.Partitions = append(t.Partitions, p)
	r := &produceRequest{ProduceRequest: kmsg.NewProduceRequest()}
	r.Acks = allReplicas
	r.TimeoutMillis = int32(s.hold.Milliseconds())
	r.Topics = append(r.Topics, t)
	return r
}

// produceRequest is one that can be withdrawn. The client returns at the end of a
// context while a goroutine of its own may be about to write.
type produceRequest struct {
	kmsg.ProduceRequest

	mu        sync.Mutex
	withdrawn bool
	written   bool
}

var _ kmsg.Request = (*produceRequest)(nil)

// AppendTo implements kmsg.Request. The client calls it for what it then writes.
func (r *produceRequest) AppendTo(dst []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.withdrawn {
		none := r.ProduceRequest
		none.Topics = nil
		return none.AppendTo(dst)
	}
	r.written = true
	return r.ProduceRequest.AppendTo(dst)
}

// withdraw ends the use of the request's records, and says whether something of
// them may have been written: if not, then it never will.
func (r *produceRequest) withdraw() (written bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.withdrawn = true
	return r.written
}

// readAnswer returns what a broker says of a batch: the offset of its first record,
// or why it was not acknowledged, and then whether it may have been written.
func readAnswer(response kmsg.Response, partition int32) (first int64, written bool, err error) {
	for _, topic := range response.(*kmsg.ProduceResponse).Topics {
		for _, p := range topic.Partitions {
			if p.Partition != partition {
				continue
			}
			err := kerr.ErrorForCode(p.ErrorCode)
			switch {
			case err == nil:
				return max(p.BaseOffset, noOffset), false, nil
			case errors.Is(err, kerr.DuplicateSequenceNumber):
				// An earlier attempt wrote it, so long ago that the broker has
				// forgotten where.
				return noOffset, false, nil
			}
			written := !isRefusal(err)
			if p.ErrorMessage != nil {
				err = fmt.Errorf("%w (%s)", err, *p.ErrorMessage)
			}
			return noOffset, written, err
		}
	}
	return noOffset, true, errors.New("its answer does not say what became of the batch")
}

// isRefusal says whether a broker gives this answer only before it writes anything.
// Many others it also gives later: that it is not the leader, say, or that it does
// not have the partition, when that changes while it waits for the replicas.
func isRefusal(err error) bool {
	switch err {
	case kerr.ClusterAuthorizationFailed,
		kerr.CorruptMessage,
		kerr.InvalidRecord,
		kerr.InvalidRequiredAcks,
		kerr.InvalidTimestamp,
		kerr.InvalidTopicException,
		kerr.InvalidTxnState,
		kerr.MessageTooLarge,
		kerr.NotEnoughReplicas,
		kerr.PolicyViolation,
		kerr.RecordListTooLarge,
		kerr.TopicAuthorizationFailed,
		kerr.UnknownTopicID,
		kerr.UnsupportedCompressionType,
		kerr.UnsupportedForMessageFormat,
		kerr.UnsupportedVersion:
		return true
	}
	return isAmnesia(err)
}

// isAmnesia says whether a broker refuses a batch as what it knows of the producer
// is not what comes before it.
func isAmnesia(err error) bool {
	return errors.Is(err, kerr.OutOfOrderSequenceNumber) ||
		errors.Is(err, kerr.UnknownProducerID) ||
		errors.Is(err, kerr.InvalidProducerIDMapping) ||
		errors.Is(err, kerr.InvalidProducerEpoch)
}

// forGood says whether a broker will say the same again. One that does not know
// what is wrong with it, or cannot be reached, may not.
func forGood(err error) bool {
	said, ok := errors.AsType[*kerr.Error](err)
	return ok && !said.Retriable && said != kerr.UnknownServerError
}
