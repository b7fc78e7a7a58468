package kafka

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

func TestARequestIsNeverSpreadOverTwoBatches(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	var m memory
	cfg := topics(Config{Brokers: addresses, Partitions: 5})
	f := start(t, &m, cfg)

	var (
		all   sync.WaitGroup
		total atomic.Int64
		sizes = make(map[int]int) // by the first value of a request
		mu    sync.Mutex
	)
	for user := range 20 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(user), 2))
			for request := range 10 {
				n := 1 + random.IntN(200)
				switch {
				case request == 0:
					n = 2000 // before anything has been sent
				case user == 0 && random.IntN(3) == 0:
					n = 12_000 // more than a round has room for
				}
				from := int(total.Add(int64(n))) - n
				mu.Lock()
				sizes[from] = n
				mu.Unlock()
				assert.NoError(t, f.Accept(t.Context(), numbered(from, n), false))
			}
		})
	}
	all.Wait()
	eventually(t, func() bool { return m.len() == int(total.Load()) }, "all readings are stored")

	// By the key, where each value is.
	where := make(map[float64]int64)
	partition := make(map[float64]int32)
	details, err := kadm.NewClient(f.admin).ListTopics(t.Context(), cfg.Topic)
	require.NoError(t, err)
	var (
		origins = make(map[[16]byte]int32)
		written = make(map[int32][]stored)
		count   int
	)
	for p := range int32(5) {
		origins[Origin(cfg.Topic, details[cfg.Topic].ID, p)] = p
		written[p] = batches(t, addresses, cfg.Topic, p)
		count += len(written[p])
	}
	for key, row := range m.snapshot() {
		where[row.Value], partition[row.Value] = key.Index, origins[key.Origin]
	}
	for from, n := range sizes {
		first, p := where[float64(from)], partition[float64(from)]
		last := first + int64(n) - 1
		holds := func(b stored) bool { return b.first <= first && last <= b.last }
		require.True(t, slices.ContainsFunc(written[p], holds), "a request of %d readings at offset %d of partition %d", n, first, p)
		for i := range n {
			require.Equal(t, first+int64(i), where[float64(from+i)], "in order, side by side")
			require.Equal(t, p, partition[float64(from+i)])
		}
	}
	assert.Less(t, count, len(sizes), "but requests that wait share a batch")
	t.Logf("%d requests in %d batches", len(sizes), count)
}

func TestARepetitionOfTheClientChangesNothing(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	f := start(t, &m, cfg)
	// The broker writes the batch and answers that it does not know.
	faults := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.Topic, Err: kerr.NotEnoughReplicasAfterAppend, Count: 3})
	for i := range 5 {
		require.NoError(t, f.Accept(t.Context(), numbered(i*100, 100), false))
	}
	assert.EqualValues(t, 3, faults.Hits())
	eventually(t, func() bool { return m.len() >= 500 }, "all readings are stored")
	require.NoError(t, f.end(patience))
	assert.Len(t, m.values(), 500)
	assert.Equal(t, 500, m.len(), "and none twice")
}

func TestWhatTheBrokersRefuseIsNotInTheTopic(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	f := start(t, &m, cfg)
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.Topic, Err: kerr.TopicAuthorizationFailed})
	err := f.Accept(t.Context(), numbered(0, 100), false)
	require.ErrorIs(t, err, ErrNotSent)
	require.ErrorIs(t, err, kerr.TopicAuthorizationFailed)
	require.NoError(t, f.Accept(t.Context(), numbered(100, 100), whenOwned(t, f)), "and the next goes through")
	assert.Len(t, m.values(), 100)
	require.Equal(t, int64(100), cluster.PartitionInfo(cfg.Topic, 0).HighWatermark)
}

// whenOwned waits for f's partition, and asks for stored.
func whenOwned(t *testing.T, f *funnel) bool {
	t.Helper()
	f.owns(t, 1)
	return true
}

func TestTooLargeIsSaidBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	limit := "100000"
	require.NoError(t, cluster.CreateTopic(cfg.Topic, 1, map[string]string{"max.message.bytes": limit}))
	f := start(t, &m, cfg)
	err := f.Accept(t.Context(), numbered(0, 2000), false)
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorIs(t, err, buffer.ErrTooLarge)
	require.NoError(t, f.Accept(t.Context(), numbered(0, 900), false), "the topic's own limit applies")
	require.Equal(t, int64(900), cluster.PartitionInfo(cfg.Topic, 0).HighWatermark)
}

