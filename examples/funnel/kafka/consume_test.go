package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

func headers(record *kgo.Record) map[string]string {
	all := make(map[string]string)
	for _, h := range record.Headers {
		all[h.Key] = string(h.Value)
	}
	return all
}

func TestPoisonGoesToTheDeadLetterTopicWithItsReason(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	cfg := topics(Config{Brokers: addresses, Partitions: 1, MaxRecord: 1000})
	m := memory{refuse: func(row store.Row) bool { return row.Value == 13 }}
	f := start(t, &m, cfg)
	client := raw(t, addresses)
	record := func(value string) *kgo.Record {
		return &kgo.Record{
			Topic: cfg.Topic, Key: []byte("k"), Value: []byte(value),
			Headers: []kgo.RecordHeader{{Key: "mine", Value: []byte("kept")}},
		}
	}
	large := `{"sensor":"` + strings.Repeat("x", 2000) + `","value":1}`
	produce(t, client,
		record(`{"sensor":"a","value":12,"time":"2026-01-02T03:04:05Z"}`),
		record(`{"sensor":"a","value":"twelve"}`),
		record(`{"sensor":"a","value":13,"time":"2026-01-02T03:04:05Z"}`),
		record(large),
		record(`{"sensor":"a","value":14}`),
		record(``),
	)
	letters := consumeAll(t, addresses, cfg.DeadLetterTopic, 4)
	byOffset := make(map[string]*kgo.Record)
	for _, letter := range letters {
		h := headers(letter)
		byOffset[h[HeaderOffset]] = letter
		assert.Equal(t, cfg.Topic, h[HeaderTopic])
		assert.Equal(t, "0", h[HeaderPartition])
		assert.Equal(t, "kept", h["mine"])
		assert.NotEmpty(t, h[HeaderError])
		assert.Equal(t, "k", string(letter.Key))
	}
	for offset, want := range map[string]struct{ reason, value string }{
		"1": {ReasonUndecodable, `{"sensor":"a","value":"twelve"}`},
		"2": {ReasonRejected, `{"sensor":"a","value":13,"time":"2026-01-02T03:04:05Z"}`},
		"3": {ReasonTooLarge, large},
		"5": {ReasonUndecodable, ``},
	} {
		require.Contains(t, byOffset, offset)
		assert.Equal(t, want.reason, headers(byOffset[offset])[HeaderReason])
		assert.Equal(t, want.value, string(byOffset[offset].Value))
	}
	assert.Contains(t, headers(byOffset["2"])[HeaderError], "the store refuses that")

	eventually(t, func() bool { return committed(t, client, cfg) == 6 }, "all offsets are committed, the poison's too")
	assert.Equal(t, map[float64]int{12: 1, 14: 1}, m.values())
	assert.EqualValues(t, 4, f.Stats().DeadLettered)
}

func TestWhatATransactionTookBackIsNotStored(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	var m memory
	cfg := topics(Config{Brokers: addresses, Partitions: 1})
	f := start(t, &m, cfg)
	client := raw(t, addresses, kgo.TransactionalID(cfg.Topic))
	for value, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		require.NoError(t, client.BeginTransaction())
		produce(t, client, &kgo.Record{Topic: cfg.Topic, Value: fmt.Appendf(nil, `{"sensor":"a","value":%d}`, value)})
		require.NoError(t, client.EndTransaction(t.Context(), end))
	}
	require.NoError(t, f.Accept(t.Context(), numbered(2, 1), whenOwned(t, f)))
	assert.Equal(t, map[float64]int{1: 1, 2: 1}, m.values())
}

func TestPoisonIsDoneWhenItsDeadLetterIsAcknowledged(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	var m memory
	start(t, &m, cfg)
	faults := cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.DeadLetterTopic, Err: kerr.TopicAuthorizationFailed, Count: -1,
	})
	client := raw(t, cluster.ListenAddrs())
	for i := range 10 {
		value := fmt.Sprintf(`{"sensor":"a","value":%d}`, i)
		if i == 3 {
			value = "poison"
		}
		produce(t, client, &kgo.Record{Topic: cfg.Topic, Value: []byte(value)})
	}
	eventually(t, func() bool { return m.len() == 9 }, "what follows is stored all the same")
	eventually(t, func() bool { return faults.Hits() >= 2 }, "the dead letter is tried again")
	eventually(t, func() bool { return committed(t, client, cfg) == 3 }, "nothing is committed beyond the poison")
	time.Sleep(150 * time.Millisecond) // three commit intervals
	require.Equal(t, int64(3), committed(t, client, cfg))
	faults.Remove()
	eventually(t, func() bool { return committed(t, client, cfg) == 10 }, "all is committed")
	assert.Len(t, consumeAll(t, cluster.ListenAddrs(), cfg.DeadLetterTopic, 1), 1)
}

func TestAPartitionWithoutRoomDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 2})
	var m memory
	f := start(t, &m, cfg)
	f.owns(t, 2)
	faults := cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: cfg.DeadLetterTopic, Err: kerr.TopicAuthorizationFailed, Count: -1,
	})
	client := raw(t, cluster.ListenAddrs())
	var poison []*kgo.Record
	value := make([]byte, 512<<10) // which compresses well
	const many = (maxHeld + 2*chunkBytes) >> 19
	for range many {
		poison = append(poison, &kgo.Record{Topic: cfg.Topic, Value: value})
	}
	produce(t, client, poison...)
	full := func() bool {
		for _, a := range f.consumer.assignments() {
			if !a.room() {
				return true
			}
		}
		return false
	}
	eventually(t, full, "a partition has no room")
	well := func(i int) {
		value := fmt.Appendf(nil, `{"sensor":"a","value":%d}`, i)
		produce(t, client, &kgo.Record{Topic: cfg.Topic, Partition: 1, Value: value})
		eventually(t, func() bool { return m.len() == i+1 }, "the other goes on")
	}
	for i := range 5 {
		well(i)
	}
	assert.True(t, full())
	faults.Remove()
	eventually(t, func() bool { return committed(t, client, cfg) == many+5 }, "and it goes on as well, in order, when it has room")
	well(5)
	assert.EqualValues(t, many, f.Stats().DeadLettered, "none twice")
}

func TestADeadLetterThatIsTooLargeIsCut(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	limit := "50000"
	require.NoError(t, cluster.CreateTopic(cfg.DeadLetterTopic, 1, map[string]string{"max.message.bytes": limit}))
	var m memory
	start(t, &m, cfg)
	client := raw(t, cluster.ListenAddrs(), kgo.ProducerBatchCompression(kgo.NoCompression()))
	value := make([]byte, 200_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range value {
		value[i] = byte(random.Uint32()) // so that compression does not make it fit
	}
	produce(t, client, &kgo.Record{Topic: cfg.Topic, Value: value})
	letter := consumeAll(t, cluster.ListenAddrs(), cfg.DeadLetterTopic, 1)[0]
	require.Len(t, letter.Value, cutTo)
	assert.True(t, bytes.HasPrefix(value, letter.Value))
	assert.Equal(t, strconv.Itoa(len(value)), headers(letter)[HeaderCut])
	eventually(t, func() bool { return committed(t, client, cfg) == 1 }, "it is done")
}

func TestADeadLetterThatTheTopicTakesIsNotCut(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	cfg := topics(Config{Brokers: addresses, Partitions: 1})
	var m memory
	start(t, &m, cfg)
	client := raw(t, addresses, kgo.ProducerBatchMaxBytes(4<<20))
	produce(t, client, &kgo.Record{Topic: cfg.Topic, Value: make([]byte, 2<<20)})
	letter := consumeAll(t, addresses, cfg.DeadLetterTopic, 1)[0]
	assert.Len(t, letter.Value, 2<<20)
	assert.NotContains(t, headers(letter), HeaderCut)
}

func TestDeadLettersThatAreTooLargeTogetherAreNotCut(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 1})
	limit := "50000"
	require.NoError(t, cluster.CreateTopic(cfg.DeadLetterTopic, 1, map[string]string{"max.message.bytes": limit}))
	var m memory
	start(t, &m, cfg, pipeline.Config{FlushInterval: 20 * time.Millisecond})
	client := raw(t, cluster.ListenAddrs(), kgo.ProducerBatchCompression(kgo.NoCompression()))
	random := rand.New(rand.NewPCG(1, 2))
	var all []*kgo.Record
	for range 10 {
		value := make([]byte, 30_000)
		for i := range value {
			value[i] = byte(random.Uint32())
		}
		all = append(all, &kgo.Record{Topic: cfg.Topic, Key: []byte("k"), Value: value})
	}
	produce(t, client, all...)
	for _, letter := range consumeAll(t, cluster.ListenAddrs(), cfg.DeadLetterTopic, len(all)) {
		assert.Len(t, letter.Value, 30_000)
		assert.Equal(t, "k", string(letter.Key))
		assert.NotContains(t, headers(letter), HeaderCut)
	}
	eventually(t, func() bool { return committed(t, client, cfg) == int64(len(all)) }, "they are done")
}

func TestStoredSaysWhenTheStoreRefuses(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	m := memory{refuse: func(row store.Row) bool { return row.Value == 13 }}
	f := start(t, &m, topics(Config{Brokers: addresses, Partitions: 1}))
	f.owns(t, 1)
	require.NoError(t, f.Accept(t.Context(), numbered(0, 10), true))
	require.ErrorIs(t, f.Accept(t.Context(), numbered(10, 10), true), ErrRejected)
	require.NoError(t, f.Accept(t.Context(), numbered(20, 10), true))
	assert.Equal(t, 29, m.len())
}

