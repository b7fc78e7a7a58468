package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// usualBatch is the record batch that brokers of all versions take when nothing
// else was set.
const usualBatch = 1_000_000

// noTopicID is what brokers before 2.8 say, and those that do not know.
var noTopicID [16]byte

// ensureTopics creates the topics that are not there, and returns the topic, and
// how large a record batch it takes.
func ensureTopics(ctx context.Context, admin *kadm.Client, cfg Config) (topic kadm.TopicDetail, batch int, err error) {
	if _, err := ensureTopic(ctx, admin, cfg, cfg.DeadLetterTopic, 1, letterBatch(cfg)); err != nil {
		return kadm.TopicDetail{}, 0, err
	}
	if topic, err = ensureTopic(ctx, admin, cfg, cfg.Topic, cfg.Partitions, cfg.MaxBatch); err != nil {
		return kadm.TopicDetail{}, 0, err
	}
	limit, ok := topicBatch(ctx, admin, cfg.Topic)
	if !ok {
		limit = usualBatch
	}
	return topic, min(cfg.MaxBatch, limit), nil
}

// ensureTopic waits until the topic is there, with its partitions.
func ensureTopic(ctx context.Context, admin *kadm.Client, cfg Config, topic string, partitions, batch int) (kadm.TopicDetail, error) {
	limit := strconv.Itoa(batch)
	for {
		topics, err := admin.ListTopics(ctx, topic)
		if err != nil {
			return kadm.TopicDetail{}, fmt.Errorf("kafka: looking for topic %q: %w", topic, err)
		}
		detail := topics[topic]
		switch {
		case detail.Err == nil && len(detail.Partitions) > 0:
			return detail, nil
		case errors.Is(detail.Err, kerr.UnknownTopicOrPartition):
			_, err = admin.CreateTopic(ctx, int32(partitions), int16(cfg.Replication), map[string]*string{"max.message.bytes": &limit}, topic)
			if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
				return kadm.TopicDetail{}, fmt.Errorf("kafka: creating topic %q with %d partitions: %w", topic, partitions, err)
			}
		case detail.Err != nil && !kerr.IsRetriable(detail.Err):
			return kadm.TopicDetail{}, fmt.Errorf("kafka: looking for topic %q: %w", topic, detail.Err)
		}
		select {
		case <-time.After(50 * time.Millisecond): // brokers learn of it one after another
		case <-ctx.Done():
			return kadm.TopicDetail{}, fmt.Errorf("kafka: waiting for topic %q: %w", topic, context.Cause(ctx))
		}
	}
}

// topicBatch asks for the topic's max.message.bytes. It is false where that is not
// told, as to those who may not know it.
func topicBatch(ctx context.Context, admin *kadm.Client, topic string) (int, bool) {
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return 0, false
	}
	config, err := configs.On(topic, nil)
	if err != nil || config.Err != nil {
		return 0, false
	}
	for _, c := range config.Configs {
		if c.Key == "max.message.bytes" && c.Value != nil {
			if n, err := strconv.Atoi(*c.Value); err == nil && n > batchOverhead {
				return n, true
			}
		}
	}
	return 0, false
}
