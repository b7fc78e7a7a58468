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
	// (413), buffer.ErrClosed (503), ErrNotKnown (501), the end of ctx (503), and
	// others (500). After an error with stored set, readings that were accepted
	// may still be stored.
	Accept(ctx context.Context, readings []reading.Reading, stored bool) error
}

// ErrNotKnown is the answer to stored where this process cannot know when the
// readings are stored, since others write them.
var ErrNotKnown = errors.New("this process cannot tell when the readings are stored: send without ack=stored")
