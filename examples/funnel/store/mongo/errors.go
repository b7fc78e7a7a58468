package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// classify says of an error what a buffer makes of it. Where ctx has ended,
// this is the reason, whatever became of the connection. All errors that are not
// about a document are to be retried: they are the state of the servers and
// networks, or rights, which someone can mend.
func (s *Store) classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("mongo: %w", cause)
	}
	if errors.Is(err, mongo.ErrClientDisconnected) {
		return store.ErrClosed
	}
	return fmt.Errorf("mongo: %w", err)
}

// outcome is what Write answers: of the n rows it was given, rejected were not
// sent, and err is the driver's word on the others. places are their indexes, or
// nil where all were sent.
func (s *Store) outcome(ctx context.Context, err error, n int, places []int, rejected error) error {
	if err == nil {
		return rejected
	}
	refused, ok := errors.AsType[mongo.BulkWriteException](err)
	if !ok || ctx.Err() != nil {
		// The rejected will be rejected again.
		return s.classify(ctx, err)
	}
	place := func(index int) int {
		if places == nil {
			return index
		}
		return places[index]
	}
	var final, retry []int
	var finalCause, retryCause error
	failed := map[int]bool{}
	for _, one := range refused.WriteErrors {
		index := place(one.Index)
		failed[index] = true
		switch {
		case s.plain && isStored(one.WriteError):
			delete(failed, index)
		case isFinal(one.Code):
			final, finalCause = append(final, index), first(finalCause, one)
		default:
			retry, retryCause = append(retry, index), first(retryCause, one)
		}
	}
	if concern := refused.WriteConcernError; concern != nil {
		// All that was written may be lost again, so that it is not stored yet.
		retryCause = errors.Join(retryCause, fmt.Errorf("mongo: %w", concern))
		sent := n
		if places != nil {
			sent = len(places)
		}
		for i := range sent {
			if index := place(i); !failed[index] {
				retry = append(retry, index)
			}
		}
	}
	var parts []error
	if rejected != nil {
		parts = append(parts, rejected)
	}
	if len(final) > 0 {
		parts = append(parts, flusher.Partial(flusher.Permanent(finalCause), final...))
	}
	if len(retry) > 0 {
		parts = append(parts, flusher.Partial(retryCause, retry...))
	}
	if len(refused.WriteErrors) == 0 && refused.WriteConcernError == nil {
		return s.classify(ctx, err) // says that something failed, and not what
	}
	return errors.Join(parts...)
}

// first keeps the first of the errors of a class, cut short, as the server's
// text may quote whole documents.
func first(cause error, one mongo.BulkWriteError) error {
	if cause != nil {
		return cause
	}
	return fmt.Errorf("mongo: refused with code %d: %.200s", one.Code, one.Message)
}

// isStored says whether a document was refused because its key is there. It may
// be for an index of somebody else's, and then it is stored nowhere. Servers say
// in keyPattern which index it is (MongoDB since 4.2), or only in the text.
func isStored(refused mongo.WriteError) bool {
	if refused.Code != 11000 {
		return false
	}
	if pattern, ok := refused.Raw.Lookup("keyPattern").DocumentOK(); ok {
		elements, err := pattern.Elements()
		return err == nil && len(elements) == 1 && elements[0].Key() == "_id"
	}
	return strings.Contains(refused.Message, "index: _id_")
}

// isFinal says whether a server that refuses a document with code does so for
// ever. A code that is not known here is retried: that loses nothing.
func isFinal(code int) bool {
	switch code {
	case 2, // BadValue
		14,    // TypeMismatch
		22,    // InvalidBSON
		121,   // DocumentValidationFailure
		10334, // BSONObjectTooLarge
		11000, // DuplicateKey, of an index that is not ours
		17280: // KeyTooLong
		return true
	}
	return false
}
