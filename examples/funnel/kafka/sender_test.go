package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/go-databuffer/databuffer/buffer"
)

// sending is a sender on its own, with a topic.
type sending struct {
	*sender
	addresses []string
}

func startSender(t *testing.T, addresses []string, cfg Config) sending {
	t.Helper()
	cfg = topics(cfg)
	if cfg.DeliveryTimeout == 0 {
		cfg.DeliveryTimeout = patience
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	_, err := kadm.NewClient(raw(t, addresses)).CreateTopic(t.Context(), int32(cfg.Partitions), -1, nil, cfg.Topic)
	require.NoError(t, err)
	client := raw(t, addresses, append(clientOptions(cfg, addresses), cfg.Options...)...)
	s := newSender(client, cfg)
	require.NoError(t, s.ready(t.Context()))
	return sending{s, addresses}
}

// numbers sends so many readings to a partition.
func (s sending) numbers(t *testing.T, partition int32, n int) (first int64, err error) {
	t.Helper()
	return s.send(t.Context(), partition, []*request{newRequest(numbered(0, n))})
}

// taken sends readings that the brokers are to take at an offset.
func (s sending) taken(t *testing.T, partition int32, n int, at int64) {
	t.Helper()
	first, err := s.numbers(t, partition, n)
	require.NoError(t, err)
	require.Equal(t, at, first)
}

// written are the batches of a partition.
func (s sending) written(t *testing.T, partition int32) []stored {
	t.Helper()
	return batches(t, s.addresses, s.topic, partition)
}

func TestSequenceNumbersAreThoseOfAPartition(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	s := startSender(t, addresses, Config{Partitions: 3})
	sizes := [][]int{{5, 1, 20}, {7, 300}, {2, 2, 2, 2, 2, 2, 2}}
	for turn := range 7 {
		for partition, of := range sizes {
			if turn < len(of) {
				_, err := s.numbers(t, int32(partition), of[turn])
				require.NoError(t, err)
			}
		}
	}
	for partition, of := range sizes {
		var sequence int32
		written := s.written(t, int32(partition))
		require.Len(t, written, len(of), "one batch a round")
		for i, b := range written {
			assert.EqualValues(t, of[i], b.header.NumRecords)
			assert.Equal(t, sequence, b.header.FirstSequence)
			assert.Equal(t, s.id, b.header.ProducerID)
			sequence += b.header.NumRecords
		}
	}
}

func TestAfterTheGreatestSequenceNumberTheBrokersTakeTheNext(t *testing.T) {
	t.Parallel()
	addresses, cluster := brokers(t)
	s := startSender(t, addresses, Config{Partitions: 1})
	s.taken(t, 0, 10, 0)
	// As if it had sent so many: to somebody new, brokers allow any number to
	// begin with, in a partition that has records.
	s.sequences = nil
	require.NoError(t, s.identify(t.Context()))
	s.sequences[0] = math.MaxInt32 - 10
	id := s.id
	s.taken(t, 0, 5, 10)
	s.taken(t, 0, 20, 15)
	s.taken(t, 0, 10, 35)
	written := s.written(t, 0)
	require.Len(t, written, 4)
	if cluster == nil { // the stand-in has another way to count there
		assert.Equal(t, id, s.id)
		assert.EqualValues(t, 14, written[3].header.FirstSequence)
	}
}

func TestCodecsAreThoseOfTheClient(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	for name, preference := range codecs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSender(t, addresses, Config{Partitions: 1, Options: []kgo.Opt{kgo.ProducerBatchCompression(preference...)}})
			s.taken(t, 0, 1000, 0)
			written := s.written(t, 0)
			require.Len(t, written, 1)
			assert.Equal(t, name == "none", written[0].header.Attributes == 0)
			for i, record := range consumeAll(t, addresses, s.topic, 1000) {
				require.Contains(t, string(record.Value), fmt.Sprintf(`"value":%d,`, i))
			}
		})
	}
}

func TestABatchIsSentAgainUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	for _, answer := range []*kerr.Error{
		kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, // and it is written
		kerr.NotEnoughReplicas, kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID,
		kerr.LeaderNotAvailable, kerr.KafkaStorageError, kerr.CorruptMessage, kerr.UnknownServerError,
	} {
		t.Run(answer.Message, func(t *testing.T) {
			t.Parallel()
			s := startSender(t, cluster.ListenAddrs(), Config{Partitions: 1})
			id := s.id
			s.taken(t, 0, 10, 0)
			faults := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: s.topic, Err: answer, Count: 2})
			s.taken(t, 0, 20, 10)
			assert.Equal(t, 2, faults.Hits())
			s.taken(t, 0, 30, 30)
			assert.Equal(t, id, s.id, "with the same producer ID")
			assert.Len(t, s.written(t, 0), 3)
		})
	}
}

func TestWhatIsRefusedIsNotThereAndTheNextIsTaken(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	for _, refusal := range []*kerr.Error{
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.MessageTooLarge, kerr.RecordListTooLarge,
		kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation, kerr.UnsupportedCompressionType,
	} {
		t.Run(refusal.Message, func(t *testing.T) {
			t.Parallel()
			s := startSender(t, cluster.ListenAddrs(), Config{Partitions: 1})
			id := s.id
			s.taken(t, 0, 10, 0)
			faults := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: s.topic, Err: refusal, Count: -1})
			first, err := s.numbers(t, 0, 20)
			require.ErrorIs(t, err, ErrNotSent)
			require.ErrorIs(t, err, refusal)
			assert.EqualValues(t, noOffset, first)
			assert.Equal(t, 1, faults.Hits(), "it is not asked again")
			faults.Remove()
			s.taken(t, 0, 30, 10)
			assert.NotEqual(t, id, s.id, "with a new producer ID")
			written := s.written(t, 0)
			require.Len(t, written, 2)
			assert.Zero(t, written[1].header.FirstSequence)
		})
	}
}

func TestABatchThatTheTopicDoesNotTakeAnyMoreIsRefusedWhole(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	s := startSender(t, addresses, Config{Partitions: 1})
	s.taken(t, 0, 100, 0)
	limit := "2000"
	_, err := kadm.NewClient(s.client).AlterTopicConfigs(t.Context(),
		[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}}, s.topic)
	require.NoError(t, err)
	eventually(t, func() bool {
		_, err = s.numbers(t, 0, 1000)
		return err != nil // brokers learn of it some time later
	}, "the new limit applies")
	require.ErrorIs(t, err, ErrNotSent)
	require.ErrorIs(t, err, kerr.MessageTooLarge)
	before := s.written(t, 0)
	s.taken(t, 0, 10, before[len(before)-1].last+1)
	assert.Len(t, s.written(t, 0), len(before)+1)
}

func TestABrokerThatDoesNotKnowTheProducerIsGivenANewID(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	for _, amnesia := range []*kerr.Error{
		kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerIDMapping, kerr.InvalidProducerEpoch,
	} {
		t.Run(amnesia.Message, func(t *testing.T) {
			t.Parallel()
			s := startSender(t, cluster.ListenAddrs(), Config{Partitions: 2})
			s.taken(t, 0, 10, 0)
			s.taken(t, 1, 10, 0)
			id := s.id
			fault := kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: s.topic, Err: amnesia}
			cluster.Fault(fault)
			s.taken(t, 0, 20, 10)
			s.taken(t, 1, 20, 10)
			assert.NotEqual(t, id, s.id)
			for partition := range int32(2) {
				written := s.written(t, partition)
				require.Len(t, written, 2)
				assert.Zero(t, written[1].header.FirstSequence, "of partition %d: numbers begin again in all", partition)
			}

			// It is not sent under a new one where it may be there under the old.
			id = s.id
			written := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: s.topic, Err: kerr.RequestTimedOut})
			cluster.Fault(fault)
			_, err := s.numbers(t, 0, 30)
			require.ErrorIs(t, err, ErrInDoubt)
			require.NotErrorIs(t, err, ErrNotSent)
			require.ErrorIs(t, err, amnesia)
			require.Equal(t, 1, written.Hits())
			require.Len(t, s.written(t, 0), 3, "it was there")
			s.taken(t, 0, 40, 60)
			assert.NotEqual(t, id, s.id)
		})
	}
}

