package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
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

// outcome is what Write answers of rows: rejected were not sent, and err is the
// driver's word on the others. places are the indexes in rows of those that were
// sent, or nil where all were.
func (s *Store) outcome(ctx context.Context, err error, rows []store.Row, places []int, rejected error) error {
	if err == nil {
		return rejected
	}
	refused, ok := errors.AsType[mongo.BulkWriteException](err)
	if !ok || ctx.Err() != nil || len(refused.WriteErrors) == 0 && refused.WriteConcernError == nil {
		return s.classify(ctx, err) // and what was rejected will be again
	}
	all := newVerdict(rows, places)
	for _, one := range refused.WriteErrors {
		switch {
		case s.plain && one.Code == duplicateKey:
			all.repeated = append(all.repeated, all.place(one.Index))
			all.duplicate = first(all.duplicate, one)
		case isFinal(one.Code):
			all.final, all.finalCause = append(all.final, all.place(one.Index)), first(all.finalCause, one)
		default:
			all.retry, all.retryCause = append(all.retry, all.place(one.Index)), first(all.retryCause, one)
		}
	}
	if err := s.settleRepeated(ctx, all); err != nil {
		return err
	}
	if concern := refused.WriteConcernError; concern != nil {
		all.doubt(fmt.Errorf("mongo: %w", concern))
	}
	return errors.Join(rejected, all.err())
}

// settleRepeated asks which of the rows that were refused as duplicates are
// there with their keys. The others ran into an index of somebody else's, and are
// stored nowhere. Servers differ in whether they say which index it was.
func (s *Store) settleRepeated(ctx context.Context, all *verdict) error {
	if len(all.repeated) == 0 {
		return nil
	}
	there, err := s.stored(ctx, all.rows, all.repeated)
	if err != nil {
		return s.classify(ctx, err) // the rows are written again, and refused again
	}
	for _, place := range all.repeated {
		if !there[all.rows[place].Key] {
			all.final, all.finalCause = append(all.final, place), all.duplicate
		}
	}
	return nil
}

// first keeps the first of the errors of a class, cut short, as the server's
// text may quote whole documents.
func first(cause error, one mongo.BulkWriteError) error {
	if cause != nil {
		return cause
	}
	return fmt.Errorf("mongo: refused with code %d: %.200s", one.Code, one.Message)
}

// duplicateKey is the code of a document that a unique index refuses.
const duplicateKey = 11000

// isFinal says whether a server that refuses a document with code does so for
// ever. A code that is not known here is retried: that loses nothing.
func isFinal(code int) bool {
	switch code {
	case 2, // BadValue
		14,           // TypeMismatch
		22,           // InvalidBSON
		121,          // DocumentValidationFailure
		10334,        // BSONObjectTooLarge
		duplicateKey, // of an index that is not ours
		17280:        // KeyTooLong
		return true
	}
	return false
}
