package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"strings"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// name is what a series is known by.
type name struct{ sensor, metric string }

// knownSeries bounds the names that are kept in memory. Beyond it all are
// forgotten at once, and looked up again.
const knownSeries = 1 << 18

// Write implements store.Store. It is one transaction, and waits for others
// that write. A full disk, a file that may not be written, and one that another
// process holds are errors to retry: what is in the buffer is safe there until
// someone has made room. A damaged file is flusher.Permanent.
func (s *Store) Write(ctx context.Context, rows []store.Row) error {
	if len(rows) == 0 {
		return ctx.Err()
	}
	kept, _, rejected := store.Sift(rows, store.Check)
	if len(kept) == 0 {
		return rejected
	}
	select {
	case <-s.turn:
	default:
		select {
		case <-s.turn:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { s.turn <- struct{}{} }()
	if s.closed.Load() {
		return store.ErrClosed
	}
	if err := s.write(ctx, kept); err != nil {
		return s.classify(ctx, err)
	}
	return rejected
}

// write is called by the holder of turn, and changes what is known in memory
// only once the transaction holds.
func (s *Store) write(ctx context.Context, rows []store.Row) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	cut, tail, err := s.cut(ctx, tx, len(rows))
	if err != nil {
		return err
	}
	places, err := s.admit(ctx, tx, rows)
	if err != nil {
		return err
	}
	found := map[name]uint32{} // series that memory does not know yet
	points := make([]point, len(places))
	for i, place := range places {
		row := &rows[place]
		id, err := s.seriesOf(ctx, tx, name{row.Sensor, row.Metric}, found)
		if err != nil {
			return err
		}
		points[i] = point{time: row.Time.UnixMicro(), value: row.Value, series: id}
	}
	if err := s.addBatches(ctx, tx, points); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.cutting, s.tail = cut, tail+len(points)
	if len(s.series)+len(found) > knownSeries {
		clear(s.series)
	}
	maps.Copy(s.series, found)
	return nil
}

func (s *Store) seriesOf(ctx context.Context, tx *sql.Tx, of name, found map[name]uint32) (uint32, error) {
	if id, ok := s.series[of]; ok {
		return id, nil
	}
	if id, ok := found[of]; ok {
		return id, nil
	}
	// The row's strings may be small parts of a large body.
	of = name{strings.Clone(of.sensor), strings.Clone(of.metric)}
	var id uint32
	err := tx.StmtContext(ctx, s.stmts.findSeries).QueryRowContext(ctx, of.sensor, of.metric).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.StmtContext(ctx, s.stmts.addSeries).QueryRowContext(ctx, of.sensor, of.metric).Scan(&id)
	}
	if err != nil {
		return 0, err
	}
	found[of] = id
	return id, nil
}

func (s *Store) addBatches(ctx context.Context, tx *sql.Tx, points []point) error {
	var data []byte
	for len(points) > 0 {
		part := points[:min(len(points), batchPoints)]
		points = points[len(part):]
		first, last := part[0].time, part[0].time
		for i := range part {
			first, last = min(first, part[i].time), max(last, part[i].time)
		}
		data = appendBatch(data[:0], part)
		_, err := tx.StmtContext(ctx, s.stmts.addBatch).ExecContext(ctx, len(part), first, last, data)
		if err != nil {
			return err
		}
	}
	return nil
}