func TestARealBrokerFindsThatSequenceNumbersAreMissing(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	s := startSender(t, addresses, Config{Partitions: 1})
	s.taken(t, 0, 10, 0)
	id := s.id
	s.sequences[0] += 5
	s.taken(t, 0, 20, 10)
	assert.NotEqual(t, id, s.id)
	written := s.written(t, 0)
	require.Len(t, written, 2)
	assert.Zero(t, written[1].header.FirstSequence)
}

func TestADuplicateIsASuccess(t *testing.T) {
	t.Parallel()
	addresses, cluster := brokers(t)
	s := startSender(t, addresses, Config{Partitions: 1})
	s.taken(t, 0, 10, 0)
	s.taken(t, 0, 20, 10)
	s.sequences[0] = 10 // as if the answer had not come
	s.taken(t, 0, 20, 10)
	require.Len(t, s.written(t, 0), 2)
	if cluster == nil {
		return
	}
	// Brokers before 1.1 say so, without the offset.
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: s.topic, Err: kerr.RequestTimedOut})
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: s.topic, Err: kerr.DuplicateSequenceNumber})
	s.taken(t, 0, 30, noOffset)
	s.taken(t, 0, 40, 60)
	require.Len(t, s.written(t, 0), 4)
}

func TestABatchIsGivenUpAfterSomeTime(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	const short = 300 * time.Millisecond
	start := func(t *testing.T) sending {
		s := startSender(t, cluster.ListenAddrs(), Config{Partitions: 1, DeliveryTimeout: short})
		s.taken(t, 0, 10, 0)
		return s
	}
	// next checks that the batch after the one given up has an ID of its own.
	next := func(t *testing.T, s sending, id int64) {
		s.patience = patience
		_, err := s.numbers(t, 0, 5)
		require.NoError(t, err)
		assert.NotEqual(t, id, s.id)
	}
	for answer, want := range map[*kerr.Error]error{
		kerr.NotEnoughReplicas:        ErrNotSent, // said before it writes
		kerr.UnknownTopicID:           ErrNotSent,
		kerr.OutOfOrderSequenceNumber: ErrNotSent,
		kerr.RequestTimedOut:          ErrInDoubt,
		kerr.NotLeaderForPartition:    ErrInDoubt, // said before, or when it has written
		kerr.UnknownTopicOrPartition:  ErrInDoubt,
		kerr.UnknownServerError:       ErrInDoubt,
	} {
		t.Run(answer.Message, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			id := s.id
			faults := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: s.topic, Err: answer, Count: -1})
			var (
				began time.Time
				err   error
			)
			eventually(t, func() bool {
				began = time.Now()
				_, err = s.numbers(t, 0, 10)
				// Where the machine is slow, the time may be up while an answer is
				// on its way.
				return want == ErrInDoubt || !errors.Is(err, ErrInDoubt)
			}, "it ends between two attempts")
			require.ErrorIs(t, err, want)
			require.ErrorIs(t, err, answer, "what the brokers said")
			require.NotEqual(t, errors.Is(err, ErrInDoubt), errors.Is(err, ErrNotSent))
			assert.GreaterOrEqual(t, time.Since(began), short/2)
			assert.Contains(t, err.Error(), short.String())
			assert.NotZero(t, faults.Hits())
			faults.Remove()
			next(t, s, id)
		})
	}
	t.Run("no leader", func(t *testing.T) {
		t.Parallel()
		s := start(t)
		id := s.id
		s.learned = time.Time{}
		faults := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: s.topic, Err: kerr.LeaderNotAvailable, Count: -1})
		_, err := s.numbers(t, 0, 10)
		require.ErrorIs(t, err, ErrNotSent)
		require.ErrorIs(t, err, kerr.LeaderNotAvailable)
		faults.Remove()
		next(t, s, id)
	})
}

