package flusher_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-databuffer/databuffer/flusher"
)

type Event struct{ Name string }

// Store stands for a client of a database.
type Store struct{}

func (*Store) InsertMany(_ context.Context, events []Event) error {
	fmt.Println("inserted", len(events))
	return nil
}

// A function of a slice becomes a Flusher by Items, which infers the type of the
// item. A function of a whole batch is converted to Func, and names the type: a
// bare function is not a Flusher.
func Example() {
	store := new(Store)
	write := func(_ context.Context, batch flusher.Batch[Event]) error {
		fmt.Println("wrote", len(batch.Items), "on attempt", batch.Attempt)
		return nil
	}

	for _, f := range []flusher.Flusher[Event]{
		flusher.Items(store.InsertMany),
		flusher.Func[Event](write),
	} {
		_ = f.Flush(context.Background(), flusher.Batch[Event]{Items: []Event{{"a"}, {"b"}}, Attempt: 1})
	}
	// Output:
	// inserted 2
	// wrote 2 on attempt 1
}

// Only the items that failed are tried again.
func ExamplePartial() {
	errFull := errors.New("disk full")
	f := flusher.Items(func(_ context.Context, names []string) error {
		var failed []int
		for i, name := range names {
			if name == "large" {
				failed = append(failed, i)
			}
		}
		if failed == nil {
			return nil
		}
		return flusher.Partial(errFull, failed...)
	})

	err := f.Flush(context.Background(), flusher.Batch[string]{Items: []string{"small", "large", "tiny"}})
	fmt.Println(err)
	fmt.Println(errors.Is(err, errFull))
	// Output:
	// item 1 failed: disk full
	// true
}

// A bulk API answers with a status for each item. The Partials are joined, and
// each keeps its own class.
func ExamplePartial_join() {
	bulk := func([]string) (statuses []int) {
		return []int{http.StatusOK, http.StatusTooManyRequests, http.StatusBadRequest}
	}
	f := flusher.Items(func(_ context.Context, documents []string) error {
		var busy, invalid []int
		for i, status := range bulk(documents) {
			switch {
			case status == http.StatusTooManyRequests:
				busy = append(busy, i)
			case status >= 400:
				invalid = append(invalid, i)
			}
		}
		var busyErr, invalidErr error // nil where no item is concerned
		if busy != nil {
			busyErr = flusher.Partial(flusher.RetryAfter(errors.New("busy"), time.Second), busy...)
		}
		if invalid != nil {
			invalidErr = flusher.Partial(flusher.Permanent(errors.New("invalid")), invalid...)
		}
		return errors.Join(busyErr, invalidErr)
	})

	err := f.Flush(context.Background(), flusher.Batch[string]{Items: []string{"a", "b", "c"}})
	fmt.Println(err)
	// Output:
	// item 1 failed: retry after 1s: busy
	// item 2 failed: permanent: invalid
}

// No retry helps where the destination refuses the content.
func ExamplePermanent() {
	f := flusher.Items(func(context.Context, []string) error {
		return flusher.Permanent(errors.New("no such table"))
	})

	fmt.Println(f.Flush(context.Background(), flusher.Batch[string]{Items: []string{"a"}}))
	// Output: permanent: no such table
}

// A destination that is throttling says when to come back.
func ExampleRetryAfter() {
	f := flusher.Items(func(context.Context, []string) error {
		return flusher.RetryAfter(errors.New("429 Too Many Requests"), 30*time.Second)
	})

	fmt.Println(f.Flush(context.Background(), flusher.Batch[string]{Items: []string{"a"}}))
	// Output: retry after 30s: 429 Too Many Requests
}

// The items of a batch are handed to a channel one by one.
func ExampleChan() {
	out := make(chan string)
	f := flusher.Chan(out)
	go func() {
		defer close(out) // the buffer is shut down by then
		_ = f.Flush(context.Background(), flusher.Batch[string]{Items: []string{"a", "b", "c"}})
	}()
	for item := range out {
		fmt.Println(item)
	}
	// Output:
	// a
	// b
	// c
}

// timed is a decorator: it hands the batch on, and returns the error with its
// class.
func timed[T any](inner flusher.Flusher[T]) flusher.Flusher[T] {
	return flusher.Func[T](func(ctx context.Context, batch flusher.Batch[T]) error {
		err := inner.Flush(ctx, batch)
		if err != nil {
			return fmt.Errorf("flush of %s: %w", batch.Buffer, err)
		}
		return nil
	})
}

// A decorator wraps what it is given, and the class of the error stays visible.
func ExampleFlusher_decorator() {
	f := timed(flusher.Items(func(context.Context, []string) error {
		return flusher.Partial(flusher.Permanent(errors.New("too long")), 1)
	}))

	err := f.Flush(context.Background(), flusher.Batch[string]{Items: []string{"a", "b"}, Buffer: "names"})
	fmt.Println(err)
	fmt.Printf("%+v\n", flusher.Inspect(err, 2))
	// Output:
	// flush of names: item 1 failed: permanent: too long
	// {Whole:false Final:false After:0s Retry:[] Permanent:[1]}
}

// The ID of a batch is the same on every attempt, so that a destination that
// remembers it takes no batch twice.
func ExampleID() {
	seen := make(map[flusher.ID]bool)
	f := flusher.Func[string](func(_ context.Context, batch flusher.Batch[string]) error {
		if seen[batch.ID] {
			fmt.Println("had", batch.ID)
			return nil
		}
		seen[batch.ID] = true
		fmt.Println("new", batch.ID)
		return nil
	})

	id := flusher.NewID([8]byte{0xca, 0xfe}, 3, 1)
	for attempt := 1; attempt <= 2; attempt++ {
		_ = f.Flush(context.Background(), flusher.Batch[string]{Items: []string{"a"}, ID: id, Attempt: attempt})
	}
	// Output:
	// new cafe0000000000000003000000000001
	// had cafe0000000000000003000000000001
}
