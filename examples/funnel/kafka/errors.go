package kafka

import (
	"context"
	"fmt"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
)

var (
	// ErrInDoubt: the readings have been sent, or were about to be, and the wait
	// ended before the brokers had said what became of them. All are in the topic,
	// or will be, or none. It is an ingest.ErrInDoubt.
	ErrInDoubt = fmt.Errorf("kafka: all of the readings are in the topic, or will be, or none: %w", ingest.ErrInDoubt)

	// ErrTooLarge: the readings of one Accept do not fit into one record batch.
	// None was taken. It is a buffer.ErrTooLarge.
	ErrTooLarge = fmt.Errorf("kafka: the request does not fit into one record batch: %w", buffer.ErrTooLarge)

	// ErrNotSent: the brokers did not take the readings. None is in the topic. It
	// is an ingest.ErrAway.
	ErrNotSent = fmt.Errorf("kafka: none of the readings is in the topic: %w", ingest.ErrAway)

	// ErrRejected: readings are in the topic, and some of them went from there to
	// the dead-letter topic, as the store refused them for good. It is an
	// ingest.ErrRejected.
	ErrRejected = fmt.Errorf("kafka: readings went to the dead-letter topic: %w", ingest.ErrRejected)

	// ErrElsewhere: the readings are in the topic, and their partition went to
	// another process while Accept waited, or its log has become shorter, as that
	// of a topic that is made anew. Who consumes it stores them, and when is not
	// learnt here; who sends them again stores them twice. It is an
	// ingest.ErrElsewhere.
	ErrElsewhere = fmt.Errorf("kafka: the readings are in the topic, and their partition went away or was made anew: %w", ingest.ErrElsewhere)

	// errNoOffset: the readings are in the topic, and the brokers, asked again, did
	// not say where, so that nobody here can tell when they are stored.
	errNoOffset = fmt.Errorf("kafka: the readings are in the topic, and the brokers did not say at which offsets: %w", ingest.ErrElsewhere)

	// errNotYet: the group has not said yet which partitions are consumed here.
	errNotYet = fmt.Errorf("kafka: the group has not given out its partitions yet: %w", ingest.ErrAway)

	// errGone: the topic was made anew with fewer partitions, and that of the
	// readings is not there any more.
	errGone = fmt.Errorf("kafka: their partition is gone: %w", ErrNotSent)

	// errNoPartition: none is consumed here, so that nobody here learns of it.
	errNoPartition = fmt.Errorf("kafka: this process consumes no partition of the topic at the moment: %w", ingest.ErrNotKnown)
)

// endOf is the end of ctx as an error that is both ctx.Err() and its cause.
func endOf(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// ShutdownError is what Shutdown had to leave when its ctx ended.
type ShutdownError struct {
	Unsent    int // readings of requests that were refused or are in doubt, which their senders were told
	Unsettled int // records consumed and not known to be stored; they are consumed again
	Err       error
}

func (e *ShutdownError) Error() string {
	return fmt.Sprintf("kafka: stopped before it was done: %d readings not sent, which their senders know; "+
		"%d records not known to be stored, which will be consumed again: %v", e.Unsent, e.Unsettled, e.Err)
}

// Unwrap returns Err.
func (e *ShutdownError) Unwrap() error { return e.Err }
