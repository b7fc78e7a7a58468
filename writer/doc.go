// Package writer makes one serial output of many goroutines: an io.Writer that
// collects what is written to it and hands it on in large pieces, by one
// goroutine at a time. It is made for log files, network connections and whatever
// else takes bytes and must not be written to by two at once.
//
//	w, err := writer.New(file, buffer.Config[[]byte]{Name: "access.log", FlushInterval: time.Second},
//		writer.Every(time.Second, func(context.Context) error { return file.Sync() }))
//	...
//	logger := slog.New(slog.NewJSONHandler(w, nil)) // or log, or zap: a Writer has Write and Sync
//	...
//	err = w.Close()
//
// # When to use which
//
// A Writer is a [buffer.Buffer] of bytes: what it promises is what that promises,
// and it stands where an io.Writer is asked for. Where the destination takes
// records and not bytes (a database, an API), or several at once, or where a
// write must be able to time out, use package buffer. Where values of one key are
// to be merged first, use package aggregate. For one goroutine that writes, a
// bufio.Writer is simpler, unless it must not wait for the output.
//
// # What is promised
//
// Write copies what it is given and returns before that is written. From there on
// each Write has exactly one outcome: it is written, in one piece and in the order
// accepted; or it was given up, which is in Errors, in what Sync, Stop and Close
// return, in the metrics and in the log, and it goes to the DeadLetter where there
// is one; or Stop has given it back. No byte is written twice.
//
// The output is called by one goroutine at a time, with as many Writes in one call
// as there are, up to MaxBytes. When a batch is full, or the interval of its first
// Write is over, or Sync is called, it is written; meanwhile the next one fills.
// When that is full too, Write waits (or is refused, or displaces the oldest: see
// Overflow). So a Writer holds at most two batches, and one more where the next
// Write does not fit into the second one; beside the bytes, 8 for each Write, and 24
// more once an attempt over its batch has failed.
//
// What is not written yet is lost when the process is killed: up to FlushInterval and
// FlushJitter of it while the output keeps up, which are 10 s and 2 s unless you say
// otherwise, and else all that it holds.
//
// # When the output fails
//
// An error is retried with backoff and jitter, five times unless Retry says
// otherwise. A short write is an error, with io.ErrShortWrite where the output
// gives none; the retry goes on where it stopped, with all its attempts anew. What
// is written does not become unwritten: when a batch is given up, its Writes that
// were written in full are delivered, and only the others are lost, of which the
// first may stand in the output in part. A flusher.Permanent error, a panic and a
// runtime.Goexit are not retried. Whatever an output returns beside having written
// everything is in Errors, and no failure.
//
// There is no timeout, as an io.Writer knows no context: an output that does not
// return is waited for, and never written to by a second goroutine. Give a
// connection a write deadline.
//
// # Stop, Start and Close
//
// Stop flushes and ends; its context says for how long, and what it leaves over it
// gives back. Start begins anew, Restart does both, and Close is Stop for good,
// without an end of time: where an output can hang, Stop first.
//
// A Writer that slog.Default writes to should have a Logger of its own, or its
// lines about the output's failure go the way of the output.
package writer
