package recipes

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-databuffer/databuffer/flusher"
)

// CopyInto writes each batch with one COPY, which stores all rows or none.
func CopyInto(pool *pgxpool.Pool) flusher.Func[Event] {
	return flusher.Items(func(ctx context.Context, events []Event) error {
		_, err := pool.CopyFrom(ctx, pgx.Identifier{"events"}, []string{"id", "name"},
			pgx.CopyFromSlice(len(events), func(i int) ([]any, error) {
				return []any{events[i].ID, events[i].Name}, nil
			}))
		// Classes 22 and 23: the fault is in a row, and no repetition mends it. With
		// Retry.Bisect the buffer finds out which one, and the others are stored.
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok &&
			(strings.HasPrefix(refused.Code, "22") || strings.HasPrefix(refused.Code, "23")) {
			return flusher.Permanent(err)
		}
		return err
	})
}