func TestARequestThatTheTopicTakesNoMoreTakesNoOtherWithIt(t *testing.T) {
	t.Parallel()
	for _, refusal := range []*kerr.Error{kerr.MessageTooLarge, kerr.RecordListTooLarge} {
		t.Run(refusal.Message, func(t *testing.T) {
			t.Parallel()
			cluster := fake(t)
			var m memory
			cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
			f := start(t, &m, cfg)
			require.NoError(t, f.Accept(t.Context(), numbered(0, 1), false))
			limit := "20000"
			_, err := kadm.NewClient(f.admin).AlterTopicConfigs(t.Context(),
				[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, cfg.Topic)
			require.NoError(t, err)

			release := make(chan struct{})
			cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				cluster.SleepControl(func() { <-release })
				return nil, nil, false
			})
			var all sync.WaitGroup
			all.Go(func() { assert.NoError(t, f.Accept(t.Context(), numbered(1, 1), false)) })
			eventually(t, func() bool { return f.sending() == 1 }, "the first is being sent")
			var answers [6]error
			for i := range answers {
				before := f.Stats().Waiting
				n := 1
				if i == 2 {
					n = 9000
				}
				all.Go(func() { answers[i] = f.Accept(t.Context(), numbered(i*10_000, n), false) })
				eventually(t, func() bool { return f.Stats().Waiting > before }, "the others wait")
			}
			large := func(r kmsg.Request) bool {
				return len(r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records) > 20_000
			}
			cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.Topic, When: large, Err: refusal, Count: -1})
			close(release)
			all.Wait()
			for i, err := range answers {
				if i == 2 {
					require.ErrorIs(t, err, ErrTooLarge)
					require.ErrorIs(t, err, buffer.ErrTooLarge)
					require.NotErrorIs(t, err, ErrNotSent, "it is not to be sent again")
					continue
				}
				require.NoError(t, err)
			}
			require.Equal(t, int64(7), cluster.PartitionInfo(cfg.Topic, 0).HighWatermark)
			assert.Zero(t, f.sending())
			assert.EqualValues(t, 20_000-batchOverhead, f.producer.limit.Load(), "the next is refused before it is sent")
		})
	}
}

func TestWhileNoBrokerAnswersRequestsWaitAreRefusedOrInDoubt(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1, MaxWaiting: 5000})
	f := start(t, &m, cfg)

	release := make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
	accept := func(ctx context.Context, from int) <-chan error {
		answer := make(chan error, 1)
		go func() { answer <- f.Accept(ctx, numbered(from, 30), false) }()
		return answer
	}
	short, cancel := context.WithCancel(t.Context())
	inDoubt := accept(short, 0)
	eventually(t, func() bool { return f.sending() == 30 }, "the first is being sent")
	withdrawn := accept(short, 100)
	eventually(t, func() bool { return f.Stats().Waiting > 0 }, "the second waits")
	cancel()
	require.ErrorIs(t, <-inDoubt, ErrInDoubt)
	err := <-withdrawn
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrInDoubt, "it was taken back")
	require.Zero(t, f.Stats().Waiting)

	later := accept(t.Context(), 200)
	eventually(t, func() bool { return f.Stats().Waiting > 0 }, "one waits")
	require.ErrorIs(t, f.Accept(t.Context(), numbered(300, 30), false), buffer.ErrFull)
	close(release)
	require.NoError(t, <-later)

	eventually(t, func() bool { return m.len() == 60 }, "what was in doubt came after all, whole")
	values := m.values()
	assert.Equal(t, 1, values[0])
	assert.Equal(t, 1, values[29])
	assert.Equal(t, 1, values[200])
	assert.EqualValues(t, 60, f.Stats().Produced, "also what nobody waited for")
}

func TestWhoWaitsForThoseBeforeThemHasPatience(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	f := start(t, &m, topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1, Patience: 200 * time.Millisecond}))
	release := make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
	sent := make(chan error, 1)
	go func() { sent <- f.Accept(t.Context(), numbered(0, 30), false) }()
	eventually(t, func() bool { return f.sending() == 30 }, "the first is being sent")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := f.Accept(ctx, numbered(100, 30), false)
	require.ErrorIs(t, err, buffer.ErrFull)
	require.NotErrorIs(t, err, ErrInDoubt)
	require.Zero(t, f.Stats().Waiting)
	close(release)
	require.NoError(t, <-sent, "what is being sent has DeliveryTimeout")
	eventually(t, func() bool { return m.len() == 30 }, "only the first is in the topic")
}