func TestALeaderThatHasMovedIsFound(t *testing.T) {
	t.Parallel()
	cluster := fake(t, kfake.NumBrokers(3))
	s := startSender(t, cluster.ListenAddrs(), Config{Partitions: 1})
	id := s.id
	for turn := range int64(6) {
		require.NoError(t, cluster.MoveTopicPartition(s.topic, 0, int32(turn%3)))
		s.taken(t, 0, 10, 10*turn)
		assert.EqualValues(t, turn%3, s.leaders[0])
	}
	assert.Equal(t, id, s.id, "the new one has the sequence numbers of the old")
}

func TestWhileLeadersMoveNothingIsLostOrTwice(t *testing.T) {
	t.Parallel()
	cluster := fake(t, kfake.NumBrokers(3))
	var m memory
	cfg := topics(Config{Brokers: cluster.ListenAddrs(), Partitions: 4})
	f := start(t, &m, cfg)
	stop := make(chan struct{})
	var moving, users sync.WaitGroup
	moving.Go(func() {
		for turn := int32(0); ; turn++ {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				assert.NoError(t, cluster.MoveTopicPartition(cfg.Topic, turn%4, turn/4%3))
			}
		}
	})
	const each, requests = 50, 40
	for user := range 8 {
		users.Go(func() {
			for i := range requests {
				assert.NoError(t, f.Accept(t.Context(), numbered((user*requests+i)*each, each), false))
			}
		})
	}
	users.Wait()
	close(stop)
	moving.Wait()
	eventually(t, func() bool { return m.len() >= 8*requests*each }, "all readings are stored")
	require.NoError(t, f.end(patience))
	assert.Len(t, m.values(), 8*requests*each)
	assert.Equal(t, 8*requests*each, m.len(), "and none twice")
}

func TestATopicThatIsMadeAnewIsWrittenTo(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	s := startSender(t, cluster.ListenAddrs(), Config{Partitions: 1})
	s.taken(t, 0, 10, 0)
	before := s.topicID
	require.NoError(t, cluster.DeleteTopic(s.topic))
	require.NoError(t, cluster.CreateTopic(s.topic, 1, nil))
	s.taken(t, 0, 20, 0)
	assert.NotEqual(t, before, s.topicID)
}

func TestNewPartitionsAreNoticed(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	s := startSender(t, addresses, Config{Partitions: 1})
	_, err := kadm.NewClient(s.client).UpdatePartitions(t.Context(), 3, s.topic)
	require.NoError(t, err)
	eventually(t, func() bool { // brokers learn of it some time later
		s.learned = s.learned.Add(-learnAfter)
		_, err := s.numbers(t, 0, 1)
		require.NoError(t, err)
		return len(s.leaders) == 3
	}, "the new partitions are known")
	s.taken(t, 2, 10, 0)
}

func TestASenderIsReadyWhenTheBrokersAre(t *testing.T) {
	t.Parallel()
	cluster := fake(t)
	s := startSender(t, cluster.ListenAddrs(), Config{Partitions: 1})
	fresh := func() *sender {
		return newSender(s.client, Config{Topic: s.topic, Logger: s.logger, DeliveryTimeout: patience})
	}
	faults := cluster.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: s.topic, Err: kerr.UnknownTopicOrPartition, Count: 2},
		kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress},
	)
	require.NoError(t, fresh().ready(t.Context()))
	assert.GreaterOrEqual(t, faults.Hits(), 3)

	faults = cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: s.topic, Err: kerr.TopicAuthorizationFailed, Count: -1})
	err := fresh().ready(t.Context())
	require.ErrorIs(t, err, kerr.TopicAuthorizationFailed)
	assert.Contains(t, err.Error(), s.topic)
	faults.Remove()

	ended, cancel := context.WithCancelCause(t.Context())
	cancel(buffer.ErrClosed)
	require.ErrorIs(t, fresh().ready(ended), context.Canceled)
}
