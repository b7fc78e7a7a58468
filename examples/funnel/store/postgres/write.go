package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// In order of the keys: two writers of the same keys that insert in different
// orders would wait for one another.
const insertIncoming = `
INSERT INTO funnel_readings (series, time, value, origin, idx)
SELECT series, time, value, origin, idx FROM funnel_incoming ORDER BY origin, idx
ON CONFLICT DO NOTHING`

var incomingColumns = []string{"series", "time", "value", "origin", "idx"}

// Write implements store.Store. It is one transaction, but for new sensors,
// which get their row before. What a server says that is out of reach, full,
// shutting down or busy is to be retried; that it cannot hold what it was sent
// is flusher.Permanent.
func (s *Store) Write(ctx context.Context, rows []store.Row) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	if len(rows) == 0 {
		return ctx.Err()
	}
	kept, _, rejected := store.Sift(rows, check)
	if len(kept) == 0 {
		return rejected
	}
	if err := s.write(ctx, kept); err != nil {
		return s.classify(ctx, err)
	}
	return rejected
}

// check leaves out what PostgreSQL's text cannot hold.
func check(row *store.Row) error {
	if err := store.Check(row); err != nil {
		return err
	}
	if strings.IndexByte(row.Sensor, 0) >= 0 || strings.IndexByte(row.Metric, 0) >= 0 {
		return errors.New("postgres: a name has a zero byte, which PostgreSQL's text cannot hold")
	}
	return nil
}

func (s *Store) write(ctx context.Context, rows []store.Row) error {
	ids, err := s.seriesOf(ctx, rows)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		source := &source{rows: rows, ids: ids, at: -1}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"funnel_incoming"}, incomingColumns, source); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertIncoming)
		return err
	})
}

// source is a pgx.CopyFromSource.
type source struct {
	rows   []store.Row
	ids    []int32
	at     int
	values [5]any // reused, as pgx encodes them before it asks for the next
}

func (s *source) Next() bool {
	s.at++
	return s.at < len(s.rows)
}

func (s *source) Values() ([]any, error) {
	row := &s.rows[s.at]
	s.values = [5]any{s.ids[s.at], row.Time, row.Value, row.Key.Origin, row.Key.Index}
	return s.values[:], nil
}

func (s *source) Err() error { return nil }
