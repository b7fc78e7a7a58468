package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/go-databuffer/databuffer/buffer"
)

// fate is what becomes of a produce request on its way.
type fate int32

const (
	arrives  fate = iota
	unsent        // the connection breaks before it
	halved        // the connection breaks in the middle of it
	answered      // the connection breaks when the broker has answered
	delayed       // the connection breaks, and the request arrives when it is let go
	fates
)

// network connects clients to brokers, and may break connections.
type network struct {
	t *testing.T

	next  atomic.Int32  // the fate of the next produce request
	deaf  atomic.Bool   // no connection comes about, and none is refused
	last  atomic.Bool   // deaf, as soon as a request is delayed
	delay chan struct{} // receives when one is

	letGo chan struct{} // closed: what is delayed arrives
	once  sync.Once
	late  sync.WaitGroup
}

func newNetwork(t *testing.T) *network {
	n := &network{t: t, delay: make(chan struct{}, 1), letGo: make(chan struct{})}
	t.Cleanup(n.arrive)
	return n
}

// arrive lets go what is delayed, and waits until the brokers have taken it.
func (n *network) arrive() {
	n.once.Do(func() { close(n.letGo) })
	n.late.Wait()
}

// option has a client use the network.
func (n *network) option() kgo.Opt {
	return kgo.Dialer(func(ctx context.Context, kind, address string) (net.Conn, error) {
		if n.deaf.Load() {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: kind, Err: ctx.Err()}
		}
		conn, err := new(net.Dialer).DialContext(ctx, kind, address)
		if err != nil {
			return nil, err
		}
		return &connection{Conn: conn, network: n}, nil
	})
}

// connection is one of a network. The client writes a request at a time.
type connection struct {
	net.Conn
	network *network
	fate    atomic.Int32
}

func (c *connection) Write(request []byte) (int, error) {
	if kmsg.Key(binary.BigEndian.Uint16(request[4:])) != kmsg.Produce {
		return c.Conn.Write(request)
	}
	if fate(c.fate.Load()) != arrives {
		return 0, io.ErrClosedPipe // broken, which the client is about to find
	}
	f := fate(c.network.next.Swap(int32(arrives)))
	c.fate.Store(int32(f))
	switch f {
	case unsent:
		_ = c.Conn.Close()
		return 0, io.ErrClosedPipe
	case halved:
		n, _ := c.Conn.Write(request[:len(request)/2])
		_ = c.Conn.Close()
		return n, io.ErrClosedPipe
	case delayed:
		request = bytes.Clone(request)
		c.network.late.Go(func() {
			<-c.network.letGo
			_, err := c.Conn.Write(request)
			assert.NoError(c.network.t, err, "what was delayed")
			_, err = c.Conn.Read(make([]byte, 4))
			assert.NoError(c.network.t, err, "the answer to what was delayed")
			_ = c.Conn.Close()
		})
		if c.network.last.Load() {
			c.network.deaf.Store(true)
		}
		select {
		case c.network.delay <- struct{}{}:
		default:
		}
		return len(request), nil
	}
	return c.Conn.Write(request)
}

