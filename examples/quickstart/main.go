// Quickstart inserts events one by one and stores them in batches.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

type Event struct {
	ID   int
	Name string
}

// insertMany stands for the bulk insert of your database.
func insertMany(ctx context.Context, events []Event) error {
	fmt.Printf("stored %d events, from %d on\n", len(events), events[0].ID)
	return nil
}

func main() {
	events, err := buffer.New(buffer.Config[Event]{
		Name:          "events",
		Flusher:       flusher.Items(insertMany),
		MaxSize:       1000,
		FlushInterval: 5 * time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background() // in a service: the request's
	for id := range 2500 {
		if err := events.Insert(ctx, Event{ID: id, Name: "signup"}); err != nil {
			log.Print(err)
		}
	}

	// Flush what is left, for at most ten seconds.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := events.Shutdown(ctx); err != nil {
		log.Print(err)
	}
}
