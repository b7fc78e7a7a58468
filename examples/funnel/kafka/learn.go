package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// learnAfter is how long what is known of partitions serves the batches to come. New
// ones are noticed after it, by a lane that has something to send.
const learnAfter = 5 * time.Minute

// learn asks which broker leads which partition, unless that is known.
func (s *sender) learn(ctx context.Context) error {
	if time.Since(s.learned) < learnAfter {
		return nil
	}
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(s.topic)
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, s.client)
	if err == nil && len(response.Topics) != 1 {
		err = fmt.Errorf("an answer about %d topics", len(response.Topics))
	}
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("asking for the partitions of topic %q: %w", s.topic, err)
	}
	found := response.Topics[0]
	leaders := make([]int32, len(found.Partitions))
	for i := range leaders {
		leaders[i] = -1
	}
	for _, p := range found.Partitions {
		if 0 <= p.Partition && int(p.Partition) < len(leaders) {
			leaders[p.Partition] = p.Leader
		}
	}
	s.topicID, s.leaders, s.learned = found.TopicID, leaders, time.Now()
	if s.found != nil && len(leaders) > 0 {
		s.found(found.TopicID, len(leaders))
	}
	return nil
}

// identify asks for a producer ID, unless there is one.
func (s *sender) identify(ctx context.Context) error {
	if s.sequences != nil {
		return nil
	}
	response, err := kmsg.NewPtrInitProducerIDRequest().RequestWith(ctx, s.client)
	if err == nil {
		err = kerr.ErrorForCode(response.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("asking for a producer ID: %w", err)
	}
	s.id, s.epoch, s.sequences = response.ProducerID, response.ProducerEpoch, make(map[int32]int32)
	return nil
}
