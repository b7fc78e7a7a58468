package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/flusher"
)

// classify says of an error what a buffer makes of it. Where ctx has ended,
// this is the reason, whatever became of the connection.
func (s *Store) classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("postgres: %w", cause)
	}
	if s.closed.Load() {
		return store.ErrClosed
	}
	err = fmt.Errorf("postgres: %w", err)
	failure, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err // the connection's
	}
	// By class (PostgreSQL's manual, appendix A): data that a type cannot hold,
	// and constraints. All others are the state of the server, its rights or its
	// tables, which someone can mend: these rows are then stored as they are.
	if strings.HasPrefix(failure.Code, "22") || strings.HasPrefix(failure.Code, "23") {
		return flusher.Permanent(err)
	}
	return err
}
