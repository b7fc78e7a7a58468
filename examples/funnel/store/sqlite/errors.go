package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// classify says of an error what a buffer makes of it. Where ctx has ended,
// this is the reason, whatever SQLite calls the interruption.
func (s *Store) classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("sqlite: %w", cause)
	}
	if s.closed.Load() {
		return store.ErrClosed
	}
	err = fmt.Errorf("sqlite: %w", err)
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch failure.Code() & 0xff { // without what SQLite adds in extended codes
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, // the file is damaged
		sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG: // we would write the same again
		return flusher.Permanent(err)
	}
	return err
}
