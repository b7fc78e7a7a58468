package buffertest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/flusher"
)

// Event is what the examples store.
type Event struct{ User, Action string }

// Store is a Flusher that the examples test: a store that refuses an event
// without a user for good.
type Store struct{ Rows []Event }

var errNoUser = errors.New("an event without a user")

func (s *Store) Flush(_ context.Context, batch flusher.Batch[Event]) error {
	var refused []int
	for i, event := range batch.Items {
		if event.User == "" {
			refused = append(refused, i)
			continue
		}
		s.Rows = append(s.Rows, event)
	}
	if refused == nil {
		return nil
	}
	return flusher.Partial(flusher.Permanent(errNoUser), refused...)
}

// quiet is a Config for the examples, whose failures need no log lines.
func quiet(f flusher.Flusher[Event]) buffer.Config[Event] {
	return buffer.Config[Event]{Name: "events", Flusher: f, Logger: slog.New(slog.DiscardHandler)}
}

// A Flusher is tested where it will run, behind a buffer, with a Recorder before
// it that tells what the buffer was answered; a second one is the dead letter.
func Example_testAFlusher() {
	ctx := context.Background()
	store := new(Store)
	answered, dead := buffertest.Record[Event](store), new(buffertest.Recorder[Event])
	cfg := quiet(answered)
	cfg.DeadLetter = dead
	events, err := buffer.New(cfg)
	if err != nil {
		log.Fatal(err)
	}

	_ = events.InsertBatch(ctx, []Event{{"ann", "login"}, {"", "login"}, {"bob", "login"}})
	if _, err := events.SyncFlush(ctx); err != nil {
		fmt.Println("SyncFlush:", err)
	}
	fmt.Println("stored:", store.Rows)
	fmt.Println("dead letter:", dead.Delivered())
	for _, attempt := range answered.Attempts() {
		fmt.Println("attempt", attempt.Attempt, "was answered:", attempt.Err)
	}
	_ = events.Shutdown(ctx)
	// Output:
	// SyncFlush: item 1 failed: permanent: an event without a user
	// stored: [{ann login} {bob login}]
	// dead letter: [{ login}]
	// attempt 1 was answered: item 1 failed: permanent: an event without a user
}

// Code that inserts is tested without a destination: nothing is flushed where the
// interval is off and MaxSize is not reached, and Dump is what was inserted.
func Example_assertOnDump() {
	ctx := context.Background()
	cfg := quiet(new(buffertest.Recorder[Event]))
	cfg.FlushInterval = -1
	events, err := buffer.New(cfg)
	if err != nil {
		log.Fatal(err)
	}

	login := func(user string) { _ = events.Insert(ctx, Event{user, "login"}) } // what is tested
	login("ann")
	login("bob")
	fmt.Println(slices.Equal(events.Dump(), []Event{{"ann", "login"}, {"bob", "login"}}))
	_ = events.Shutdown(ctx)
	// Output: true
}

// The second attempt succeeds, and the retry stands in the counts.
func ExampleScript() {
	ctx := context.Background()
	sink := new(buffertest.Recorder[Event])
	events, err := buffer.New(quiet(buffertest.NewFaulty(sink, buffertest.Script(
		buffertest.Fail(errors.New("deadlock detected")),
	))))
	if err != nil {
		log.Fatal(err)
	}

	_ = events.Insert(ctx, Event{"ann", "login"})
	_, err = events.SyncFlush(ctx)
	fmt.Println("SyncFlush:", err)
	fmt.Println("arrived:", sink.Delivered(), "at attempt", sink.Batches()[0].Attempt)
	fmt.Println("retried:", events.Info().Total.Retried)
	_ = events.Shutdown(ctx)
	// Output:
	// SyncFlush: <nil>
	// arrived: [{ann login}] at attempt 2
	// retried: 1
}

// A destination whose answer is lost has the batch twice, under one ID.
func ExampleLose() {
	ctx := context.Background()
	sink := new(buffertest.Recorder[Event])
	events, err := buffer.New(quiet(buffertest.NewFaulty(sink, buffertest.Script(
		buffertest.Lose(errors.New("connection reset")),
	))))
	if err != nil {
		log.Fatal(err)
	}

	_ = events.Insert(ctx, Event{"ann", "login"})
	_ = events.Shutdown(ctx)
	batches := sink.Batches()
	fmt.Println(len(batches), "batches, the same:", batches[0].ID == batches[1].ID)
	// Output: 2 batches, the same: true
}

// Whatever a destination does, Check holds at every moment, and CheckSettled at
// the end. In a test, the *testing.T stands for t.
func ExampleCheck() {
	var t printer
	ctx := context.Background()
	cfg := quiet(buffertest.NewFaulty[Event](nil, buffertest.Random(1,
		buffertest.Chance{Of: 0.3, Fault: buffertest.Fail(errors.New("busy")).After(time.Millisecond)},
		buffertest.Chance{Of: 0.2, Fault: buffertest.Panic("poison")},
	)))
	cfg.Partitions, cfg.MaxSize = 4, 10
	cfg.Retry.MinBackoff, cfg.Retry.MaxBackoff = time.Microsecond, time.Millisecond
	events, err := buffer.New(cfg)
	if err != nil {
		log.Fatal(err)
	}

	for range 1000 {
		_ = events.Insert(ctx, Event{"ann", "click"})
		buffertest.Check(t, events.Info())
	}
	_ = events.Shutdown(ctx)
	fmt.Println("settled:", buffertest.CheckSettled(t, events.Info()))
	// Output: settled: true
}

// printer prints what a *testing.T would report.
type printer struct{}

func (printer) Helper() {}

func (printer) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
