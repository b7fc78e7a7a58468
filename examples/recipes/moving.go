package recipes

import (
	"context"
	"log"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/flusher"
)

// Before is the loop that many services have.
func Before(ctx context.Context, in <-chan Event, store func([]Event) error) {
	ticker := time.NewTicker(time.Second)
	var batch []Event
	flush := func() {
		if err := store(batch); err != nil {
			log.Print(err) // and the events are gone
		}
		batch = nil
	}
	for {
		select {
		case event := <-in: // nobody inserts while store runs
			if batch = append(batch, event); len(batch) == 1000 {
				flush()
			}
		case <-ticker.C:
			flush() // also where batch is empty
		case <-ctx.Done():
			flush() // what is in the channel is gone
			return
		}
	}
}

// After is a buffer instead: Insert where you sent, Shutdown where you cancelled.
func After(store func(context.Context, []Event) error) (*buffer.Buffer[Event], error) {
	return buffer.New(buffer.Config[Event]{
		Name:          "events",
		Flusher:       flusher.Items(store),
		MaxSize:       1000,
		FlushInterval: time.Second,
	})
}