func (c *connection) Read(into []byte) (int, error) {
	if fate(c.fate.Load()) == delayed {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(into)
	if fate(c.fate.Load()) == answered {
		return 0, io.EOF
	}
	return n, err
}

func (c *connection) Close() error {
	if fate(c.fate.Load()) == delayed {
		return nil // not before what is delayed has arrived
	}
	return c.Conn.Close()
}

// SetDeadline implements net.Conn. What is delayed is none of the client's.
func (c *connection) SetDeadline(at time.Time) error {
	if fate(c.fate.Load()) == delayed {
		return nil
	}
	return c.Conn.SetDeadline(at)
}

// SetReadDeadline implements net.Conn.
func (c *connection) SetReadDeadline(at time.Time) error {
	if fate(c.fate.Load()) == delayed {
		return nil
	}
	return c.Conn.SetReadDeadline(at)
}

// SetWriteDeadline implements net.Conn.
func (c *connection) SetWriteDeadline(at time.Time) error {
	if fate(c.fate.Load()) == delayed {
		return nil
	}
	return c.Conn.SetWriteDeadline(at)
}

func TestABatchIsWrittenOnceWhereConnectionsBreak(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	n := newNetwork(t)
	s := startSender(t, addresses, Config{Partitions: 2, Options: []kgo.Opt{n.option()}})
	id := s.id
	random := rand.New(rand.NewPCG(1, 2))
	var next [2]int64
	for turn := range 100 {
		if turn < int(fates) {
			n.next.Store(int32(turn)) // each of them for sure
		} else {
			n.next.Store(random.Int32N(int32(fates)))
		}
		partition, size := random.IntN(2), 1+random.IntN(300)
		s.taken(t, int32(partition), size, next[partition])
		next[partition] += int64(size)
	}
	assert.Equal(t, id, s.id, "all repetitions had the same producer ID")

	// Now what was delayed arrives, behind what came after it.
	n.arrive()
	for partition := range next {
		s.taken(t, int32(partition), 10, next[partition])
		written := s.written(t, int32(partition))
		assert.Equal(t, next[partition]+9, written[len(written)-1].last)
		var sequence int32
		for _, b := range written {
			require.Equal(t, sequence, b.header.FirstSequence)
			sequence += b.header.NumRecords
		}
	}
}

func TestABatchInDoubtMayArriveLaterWhole(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	n := newNetwork(t)
	s := startSender(t, addresses, Config{Partitions: 1, Options: []kgo.Opt{n.option()}})
	s.taken(t, 0, 10, 0)
	id := s.id

	ctx, cancel := context.WithCancelCause(t.Context())
	n.next.Store(int32(delayed))
	n.last.Store(true) // so that it is not sent again
	go func() {
		<-n.delay
		cancel(buffer.ErrClosed)
	}()
	_, err := s.send(ctx, 0, []*request{newRequest(numbered(0, 20))})
	require.ErrorIs(t, err, ErrInDoubt)
	require.NotErrorIs(t, err, buffer.ErrClosed, "which would say that nothing was taken")
	n.deaf.Store(false)

	s.taken(t, 0, 30, 10)
	assert.NotEqual(t, id, s.id, "or it would be taken for the one in doubt")
	n.arrive()
	written := s.written(t, 0)
	require.Equal(t, 3, len(written), "the one in doubt has arrived")
	assert.Equal(t, id, written[2].header.ProducerID)
	assert.EqualValues(t, 20, written[2].header.NumRecords)
	s.taken(t, 0, 40, 60)
}

func TestWhereNoBrokerIsReachedNothingIsInDoubt(t *testing.T) {
	t.Parallel()
	addresses, _ := brokers(t)
	t.Run("DeliveryTimeout", func(t *testing.T) {
		t.Parallel()
		n := newNetwork(t)
		s := startSender(t, addresses, Config{Partitions: 1, DeliveryTimeout: 200 * time.Millisecond, Options: []kgo.Opt{n.option()}})
		n.deaf.Store(true)
		began := time.Now()
		_, err := s.numbers(t, 0, 10)
		require.ErrorIs(t, err, ErrNotSent)
		require.NotErrorIs(t, err, ErrInDoubt)
		assert.Less(t, time.Since(began), patience/2)
		n.deaf.Store(false)
		s.patience = patience
		s.taken(t, 0, 20, 0)
	})
	t.Run("Shutdown", func(t *testing.T) {
		t.Parallel()
		n := newNetwork(t)
		s := startSender(t, addresses, Config{Partitions: 1, Options: []kgo.Opt{n.option()}})
		n.deaf.Store(true)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(buffer.ErrClosed) })
		_, err := s.send(ctx, 0, []*request{newRequest(numbered(0, 10))})
		require.ErrorIs(t, err, buffer.ErrClosed)
		require.NotErrorIs(t, err, ErrInDoubt)
	})
}

func TestARequestThatIsWithdrawnSendsNothing(t *testing.T) {
	t.Parallel()
	s := sender{topic: "readings", sequences: make(map[int32]int32)}
	s.batch.fill([]*request{newRequest(numbered(0, 10))}, nil)
	for version := int16(3); version <= 13; version++ {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			read := func(r *produceRequest) *kmsg.ProduceRequest {
				wire := r.AppendTo(nil)
				into := kmsg.NewPtrProduceRequest()
				into.SetVersion(version)
				require.NoError(t, into.ReadFrom(wire))
				assert.EqualValues(t, -1, into.Acks, "by all replicas in sync")
				return into
			}
			r := s.produce(3)
			r.SetVersion(version)
			assert.False(t, r.withdraw())
			assert.Empty(t, read(r).Topics)
			assert.False(t, r.withdraw())

			r = s.produce(3)
			r.SetVersion(version)
			for range 2 { // again on another connection
				p := read(r).Topics[0].Partitions[0]
				assert.EqualValues(t, 3, p.Partition)
				assert.Len(t, consumed(t, p.Records), 10)
			}
			assert.True(t, r.withdraw())
		})
	}
}

func TestAnAnswerWithoutTheBatchIsDoubt(t *testing.T) {
	t.Parallel()
	of := func(partition int32, code int16, offset int64, message *string) *kmsg.ProduceResponse {
		p := kmsg.NewProduceResponseTopicPartition()
		p.Partition, p.ErrorCode, p.BaseOffset, p.ErrorMessage = partition, code, offset, message
		topic := kmsg.NewProduceResponseTopic()
		topic.Partitions = append(topic.Partitions, p)
		response := kmsg.NewPtrProduceResponse()
		response.Topics = append(response.Topics, topic)
		return response
	}
	for _, response := range []*kmsg.ProduceResponse{kmsg.NewPtrProduceResponse(), of(4, 0, 100, nil)} {
		_, written, err := readAnswer(response, 3)
		require.Error(t, err)
		assert.True(t, written)
	}
	first, written, err := readAnswer(of(3, 0, 100, nil), 3)
	require.NoError(t, err)
	assert.False(t, written)
	assert.EqualValues(t, 100, first)
	first, _, err = readAnswer(of(3, 0, -1, nil), 3)
	require.NoError(t, err)
	assert.EqualValues(t, noOffset, first)

	why := "a key is missing"
	_, written, err = readAnswer(of(3, 87, -1, &why), 3)
	assert.False(t, written)
	assert.True(t, strings.Contains(err.Error(), why), "%v", err)
	assert.True(t, forGood(err))
	_, written, err = readAnswer(of(3, 9999, -1, nil), 3)
	assert.True(t, written, "who knows")
	assert.False(t, forGood(err))
}
