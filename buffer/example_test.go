package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// Event is what the examples store.
type Event struct {
	User   string
	Action string
}

func insertMany(_ context.Context, events []Event) error {
	fmt.Println("stored", len(events))
	return nil
}

// A Flusher is made of a function over a slice by flusher.Items. A function that
// wants to know more takes a Batch; it needs the conversion flusher.Func[Event],
// because Go does not infer the type of a bare function.
func Example() {
	ctx := context.Background()
	items, err := buffer.New(buffer.Config[Event]{
		Name:    "by items",
		Flusher: flusher.Items(insertMany),
		MaxSize: 2,
	})
	if err != nil {
		log.Fatal(err)
	}
	batches, err := buffer.New(buffer.Config[Event]{
		Name: "by batch",
		Flusher: flusher.Func[Event](func(ctx context.Context, batch flusher.Batch[Event]) error {
			fmt.Printf("%s, attempt %d: %v\n", batch.Trigger, batch.Attempt, batch.Items)
			return nil
		}),
	})
	if err != nil {
		log.Fatal(err)
	}

	for _, user := range []string{"ann", "bob"} {
		_ = items.Insert(ctx, Event{user, "login"})
		_ = batches.Insert(ctx, Event{user, "login"})
	}
	_ = items.Shutdown(ctx)
	_ = batches.Shutdown(ctx)
	// Output:
	// stored 2
	// shutdown, attempt 1: [{ann login} {bob login}]
}

// InsertBatch is accepted whole, into one partition, and flushed in batches of
// at most MaxSize.
func ExampleBuffer_InsertBatch() {
	ctx := context.Background()
	events, err := buffer.New(buffer.Config[Event]{Name: "events", Flusher: flusher.Items(insertMany), MaxSize: 100})
	if err != nil {
		log.Fatal(err)
	}
	_ = events.InsertBatch(ctx, make([]Event, 250))
	_ = events.Shutdown(ctx)
	// Output:
	// stored 100
	// stored 100
	// stored 50
}

// SyncFlush is a barrier: what was inserted before it is delivered when it
// returns, or is among its failures.
func ExampleBuffer_SyncFlush() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	events, err := buffer.New(buffer.Config[Event]{Name: "events", Flusher: flusher.Items(insertMany)})
	if err != nil {
		log.Fatal(err)
	}
	defer events.Shutdown(ctx)

	_ = events.Insert(ctx, Event{"ann", "checkout"})
	results, err := events.SyncFlush(ctx)
	fmt.Println(results[0].Delivered, "of", results[0].Items, "delivered, error:", err)
	// Output:
	// stored 1
	// 1 of 1 delivered, error: <nil>
}

// Items of one key go to one partition, and arrive in order.
func ExampleConfig_key() {
	ctx := context.Background()
	events, err := buffer.New(buffer.Config[Event]{
		Name:       "events",
		Flusher:    flusher.Items(insertMany),
		Partitions: 8,
		Key:        func(e Event) uint64 { return buffer.Hash(e.User) },
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		_ = events.Insert(ctx, Event{"ann", "click"})
	}
	_ = events.Shutdown(ctx)
	// Output:
	// stored 3
}

// A Producer stays with one partition: its items arrive in order, and inserting
// is at its fastest.
func ExampleBuffer_Producer() {
	ctx := context.Background()
	events, err := buffer.New(buffer.Config[Event]{Name: "events", Flusher: flusher.Items(insertMany), Partitions: 4})
	if err != nil {
		log.Fatal(err)
	}
	producer := events.Producer() // one for each goroutine
	for range 5 {
		_ = producer.Insert(ctx, Event{"ann", "click"})
	}
	_ = events.Shutdown(ctx)
	// Output:
	// stored 5
}

// What the Flusher gives up goes to the dead letter, with the cause.
func ExampleConfig_deadLetter() {
	ctx := context.Background()
	events, err := buffer.New(buffer.Config[Event]{
		Name: "events",
		Flusher: flusher.Items(func(_ context.Context, events []Event) error {
			// As a bulk API answers: one item is refused, the others are stored.
			return flusher.Partial(flusher.Permanent(errors.New("no such user")), 1)
		}),
		DeadLetter: flusher.Func[Event](func(_ context.Context, batch flusher.Batch[Event]) error {
			fmt.Println("given up:", batch.Items, "because:", batch.Cause)
			return nil
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = events.InsertBatch(ctx, []Event{{"ann", "login"}, {"nobody", "login"}, {"bob", "login"}})
	_ = events.Shutdown(ctx)
	fmt.Println("delivered:", events.Info().Total.Delivered)
	// Output:
	// given up: [{nobody login}] because: item 1 failed: permanent: no such user
	// delivered: 2
}

// With Overflow Reject an insert never waits: it says that there is no room.
func ExampleConfig_overflow() {
	ctx := context.Background()
	stuck := make(chan struct{})
	events, err := buffer.New(buffer.Config[Event]{
		Name:     "events",
		Overflow: buffer.Reject,
		MaxSize:  1,
		Flusher: flusher.Items(func(context.Context, []Event) error {
			<-stuck
			return nil
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	for !errors.Is(err, buffer.ErrFull) {
		err = events.Insert(ctx, Event{"ann", "click"})
	}
	fmt.Println("full: answer 429")
	close(stuck)
	_ = events.Shutdown(ctx)
	// Output:
	// full: answer 429
}

// What Shutdown could not deliver before its context ended comes back.
func ExampleShutdownError() {
	events, err := buffer.New(buffer.Config[Event]{
		Name: "events",
		Flusher: flusher.Items(func(context.Context, []Event) error {
			return errors.New("the database is down")
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = events.Insert(context.Background(), Event{"ann", "checkout"})

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err = events.Shutdown(ctx)
	if left, ok := errors.AsType[*buffer.ShutdownError[Event]](err); ok {
		fmt.Println("save elsewhere:", left.Undelivered)
	}
	// Output:
	// save elsewhere: [{ann checkout}]
}
