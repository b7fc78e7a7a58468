package kafka

import (
	"context"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// assigned is called by the client when partitions come to this process, before
// anything is fetched of them.
func (c *consumer) assigned(ctx context.Context, _ *kgo.Client, topics map[string][]int32) {
	partitions := topics[c.cfg.Topic]
	if len(partitions) == 0 {
		c.joined.Store(true)
		return
	}
	<-c.ready
	id, err := c.topicID(ctx)
	if err != nil {
		return // the client is being closed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, partition := range partitions {
		c.owned[partition] = newAssignment(partition, Origin(c.cfg.Topic, id, partition), c.dead.add)
	}
	if id != c.id {
		c.look()
	}
	c.joined.Store(true)
	c.rebalances.Add(1)
	c.cfg.Logger.Info("kafka: partitions assigned", slog.Any("partitions", partitions))
}

// revoked is called by the client before partitions go to another process: they
// get RevokeTimeout to finish what they have in flight, and are committed.
func (c *consumer) revoked(ctx context.Context, _ *kgo.Client, topics map[string][]int32) {
	<-c.ready
	going := c.disown(topics[c.cfg.Topic])
	if len(going) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RevokeTimeout)
	defer cancel()
	left := c.finish(ctx, going)
	c.rebalances.Add(1)
	c.cfg.Logger.Info("kafka: partitions given away", slog.Any("partitions", topics[c.cfg.Topic]),
		slog.Int("left", left))
}

// lost is called by the client when partitions may belong to another process
// already. Nothing is committed: that would be the other's to do.
func (c *consumer) lost(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	<-c.ready
	c.joined.Store(false) // until it has joined again
	going := c.disown(topics[c.cfg.Topic])
	if len(going) == 0 {
		return
	}
	left := 0
	for _, a := range going {
		left += a.end()
	}
	c.rebalances.Add(1)
	c.lostPartitions.Add(int64(len(going)))
	c.cfg.Logger.Warn("kafka: partitions lost: what was not committed is consumed again, by whoever has them now",
		slog.Any("partitions", topics[c.cfg.Topic]), slog.Int("left", left))
}

func (c *consumer) disown(partitions []int32) (going []*assignment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, partition := range partitions {
		if a := c.owned[partition]; a != nil {
			going = append(going, a)
			delete(c.owned, partition)
		}
	}
	return going
}

func (c *consumer) assignments() (all []*assignment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.owned {
		all = append(all, a)
	}
	return all
}

// finish stops assignments, has the pipeline write what they have in flight, waits
// for it until ctx ends, commits, and ends them. It returns how many records are
// left, that will be consumed again.
func (c *consumer) finish(ctx context.Context, going []*assignment) (left int) {
	for _, a := range going {
		a.stop()
	}
	for _, a := range going {
		// Not before the last insert has ended, which might be of this partition.
		_ = a.until(ctx, func() bool { return a.taking == nil })
	}
	if err := c.cfg.Pipeline.Flush(ctx); err != nil {
		c.cfg.Logger.Warn("kafka: flushing before partitions are given away", slog.Any("error", err))
	}
	for _, a := range going {
		_ = a.settle(ctx) // left says it
	}
	// What is done by now is worth a commit, also when the time is up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	c.commit(ctx, going)
	for _, a := range going {
		left += a.end()
	}
	return left
}

const commitTimeout = 5 * time.Second

// commitEvery commits what is done, every CommitInterval, until ctx ends. It also
// calls renew.
func (c *consumer) commitEvery(ctx context.Context) {
	tick := time.NewTicker(c.cfg.CommitInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.commit(ctx, c.assignments())
		case <-c.anew:
			c.renew(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// commit commits how far assignments are, where that has changed. What cannot be
// committed is tried again the next time.
func (c *consumer) commit(ctx context.Context, all []*assignment) {
	select {
	case c.committing <- struct{}{}:
		defer func() { <-c.committing }()
	case <-ctx.Done():
		return
	}
	marks := make(map[int32]kgo.EpochOffset)
	for _, a := range all {
		a.mu.Lock()
		if mark := a.offsets.mark; mark.offset > a.saved && !a.ended {
			marks[a.partition] = kgo.EpochOffset{Epoch: mark.epoch, Offset: mark.offset}
		}
		a.mu.Unlock()
	}
	if len(marks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	c.client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{c.cfg.Topic: marks},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
			if err == nil {
				err = c.committed(all, marks, response)
			}
			if err != nil && ctx.Err() == nil {
				c.commitError.log(c.cfg.Logger, slog.LevelWarn, "kafka: offsets not committed, tried again with the next",
					slog.Any("error", err))
			}
		})
}

// committed notes what the brokers say of each partition, and returns the first
// error.
func (c *consumer) committed(all []*assignment, marks map[int32]kgo.EpochOffset, response *kmsg.OffsetCommitResponse) (first error) {
	took := make(map[int32]bool)
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			err := kerr.ErrorForCode(p.ErrorCode)
			took[p.Partition] = err == nil
			if first == nil {
				first = err
			}
		}
	}
	for _, a := range all {
		if mark, ok := marks[a.partition]; ok && took[a.partition] {
			a.mu.Lock()
			a.saved = mark.Offset
			a.mu.Unlock()
			c.commits.Add(1)
		}
	}
	return first
}

// shutdown leaves the group when all in flight is done and committed, or at the
// end of ctx. It returns how many records were left.
func (c *consumer) shutdown(ctx context.Context) (left int) {
	all := c.assignments()
	c.stop()
	for _, a := range all {
		a.stop()
	}
	c.done.Wait()
	// Again: a rebalance may have come between.
	all = c.assignments()
	left = c.finish(ctx, all)

	// Leaving calls revoked, which finds nothing left to do for these.
	c.mu.Lock()
	clear(c.owned)
	c.mu.Unlock()
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if err := c.client.LeaveGroupContext(leave); err != nil {
		c.cfg.Logger.Warn("kafka: leaving the group", slog.Any("error", err))
	}
	c.dead.stop()
	c.client.CloseAllowingRebalance()
	return left
}
