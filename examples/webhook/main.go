// Command webhook sends events to an HTTP API in batches: within a rate limit of
// its own, and no sooner than the API asks for when it is told to slow down.
//
//	go run ./examples/webhook                           # to an API of its own, which limits it
//	go run ./examples/webhook -url https://example.com/events
//
// Each failed call is told on stdout, and what came of all events at the end. An
// API that is down is waited for. After Ctrl-C what is buffered is sent, for at
// most a minute; a second Ctrl-C ends that. The exit code is 0 when each event
// was sent or rejected, 1 when something failed and 2 for wrong flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

func main() {
	set, err := parseSettings(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "webhook: %v\nSee webhook -help.\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, func() {
		stop() // so that a second one has its usual effect
		log.Print("interrupted: what is buffered is sent, for at most a minute; again to leave it")
	})

	if set.url == "" {
		api, err := startAPI(5)
		if err != nil {
			log.Fatal(err)
		}
		defer api.Close()
		set.url = api.URL
	}
	sender := &Sender{URL: set.url, Client: &http.Client{Timeout: 10 * time.Second}, Limit: rate.NewLimiter(rate.Limit(set.perSecond), 1)}
	if err := send(ctx, sender, set.events, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// Event is what the API takes an array of.
type Event struct {
	ID   int    `json:"id"`
	Kind string `json:"kind"`
}

// send gives n events to the sender and reports what came of them.
func send(ctx context.Context, sender *Sender, n int, out io.Writer) error {
	var rejected atomic.Int64
	hooks, err := buffer.New(buffer.Config[Event]{
		Name:          "webhook",
		Flusher:       telling(out, sender),
		MaxSize:       100,
		FlushInterval: time.Second,
		Retry:         flusher.Retry{MaxAttempts: -1}, // an API that is down is waited for
		DeadLetter: flusher.Func[Event](func(_ context.Context, b flusher.Batch[Event]) error {
			rejected.Add(int64(len(b.Items)))
			fmt.Fprintf(out, "rejected %d events: %v\n", len(b.Items), b.Cause)
			return nil
		}),
	})
	if err != nil {
		return err
	}
	began := time.Now()
	var insertErr error
	for id := range n {
		if insertErr = hooks.Insert(ctx, Event{ID: id, Kind: "signup"}); insertErr != nil {
			break // interrupted; what was accepted is sent all the same
		}
	}

	// Long enough for what is buffered to go out at the API's pace.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err = hooks.Shutdown(last)
	counts := hooks.Info().Total
	fmt.Fprintf(out, "sent %d events in %d calls, %d of them told to slow down, %d events rejected, in %s\n",
		counts.Delivered, sender.calls.Load(), sender.slowed.Load(), rejected.Load(), time.Since(began).Round(100*time.Millisecond))
	return errors.Join(insertErr, err)
}

// telling tells of each attempt that failed and is made again: an API that is
// down, or an address that is wrong, is waited for, and somebody should know.
func telling(out io.Writer, inner flusher.Flusher[Event]) flusher.Flusher[Event] {
	return flusher.Func[Event](func(ctx context.Context, b flusher.Batch[Event]) error {
		err := inner.Flush(ctx, b)
		if err != nil && !flusher.Inspect(err, len(b.Items)).Final {
			fmt.Fprintf(out, "attempt %d to send %d events: %v\n", b.Attempt, len(b.Items), err)
		}
		return err
	})
}
