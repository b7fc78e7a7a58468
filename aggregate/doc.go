// Package aggregate merges values by key within a process, and hands what became
// of them to a Flusher in batches of entries, one for each key: counts per
// endpoint, totals per customer, the newest state of each device. Where the items
// themselves are wanted, one by one, package buffer is for that; it is also what
// runs here, with all that it promises: retry, dead letter, backpressure,
// telemetry, shutdown.
//
// # An Aggregator's life
//
// New takes a function that merges a value into the one that is stored, and a
// buffer's settings. Add merges a value into the entry of its key, or begins one;
// the entries are flushed when there are MaxSize of them, when the oldest is
// FlushInterval old, by Flush and SyncFlush, and by Shutdown.
//
//	hits, err := aggregate.New(
//		func(stored *int, value int) { *stored += value },
//		aggregate.Config[string, int]{
//			Name:    "hits",
//			Flusher: flusher.Items(store.AddHits), // func(context.Context, []aggregate.Entry[string, int]) error
//		})
//	...
//	err = hits.Add(ctx, "/login", 1)
//	...
//	err = hits.Shutdown(ctx)
//
// The merge function runs under the lock of the key's partition. So it may be as
// plain as this one, with no atomics, and a stored value may be a struct of
// several fields that belong together. It must not block.
//
// # What a Flusher gets
//
// A batch has each key once, and an entry does not change any more once it is
// handed over, however often it is retried. What is added meanwhile begins a new
// entry, in the next batch. So a key comes again and again, each time with what
// was added since, and the destination has to put that together: an upsert that
// adds, not one that replaces.
//
// # What is promised
//
// The law of package buffer counts entries: one that Add began has exactly one
// outcome, and Accepted = Buffered + InFlight + Delivered + DeadLettered +
// Dropped + Returned. Each Add that returned nil is in the Count of one entry, so
// that over all outcomes the sum of Count is the number of these Adds.
//
// A value that is merged takes no room. An Add whose key is in the batch being
// filled is accepted though the partition is full, also where the batch has
// reached MaxSize and waits for the Flusher; it is only new keys that wait then,
// are refused, or displace the oldest, as Overflow says. So while a destination is
// down, memory is bounded by the keys, and the keys that are held go on counting.
//
// A partition holds at most MaxSize and MaxSizeJitter entries, times one more than
// MaxInFlight, beside one abandoned batch, and for the keys of one batch an index.
//
// With several Partitions a key's values meet in one of them, which its hash
// chooses. Batches are then smaller, or later, and Adds of different keys seldom
// wait for each other.
//
// # Keys
//
// Any comparable type is a key, and keys are equal where == says so: 0.0 and -0.0
// are one. A NaN equals nothing, not even itself: each is an entry of its own,
// which Get does not find. A key of an interface type that holds what cannot be
// compared, such as a slice, is an error of its Add.
//
// # Values
//
// An entry is copied where it is handed over or read. A value that points to
// something, such as a map or a slice, shares it with the copies: what Get and All
// return is then not to be read while merge may change it. Plain structs have no
// such trouble, and are faster.
package aggregate
