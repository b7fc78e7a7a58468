// Package flusher is what users of a buffer implement and answer: the [Flusher]
// that takes a [Batch] to its destination, and the errors by which it says what
// became of the batch.
//
// # From a function to a Flusher
//
// Most destinations already have a function that writes a slice; [Items] makes
// a Flusher of it. [Func] makes one of a function that wants the whole Batch.
// A bare function is not a Flusher, and the compiler does not infer one:
//
//	Flusher: flusher.Items(store.InsertMany) // func(context.Context, []Event) error
//	Flusher: flusher.Func[Event](write)      // func(context.Context, flusher.Batch[Event]) error
//	Flusher: flusher.Chan(events)            // chan<- Event
//
// # Answers
//
// A Flusher answers for the whole batch with nil (delivered) or an error
// (failed, to be retried), and more exactly with:
//
//   - [Permanent]: failed, and no retry will help.
//   - [RetryAfter]: failed, and to be retried no sooner than then.
//   - [Partial]: only these items failed; all the others are delivered.
//
// The three compose with each other in any order, through any wrapping that
// [errors.Unwrap] sees through, and by [errors.Join], which is how the answer
// of a bulk API with a status per item is put:
//
//	return errors.Join(
//		flusher.Partial(flusher.RetryAfter(errBusy, time.Second), busy...),
//		flusher.Partial(flusher.Permanent(errInvalid), invalid...),
//	)
//
// [Inspect] states how such an error is read.
//
// # Decorators
//
// A decorator is a Flusher whose constructor takes the inner Flusher as its
// first argument. It hands on the Batch, and returns the inner error as it is
// or wrapped, so that its class stays visible.
package flusher
