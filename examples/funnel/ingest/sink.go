// Package ingest takes readings over HTTP.
package ingest

import (
	"context"
	"errors"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// Sink takes the readings of a request: the pipeline of this process, or Kafka.
type Sink interface {
	// Accept takes all readings or none. With stored it returns only when all
	// of them are in the store. It keeps nothing of the slice when it returns;
	// the strings in it may be kept.
	//
	// Its errors: buffer.ErrFull where there is no room (429), buffer.ErrTooLarge
	// (413), buffer.ErrClosed (503), those below, the end of ctx (503), and others
	// (500). After an error with stored set, readings that were accepted may still
	// be stored.
	Accept(ctx context.Context, readings []reading.Reading, stored bool) error
}

// ErrNotKnown is the answer to stored where this process cannot know when the
// readings are stored, since others write them.
var ErrNotKnown = errors.New("this process cannot tell when the readings are stored: send without ack=stored")

// What a Sink between here and the store may answer, for its own errors to wrap.
// Who sent the readings has to know whether to send them again.
var (
	// ErrAway: none was taken, as something that is needed for it is not there at
	// the moment (503 with Retry-After).
	ErrAway = errors.New("none of the readings was taken, as a part of the service does not answer or is not ready: send them again later")

	// ErrInDoubt: whether they were taken is not known (504).
	ErrInDoubt = errors.New("whether the readings were taken is not known: they may be stored twice if they are sent again")

	// ErrElsewhere: all were taken, and when they are stored is not known here, as
	// where another process stores them (202).
	ErrElsewhere = errors.New("the readings were taken, and when they are stored is not known here: do not send them again")

	// ErrRejected: all were taken, and the store refused some for good (422).
	ErrRejected = errors.New("the store refused some of the readings for good: do not send them again")
)