func TestShutdownSaysWhatItCouldNotSend(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	f := start(t, &m, topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1}))
	release := make(chan struct{})
	defer close(release)
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
	answers := make(chan error, 2)
	go func() { answers <- f.Accept(t.Context(), numbered(0, 30), false) }()
	eventually(t, func() bool { return f.sending() == 30 }, "the first is being sent")
	go func() { answers <- f.Accept(t.Context(), numbered(100, 20), false) }()
	eventually(t, func() bool { return f.Stats().Waiting > 0 }, "the second waits")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := f.Shutdown(ctx)
	left, ok := errors.AsType[*ShutdownError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, 50, left.Unsent)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	both := []error{<-answers, <-answers}
	doubt := slices.IndexFunc(both, func(err error) bool { return errors.Is(err, ErrInDoubt) })
	require.GreaterOrEqual(t, doubt, 0, "%v", both)
	assert.ErrorIs(t, both[1-doubt], buffer.ErrClosed)
}

func TestWhereTheBrokersDoNotSayTheOffsetStoredIsNotSaid(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	f := start(t, &m, cfg)
	stored := whenOwned(t, f)
	written := kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.Topic, Err: kerr.RequestTimedOut}
	forgotten := kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.Topic, Err: kerr.DuplicateSequenceNumber}
	cluster.Fault(written, forgotten)
	require.ErrorIs(t, f.Accept(t.Context(), numbered(0, 10), stored), ingest.ErrElsewhere, "they are in the topic")
	cluster.Fault(written, forgotten)
	require.NoError(t, f.Accept(t.Context(), numbered(10, 10), false))
	require.NoError(t, f.Accept(t.Context(), numbered(20, 10), stored))
	eventually(t, func() bool { return m.len() >= 30 }, "all readings are stored")
	assert.Len(t, m.values(), 30)
}

func TestRequestsOfOneBatchHaveTheirOwnOffsets(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	m := memory{refuse: func(row store.Row) bool { return row.Value == 35 }}
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	f := start(t, &m, cfg)
	f.owns(t, 1)
	release := make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
	const requests, each = 6, 10
	var (
		answers [requests]error
		all     sync.WaitGroup
	)
	for i := range requests {
		before := f.Stats().Waiting
		all.Go(func() { answers[i] = f.Accept(t.Context(), numbered(i*each, each), true) })
		if i == 0 {
			eventually(t, func() bool { return f.sending() == each }, "the first is being sent")
			continue
		}
		eventually(t, func() bool { return f.Stats().Waiting > before }, "the others wait")
	}
	close(release)
	all.Wait()
	for i, err := range answers {
		if i == 3 {
			require.ErrorIs(t, err, ErrRejected, "it has the reading that was refused")
			continue
		}
		require.NoError(t, err, "request %d", i)
	}
	assert.Len(t, batches(t, cluster.ListenAddrs(), cfg.Topic, 0), 2)
}

func TestPartitionsThatAreAddedAreWrittenTo(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	f := start(t, &m, cfg)
	_, err := kadm.NewClient(f.admin).UpdatePartitions(t.Context(), 3, cfg.Topic)
	require.NoError(t, err)
	// So that the lane asks now, and not when it does so anyway.
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.Topic, Err: kerr.NotLeaderForPartition})
	for i := range 7 {
		require.NoError(t, f.Accept(t.Context(), numbered(i*10, 10), false))
	}
	for partition := range int32(3) {
		assert.NotEmpty(t, batches(t, cluster.ListenAddrs(), cfg.Topic, partition))
	}
}

func TestShutdownDoesNotDoubtWhatWasRefused(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	f := start(t, &m, cfg)
	f.owns(t, 1)
	// The batch is refused for the moment, and then there is nobody to send it to.
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.Topic, Err: kerr.NotEnoughReplicas})
	nobody := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: cfg.Topic, Err: kerr.LeaderNotAvailable, Count: -1})
	answer := make(chan error, 1)
	go func() { answer <- f.Accept(t.Context(), numbered(0, 30), false) }()
	eventually(t, func() bool { return nobody.Hits() > 0 }, "the brokers are asked again")

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	left, ok := errors.AsType[*ShutdownError](f.Shutdown(ctx))
	require.True(t, ok)
	assert.Equal(t, 30, left.Unsent)
	err := <-answer
	require.ErrorIs(t, err, buffer.ErrClosed, "none was taken")
	require.NotErrorIs(t, err, ErrInDoubt)
	require.Zero(t, cluster.PartitionInfo(cfg.Topic, 0).HighWatermark)
}
