// Command webhook sends events to an HTTP API in batches: within a rate limit of
// its own, and no sooner than the API asks for when it is told to slow down.
//
//	go run ./examples/webhook                           # to an API of its own, which limits it
//	go run ./examples/webhook -url https://example.com/events
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
	url := flag.String("url", "", "where to send the events; empty: to an API that this program starts itself")
	events := flag.Int("events", 1000, "how many events to send")
	perSecond := flag.Float64("rate", 8, "calls per second")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	to := *url
	if to == "" {
		api, err := startAPI(5)
		if err != nil {
			log.Fatal(err)
		}
		defer api.Close()
		to = api.URL
	}
	sender := &Sender{URL: to, Client: &http.Client{Timeout: 10 * time.Second}, Limit: rate.NewLimiter(rate.Limit(*perSecond), 1)}
	if err := send(ctx, sender, *events, os.Stdout); err != nil {
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
		Flusher:       sender,
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
