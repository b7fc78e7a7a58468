package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/pipeline"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// records are n of them, from an offset on.
func records(from int64, n int) (all []*kgo.Record) {
	for i := range n {
		all = append(all, &kgo.Record{Offset: from + int64(i), Value: []byte(`{"sensor":"a","value":1}`)})
	}
	return all
}

func TestWhatThePipelineGivesBackIsNotDone(t *testing.T) {
	t.Parallel()
	var letters []deadLetter
	a := newAssignment(0, [16]byte{}, func(letter deadLetter) { letters = append(letters, letter) })
	tags := a.add(nil, records(10, 3))
	a.Settled(tags[0], nil)
	a.Settled(tags[1], fmt.Errorf("shut down: %w", buffer.ErrClosed))
	a.Settled(tags[2], nil)
	assert.EqualValues(t, 11, a.offsets.mark.offset, "it holds up what follows")
	assert.Empty(t, letters, "and is no dead letter")

	a.Settled(tags[1], errors.New("refused for good"))
	require.Len(t, letters, 1)
	assert.Equal(t, ReasonRejected, letters[0].reason)
	assert.EqualValues(t, 11, letters[0].record.Offset)
	assert.EqualValues(t, 11, a.offsets.mark.offset, "a dead letter is done when it is acknowledged")
	a.done(tags[1], true)
	assert.EqualValues(t, 13, a.offsets.mark.offset)
}

func TestAfterItsEndNothingCounts(t *testing.T) {
	t.Parallel()
	a := newAssignment(0, [16]byte{}, func(deadLetter) { t.Error("a dead letter of a partition that is gone") })
	tags := a.add(nil, records(0, 2))
	a.Settled(tags[0], nil)
	assert.Equal(t, 1, a.end())
	a.Settled(tags[1], nil)
	a.Settled(tags[1], errors.New("refused"))
	assert.EqualValues(t, 1, a.offsets.mark.offset)
	assert.Nil(t, a.await(), "nobody waits for it any more")
	_, ok := a.enter(t.Context())
	assert.False(t, ok)
}

func TestWhoWaitsIsToldOfOtherProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAssignment(0, [16]byte{}, nil)
		w := a.await()
		defer a.release(w)
		tags := a.add(nil, records(0, 4))
		answers := make(chan error, 3)
		wait := func(first, last int64) { answers <- a.stored(t.Context(), w, first, last) }
		go wait(0, 1)
		synctest.Wait()
		a.Settled(tags[1], nil)
		synctest.Wait()
		assert.Empty(t, answers, "the first of them is not stored")
		a.Settled(tags[0], nil)
		require.NoError(t, <-answers)

		go wait(2, 3)
		synctest.Wait()
		a.Settled(tags[2], nil)
		a.end()
		require.ErrorIs(t, <-answers, ErrElsewhere)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a = newAssignment(0, [16]byte{}, nil)
		require.ErrorIs(t, a.stored(ctx, a.await(), 0, 0), context.DeadlineExceeded)
	})
}

func TestWhatWasDoneBeforeSaysNothingOfAShorterLog(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := newAssignment(0, [16]byte{}, nil)
	tags := a.add(nil, records(998, 2))
	w := a.await()
	require.ErrorIs(t, a.stored(ctx, w, 900, 909), ErrElsewhere, "while the others are on their way")
	require.ErrorIs(t, a.stored(ctx, w, 1000, 1009), context.Canceled, "it comes after them")
	a.Settled(tags[0], nil)
	a.Settled(tags[1], nil)
	require.ErrorIs(t, a.stored(ctx, w, 998, 999), ErrElsewhere, "these offsets had other records")
	require.ErrorIs(t, a.stored(ctx, a.await(), 900, 909), ErrElsewhere)
	require.ErrorIs(t, a.stored(ctx, a.await(), 1000, 1009), context.Canceled)

	a.seen(kgo.FetchTopicPartition{FetchPartition: kgo.FetchPartition{HighWatermark: 2000, Records: records(1000, 1)}})
	w = a.await()
	for _, tag := range a.add(nil, records(1000, 1000)) {
		a.Settled(tag, nil)
	}
	require.ErrorIs(t, a.stored(ctx, w, 1500, 1509), ErrElsewhere, "what is fetched is not consumed yet")

	w = a.await()
	for _, tag := range a.add(nil, records(2000, 10)) {
		a.Settled(tag, nil)
	}
	require.NoError(t, a.stored(ctx, w, 2000, 2009))
}

// full is a pipeline without room.
type full struct{}

func (full) Flush(context.Context) error { return nil }
func (full) Insert(ctx context.Context, _ []pipeline.Item) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestWhatIsNotHandedInWhenThePartitionGoesWasNeverTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAssignment(0, [16]byte{}, func(deadLetter) {})
		c := &chunk{decoder: &reading.Decoder{}, consumer: &consumer{cfg: Config{Pipeline: full{}, MaxRecord: 100, Logger: slog.New(slog.DiscardHandler)}}}
		earlier := a.add(nil, records(0, 1))
		go c.take(t.Context(), polled{a, records(1, 50)})
		synctest.Wait()
		assert.Equal(t, 51, a.offsets.len())
		settled := make(chan error, 1)
		a.stop()
		go func() { settled <- a.settle(t.Context()) }()
		synctest.Wait()
		assert.Equal(t, 1, a.offsets.len(), "only what the pipeline has")
		assert.Empty(t, settled)
		a.Settled(earlier[0], nil)
		require.NoError(t, <-settled)
		c.take(t.Context(), polled{a, records(1, 50)})
		assert.Zero(t, a.offsets.len())
		assert.EqualValues(t, 1, a.offsets.mark.offset)
	})
}

func TestThePartitionStopsBeforeMemoryDoes(t *testing.T) {
	t.Parallel()
	a := newAssignment(0, [16]byte{}, func(deadLetter) {})
	tags := a.add(nil, records(0, 1))
	for _, tag := range a.add(nil, same(maxUnsettled)) {
		a.Settled(tag, nil)
	}
	assert.False(t, a.room(), "one that is not done holds up a million others")
	a.Settled(tags[0], nil)
	assert.True(t, a.room())
	assert.Zero(t, a.offsets.len())
}

func TestThePartitionStopsBeforeLargeRecordsFillMemory(t *testing.T) {
	t.Parallel()
	a := newAssignment(0, [16]byte{}, func(deadLetter) {})
	large := &kgo.Record{Key: make([]byte, 1<<10), Value: make([]byte, 1<<20-1<<10)}
	var tags []int64
	for range maxHeld>>20 + 1 {
		tags = a.add(tags, []*kgo.Record{large})
	}
	assert.False(t, a.room(), "they are few, and large")
	a.Settled(tags[5], nil)
	assert.True(t, a.room(), "also where the oldest is not done")
	a.add(nil, []*kgo.Record{large})
	assert.False(t, a.room())
	a.Settled(tags[0], nil)
	assert.True(t, a.room())
}

// same is one record n times.
func same(n int) []*kgo.Record {
	all := make([]*kgo.Record, n)
	one := &kgo.Record{Offset: 1}
	for i := range all {
		all[i] = one
	}
	return all
}
