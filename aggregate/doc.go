// Package aggregate merges values by key within a process, and hands what became
// of them to a Flusher in batches of entries, one for each key: counts per
// endpoint, totals per customer, the newest state of each device. What runs here is
// package buffer, with all that it promises: retry, dead letter, backpressure,
// telemetry, shutdown.
//
// # An Aggregator's life
//
// New takes a function that merges a value into the one that is stored, and a
// buffer's settings. Add merges a value into the entry of its key, or begins one;
// the entries of a partition are flushed when there are MaxSize of them, when the
// oldest is FlushInterval old, by Flush and SyncFlush, and by Shutdown.
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
// several fields that belong together. It must neither block nor call the
// Aggregator, not even Get or Len: Add and Shutdown would wait for it beyond their
// contexts.
//
// # What a Flusher gets
//
// A batch has each key once, and an entry does not change any more once it is
// handed over, however often it is retried. What is added meanwhile begins a new
// entry, in the next batch. So a key comes again and again, each time with what
// was added since, and the destination has to put that together: an upsert that
// adds, not one that replaces. Such an upsert is not idempotent, and delivery is at
// least once: an entry whose write succeeded, but whose answer was lost, is added
// twice. Where that matters take a flusher.Func, which is given the Batch, and store
// its ID in the same transaction as the entries; Retry.MaxAttempts 1 may lose them
// instead.
//
// # MaxSize
//
// MaxSize is how many keys a partition gathers. Choose it larger than the number of
// keys that come within a FlushInterval, divided by Partitions: then the interval
// alone flushes, each key is written once in it, and no Add waits. With fewer, a
// batch is full as soon as each of its keys has come about once, and little is
// merged.
//
// # When to use which
//
// Where the items themselves are wanted, or a key is only to keep their order, use
// package buffer, with its Key. Where the destination is an io.Writer, use package
// writer.
//
// # What is promised
//
// The law of package buffer counts entries: one that Add began has exactly one
// outcome, and Accepted = Buffered + InFlight + Delivered + DeadLettered +
// Dropped + Returned. Each Add that returned nil is in the Count of one entry, so
// that over all outcomes the sum of Count is the number of these Adds. Info, the
// metrics and the log count an entry as one, whatever its Count: a dropped one too.
//
// A value that is merged takes no room. An Add whose key is in the batch being
// filled is accepted though the partition is full, also where the batch has
// reached MaxSize and waits for the Flusher; it is only new keys that wait then,
// are refused, or displace the oldest, as Overflow says; a key that is in flight is
// new. So while a destination is down, the number of entries is bounded, and the
// keys of the batch being filled go on counting. A value that grows as it is merged,
// such as a slice or a set, is bounded by nothing: bound it in merge.
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
// The first value of a key is stored as it is: what it points to is the
// Aggregator's from then on.
//
// An entry is copied where it is handed over or read. A value that points to
// something, such as a map or a slice, shares it with the copies: what Get and All
// return is then not to be read while merge may change it. Plain structs have no
// such trouble, and are faster.
package aggregate