func TestWhileTheStoreIsDownNothingIsLostAndNothingCommitted(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	cfg := topics(Config{Brokers: addresses, Partitions: 2})
	var m memory
	f := start(t, &m, cfg, pipeline.Config{MaxSize: 200, FlushInterval: 20 * time.Millisecond})
	client := raw(t, addresses)

	require.NoError(t, f.Accept(t.Context(), numbered(0, 1000), false))
	eventually(t, func() bool { return committed(t, client, cfg) == 1000 }, "the first are stored and committed")
	m.down.Store(true)
	for i := 1; i < 10; i++ {
		require.NoError(t, f.Accept(t.Context(), numbered(i*1000, 1000), false), "Kafka goes on taking readings")
	}
	eventually(t, func() bool { return f.pipeline.Stats().Waiting > 0 }, "the pipeline is full, and holds the consumer back")
	time.Sleep(150 * time.Millisecond)
	assert.EqualValues(t, 1000, committed(t, client, cfg))
	unsettled := 0
	for _, p := range f.Stats().Partitions {
		unsettled += p.Unsettled
	}
	assert.Less(t, unsettled, 9000, "what cannot be stored is not consumed")
	m.down.Store(false)
	eventually(t, func() bool { return m.len() == 10_000 }, "all readings are stored")
	eventually(t, func() bool { return committed(t, client, cfg) == 10_000 }, "and committed")
	assert.Zero(t, m.repeats)
}

func TestShutdownWithTheStoreDownCommitsNothingThatIsNotStored(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	cfg := topics(Config{Brokers: addresses, Partitions: 1})
	var m memory
	f := start(t, &m, cfg)
	require.NoError(t, f.Accept(t.Context(), numbered(0, 100), false))
	eventually(t, func() bool { return m.len() == 100 }, "the first are stored")
	m.down.Store(true)
	require.NoError(t, f.Accept(t.Context(), numbered(100, 100), false))
	eventually(t, func() bool { return f.Stats().Consumed == 200 }, "the others are consumed")

	err := f.end(100 * time.Millisecond)
	left, ok := errors.AsType[*ShutdownError](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, 100, left.Unsettled)
	assert.EqualValues(t, 100, committed(t, raw(t, addresses), cfg))

	m.down.Store(false)
	start(t, &m, cfg)
	eventually(t, func() bool { return m.len() == 200 }, "the next one consumes them again")
}

func TestBrokersThatAreAwayForAWhileLoseNothing(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 2})
	var m memory
	f := start(t, &m, cfg)
	require.NoError(t, f.Accept(t.Context(), numbered(0, 100), false))
	var away atomic.Bool
	away.Store(true)
	cluster.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if away.Load() {
			return nil, errors.New("gone"), true // which closes the connection
		}
		return nil, nil, false
	})
	answer := make(chan error, 1)
	go func() {
		err := f.Accept(t.Context(), numbered(100, 100), false)
		for errors.Is(err, ErrNotSent) { // which may be repeated
			err = f.Accept(t.Context(), numbered(100, 100), false)
		}
		answer <- err
	}()
	time.Sleep(500 * time.Millisecond)
	away.Store(false)
	require.NoError(t, <-answer)
	eventually(t, func() bool { return m.len() >= 200 }, "all readings are stored")
	require.NoError(t, f.end(patience))
	assert.Len(t, m.values(), 200)
	assert.Equal(t, 200, m.len())
}

func TestStoredWithoutAPartitionIsNotKnown(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	cfg := topics(Config{Brokers: addresses, Partitions: 1})
	var m memory
	first := start(t, &m, cfg)
	first.owns(t, 1)
	second := start(t, &m, cfg)
	for !second.consumer.joined.Load() { // until then only the answer to come again later
		err := second.Accept(t.Context(), numbered(2, 1), true)
		require.True(t, errors.Is(err, ingest.ErrAway) || second.consumer.joined.Load(), "%v", err)
		time.Sleep(time.Millisecond)
	}
	eventually(t, func() bool {
		return len(first.Stats().Partitions)+len(second.Stats().Partitions) == 1
	}, "one of them has the partition")
	other := second
	if len(second.Stats().Partitions) == 1 {
		other = first
	}
	require.ErrorIs(t, other.Accept(t.Context(), numbered(0, 1), true), ingest.ErrNotKnown)
	require.NoError(t, other.Accept(t.Context(), numbered(1, 1), false))
	eventually(t, func() bool { return m.len() == 1 }, "only the second was taken")

	for _, c := range []struct{ is, as error }{
		{ErrNotSent, ingest.ErrAway}, {ErrInDoubt, ingest.ErrInDoubt}, {ErrElsewhere, ingest.ErrElsewhere}, {ErrRejected, ingest.ErrRejected},
	} {
		require.ErrorIs(t, c.is, c.as, "HTTP answers by what it is")
	}
}
