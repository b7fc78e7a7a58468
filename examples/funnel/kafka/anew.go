package kafka

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// renewAgain is how long the client may say that the brokers do not know the topic
// until it is made to forget it once more. A broker that was late to learn of a new
// topic may have told it the old one's ID.
const renewAgain = 10 * time.Second

// notice is told of a topic ID that the producer has found.
func (c *consumer) notice(id [16]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id != noTopicID && id != c.id {
		c.look()
	}
}

// look has renew look whether the topic is still the same. It does not block.
func (c *consumer) look() {
	select {
	case c.anew <- struct{}{}:
	default:
	}
}

// renew has the client consume a topic that was made anew, which it does not do by
// itself: it holds on to the ID that it has seen first. What is in flight belongs to
// the old topic. It is not committed, since commits go by name, and would have the
// new one consumed from there. The goroutine of commitEvery calls it.
func (c *consumer) renew(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	id, err := c.topicID(asking)
	if err != nil || id == noTopicID {
		return // there is none at the moment, and fetching goes on to fail
	}
	c.mu.Lock()
	other := id != c.id
	c.mu.Unlock()
	if unknown := c.unknown.Swap(false); !other && (!unknown || time.Since(c.renewed) < renewAgain) {
		return
	}
	c.renewed = time.Now()

	select {
	case c.committing <- struct{}{}: // none is under way
	case <-ctx.Done():
		return
	}
	c.mu.Lock()
	c.id = id
	going := c.owned
	c.owned = make(map[int32]*assignment)
	c.mu.Unlock()
	left := 0
	for _, a := range going {
		left += a.end()
	}
	<-c.committing
	c.joined.Store(false)
	text := "kafka: the brokers do not know the topic's ID, which is asked for again"
	if other {
		text = "kafka: the topic was made anew, and is consumed from its start"
	}
	c.cfg.Logger.Warn(text, slog.String("topic", c.cfg.Topic), slog.Int("left", left))
	c.client.PurgeTopicsFromConsuming(c.cfg.Topic)
	c.mu.Lock()
	c.fresh = c.fresh || other
	c.mu.Unlock()
	c.client.AddConsumeTopics(c.cfg.Topic)
}

// adjust is called by the client with the offsets that the group has committed,
// before it fetches from there. Those of a topic that was just made anew may be the
// old one's.
func (c *consumer) adjust(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	partitions := offsets[c.cfg.Topic]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh && len(partitions) > 0 {
		c.fresh = false
		for partition := range partitions {
			partitions[partition] = kgo.NewOffset().AtStart()
		}
	}
	return offsets, nil
}
