// Package buffer collects items that are inserted one by one, from many
// goroutines, and hands them to a Flusher in batches: by size, by bytes, by time.
// It is made for batching database writes, events, logs, metrics and API calls
// within a process, without losing anything that it accepted.
//
// Package aggregate merges items by key on the way, and package writer takes bytes
// for an io.Writer; both run on this one.
//
// # A buffer's life
//
// New checks the settings and starts one goroutine for each partition. Insert and
// InsertBatch accept items; Flush and SyncFlush flush before a batch is full;
// Shutdown flushes the rest, and gives back what it could not deliver in time.
//
//	events, err := buffer.New(buffer.Config[Event]{
//		Name:    "events",
//		Flusher: flusher.Items(store.InsertMany), // func(context.Context, []Event) error
//	})
//	...
//	err = events.Insert(ctx, Event{...})
//	...
//	err = events.Shutdown(ctx)
//
// The Flusher is a function over a slice, made by flusher.Items; a function over
// a flusher.Batch, converted by flusher.Func[Event](flush), since Go does not
// infer the type of a bare function; or a type of your own.
//
// # What is promised
//
// Insert returning nil means that the item is in memory, and not that it is
// delivered. From there on each item has exactly one outcome, and in every
// snapshot of a partition
//
//	Accepted = Buffered + InFlight + Delivered + DeadLettered + Dropped + Returned
//
// A batch that fails is tried again with backoff and jitter, by default without
// end, and keeps its place meanwhile: a destination that fails slows the inserts
// down and loses nothing. Items are dropped only where the Flusher says that a
// retry is useless (flusher.Permanent, a panic) or Retry.MaxAttempts is used up,
// and there is no DeadLetter, or that fails too; and by Overflow DropOldest. Every
// drop is counted by reason and logged.
//
// Delivery is at least once. An attempt that outlives FlushTimeout and FlushGrace
// is abandoned and its batch retried, although it may still succeed; Batch.ID is
// the same then, for destinations that can tell. Retry.MaxAttempts 1 makes it at
// most once, unless Retry.Bisect tries parts again.
//
// Memory is bounded: a partition holds at most MaxSize and MaxSizeJitter items,
// times one more than MaxInFlight, beside one abandoned batch and the excess of
// one InsertBatch. When it is full, Overflow decides whether an insert waits, is
// refused, or displaces the oldest.
//
// # Order
//
// Items leave a partition in the order in which it accepted them, as long as
// MaxInFlight is 1. So they do per Key and per Producer, which stay with one
// partition. What a Partial error or the dead letter singles out comes after the
// others of its batch. Across partitions there is no order.
//
// # Slices
//
// InsertBatch copies what it is given. Batch.Items belongs to the buffer and is
// used again when Flush has returned: a Flusher keeps a copy, not the slice.
// Dump, ShutdownError and Info are copies.
//
// # Telemetry
//
// Spans and metrics go to OpenTelemetry's global providers or to those in the
// Config. Without an SDK they cost next to nothing. Log lines, through
// Config.Logger, tell of items dropped (level Error), items given up to the dead
// letter, and attempts abandoned (Warn): of each reason at most one line a second,
// with the sum and the newest cause, and never with items.
package buffer
