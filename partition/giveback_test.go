package partition

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/flusher"
	"github.com/go-databuffer/databuffer/telemetry"
)

// An attempt is over in an instant between the start of its goroutine and its
// claim, so these tests take the steps themselves, over a partition whose own
// goroutine has ended.

// still is a partition with a batch in flight, over which an attempt has been
// started whose goroutine has had no processor yet.
func still(t *testing.T) (*Partition[int], *attempt[int]) {
	t.Helper()
	recorder, err := telemetry.New(telemetry.Config{Name: "test"})
	require.NoError(t, err)
	p := New(context.Background(), Config[int]{
		Name: "test", MaxSize: 3, MaxInFlight: 1, Recorder: recorder, Anywhere: new(Waiters),
		Log: NewLog(slog.New(slog.DiscardHandler), "test"),
	})
	p.Close()
	<-p.Stopped()
	b := &batch[int]{items: []int{1, 2, 3}, size: 3, left: 3}
	b.first = content[int]{size: 3, items: b.items, attempt: 1}
	a := &b.opening
	a.batch, a.content, a.cancel = b, &b.first, func() {}
	a.view.Items = b.items
	b.running = a
	p.returns.over = false // the test takes what comes
	p.flights, p.inFlight, p.sealed = []*batch[int]{b}, 3, 3
	return p, a
}

func TestAttemptThatWasGivenBackNeverBegins(t *testing.T) {
	p, a := still(t)
	p.giveBack()
	undelivered, inDoubt, _ := p.Left()
	assert.Equal(t, []int{1, 2, 3}, undelivered)
	assert.Empty(t, inDoubt)
	before := p.Info()
	p.attempt(context.Background(), a, flusher.Items(func(context.Context, []int) error {
		t.Error("the Flusher is called after its items were given back")
		return nil
	}))
	assert.Equal(t, before, p.Info())
}

func TestAttemptThatHasBegunIsGivenBackInDoubt(t *testing.T) {
	p, a := still(t)
	p.attempt(context.Background(), a, flusher.Items(func(context.Context, []int) error {
		p.giveBack() // at the worst moment: it runs, and has told nobody
		return nil
	}))
	undelivered, inDoubt, _ := p.Left()
	assert.Empty(t, undelivered)
	assert.Equal(t, []int{1, 2, 3}, inDoubt)
	assert.Equal(t, 3, p.Info().Counts.Returned)
	assert.Zero(t, p.Info().Counts.InFlight)
}

func TestAttemptThatComesToBeginAfterAbortCallsNothing(t *testing.T) {
	p, a := still(t)
	p.aborted.Store(true)
	p.attempt(context.Background(), a, flusher.Items(func(context.Context, []int) error {
		t.Error("the Flusher is called after Abort")
		return nil
	}))
	for _, over := range p.returns.take() {
		p.end(over, time.Now(), true)
	}
	p.giveBack()
	undelivered, inDoubt, failure := p.Left()
	assert.Equal(t, []int{1, 2, 3}, undelivered)
	assert.Empty(t, inDoubt)
	assert.NoError(t, failure, "it has not failed")
}

func TestAttemptThatIsOverdueBeforeItHasBegunIsNotWaitedFor(t *testing.T) {
	p, a := still(t)
	now := time.Now()
	a.giveUpAt = now
	p.abandonOverdue(now)
	assert.Empty(t, p.abandoned, "another may be abandoned beside it")
	assert.Zero(t, p.stray)
	assert.Equal(t, 3, p.Info().Counts.Abandoned)
	require.NotNil(t, a.batch.next(), "it is tried again")
	assert.Equal(t, []int{1, 2, 3}, a.batch.next().items)
	p.attempt(context.Background(), a, flusher.Items(func(context.Context, []int) error {
		t.Error("the Flusher is called by an attempt that was given up")
		return nil
	}))
	assert.Empty(t, p.returns.take())
}

// A late nil has settled what the attempt was started for; that it came too late to
// begin gives nothing back.
func TestAttemptThatIsSkippedGivesBackNothingThatIsSettled(t *testing.T) {
	p, a := still(t)
	p.succeed(a.batch, a.content, 3)
	a.content.settled = true
	p.aborted.Store(true)
	p.attempt(context.Background(), a, flusher.Items(func(context.Context, []int) error {
		t.Error("the Flusher is called after Abort")
		return nil
	}))
	for _, over := range p.returns.take() {
		p.end(over, time.Now(), true)
	}
	p.giveBack()
	undelivered, inDoubt, _ := p.Left()
	assert.Empty(t, undelivered)
	assert.Empty(t, inDoubt)
	counts := p.Info().Counts
	assert.Equal(t, Counts{Accepted: 3, Delivered: 3}, counts)
}

// An abandoned attempt runs, and its successor has had no processor yet when the
// grace of Abort is over: what the first may still deliver is in doubt.
func TestNothingIsUndeliveredThatAnAbandonedAttemptMayDeliver(t *testing.T) {
	p, a := still(t)
	p.abandoned = []*attempt[int]{{batch: a.batch, content: a.content, abandoned: true}}
	p.giveBack()
	undelivered, inDoubt, _ := p.Left()
	assert.Empty(t, undelivered)
	assert.Equal(t, []int{1, 2, 3}, inDoubt)
}
