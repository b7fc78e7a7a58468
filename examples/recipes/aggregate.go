package recipes

import (
	"context"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/flusher"
)

// Hits counts by path: what it hands to add is one entry for each path, with what
// came together since the last time.
func Hits(add func(context.Context, []aggregate.Entry[string, int]) error) (*aggregate.Aggregator[string, int], error) {
	return aggregate.New(
		func(stored *int, value int) { *stored += value }, // under a lock: no atomics
		aggregate.Config[string, int]{Name: "hits", Flusher: flusher.Items(add)})
}
