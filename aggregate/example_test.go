package aggregate_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/go-databuffer/databuffer/aggregate"
	"github.com/go-databuffer/databuffer/flusher"
)

// Request counts per endpoint. The destination is told how many came since it was
// told last, and adds that to what it has:
//
//	INSERT INTO hits (endpoint, n) VALUES ($1, $2)
//	ON CONFLICT (endpoint) DO UPDATE SET n = hits.n + excluded.n
func Example() {
	ctx := context.Background()
	hits, err := aggregate.New(
		func(stored *int, value int) { *stored += value },
		aggregate.Config[string, int]{
			Name: "hits",
			Flusher: flusher.Items(func(_ context.Context, entries []aggregate.Entry[string, int]) error {
				for _, e := range entries {
					fmt.Printf("%s: %d requests\n", e.Key, e.Value)
				}
				return nil
			}),
			FlushInterval: time.Second,
		})
	if err != nil {
		log.Fatal(err)
	}

	for _, endpoint := range []string{"/login", "/search", "/search", "/login", "/search"} {
		_ = hits.Add(ctx, endpoint, 1)
	}
	_ = hits.Shutdown(ctx)
	// Output:
	// /login: 2 requests
	// /search: 3 requests
}

// A stored value may be a struct, whose fields are merged together. Here each
// measurement comes as the statistics of itself, and the mean is made of sum and
// Count in the end: means cannot be merged.
func Example_struct() {
	type stats struct{ least, most, sum float64 }
	of := func(v float64) stats { return stats{v, v, v} }

	ctx := context.Background()
	sensors, err := aggregate.New(
		func(stored *stats, value stats) {
			stored.least = min(stored.least, value.least)
			stored.most = max(stored.most, value.most)
			stored.sum += value.sum
		},
		aggregate.Config[string, stats]{
			Name: "sensors",
			Flusher: flusher.Items(func(_ context.Context, entries []aggregate.Entry[string, stats]) error {
				for _, e := range entries {
					mean := e.Value.sum / float64(e.Count)
					fmt.Printf("%s: %.1f to %.1f, mean %.1f of %d\n", e.Key, e.Value.least, e.Value.most, mean, e.Count)
				}
				return nil
			}),
		})
	if err != nil {
		log.Fatal(err)
	}

	for _, v := range []float64{20.5, 21, 19} {
		_ = sensors.Add(ctx, "kitchen", of(v))
	}
	_ = sensors.Add(ctx, "cellar", of(12))
	_ = sensors.Shutdown(ctx)
	// Output:
	// kitchen: 19.0 to 21.0, mean 20.2 of 3
	// cellar: 12.0 to 12.0, mean 12.0 of 1
}

// flusher.Chan hands the entries to whoever ranges over a channel. While nobody
// does, the channel fills, and then the Aggregator: new keys wait, and nothing is
// lost. Without a FlushTimeout, whoever pauses is waited for. The channel is closed
// after Shutdown, which blocks until the last entry is sent.
func Example_channel() {
	ctx := context.Background()
	out := make(chan aggregate.Entry[string, int], 1)
	hits, err := aggregate.New(
		func(stored *int, value int) { *stored += value },
		aggregate.Config[string, int]{
			Name:          "hits",
			Flusher:       flusher.Chan(out),
			MaxSize:       2, // keys
			FlushInterval: time.Second,
			FlushTimeout:  -1, // none
		})
	if err != nil {
		log.Fatal(err)
	}

	go func() {
		for _, endpoint := range []string{"/a", "/a", "/b", "/c", "/c", "/c", "/d", "/e"} {
			_ = hits.Add(ctx, endpoint, 1)
		}
		_ = hits.Shutdown(ctx)
		close(out)
	}()
	for e := range out {
		fmt.Println(e.Key, e.Value)
	}
	// Output:
	// /a 2
	// /b 1
	// /c 3
	// /d 1
	// /e 1
}

// With FlushInterval the entries are flushed periodically, counted from a batch's
// first; a SyncFlush beside it is a barrier, such as before a report is made.
func ExampleAggregator_SyncFlush() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	total := map[string]int{}
	hits, err := aggregate.New(
		func(stored *int, value int) { *stored += value },
		aggregate.Config[string, int]{
			Name: "hits",
			Flusher: flusher.Items(func(_ context.Context, entries []aggregate.Entry[string, int]) error {
				for _, e := range entries {
					total[e.Key] += e.Value // a key comes again and again
				}
				return nil
			}),
			FlushInterval: 30 * time.Second,
			FlushJitter:   -1,
		})
	if err != nil {
		log.Fatal(err)
	}

	for range 3 {
		for range 10 {
			_ = hits.Add(ctx, "/login", 1)
		}
		results, err := hits.SyncFlush(ctx)
		fmt.Println(results[0].Delivered, "entry,", total["/login"], "requests,", err)
	}
	_ = hits.Shutdown(ctx)
	// Output:
	// 1 entry, 10 requests, <nil>
	// 1 entry, 20 requests, <nil>
	// 1 entry, 30 requests, <nil>
}

// Get, All and Len see what is held and was not handed over yet.
func ExampleAggregator_All() {
	ctx := context.Background()
	hits, err := aggregate.New(
		func(stored *int, value int) { *stored += value },
		aggregate.Config[string, int]{
			Name:    "hits",
			Flusher: flusher.Items(func(context.Context, []aggregate.Entry[string, int]) error { return nil }),
		})
	if err != nil {
		log.Fatal(err)
	}
	for _, endpoint := range []string{"/login", "/search", "/search"} {
		_ = hits.Add(ctx, endpoint, 1)
	}

	fmt.Println(hits.Get("/search"))
	fmt.Println(hits.Len())
	for endpoint, n := range hits.All() {
		fmt.Println(endpoint, n)
	}
	_ = hits.Shutdown(ctx)
	fmt.Println(hits.Len())
	// Output:
	// 2 true
	// 2
	// /login 1
	// /search 2
	// 0
}
