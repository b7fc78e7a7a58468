package sqlite

import (
	"context"
	"database/sql"
	"math"
	"slices"
)

const (
	// cutMin and cutMax bound how many readings are left in batches until they
	// are cut into chunks. Every query scans these, at about a millisecond for
	// 100,000, and a Write waits while they are cut.
	cutMin = 128 << 10
	cutMax = 1 << 20

	// cutPerSeries readings of each series make a cut worth the page that it
	// writes for each.
	cutPerSeries = 32
)

// cutAt is the number of readings in batches at which they are cut.
func (s *Store) cutAt() int {
	return min(max(cutMin, cutPerSeries*len(s.series)), cutMax)
}

// cut makes chunks of all batches.
func (s *Store) cut(ctx context.Context, tx *sql.Tx) error {
	points, err := s.readBatches(ctx, tx)
	if err != nil {
		return err
	}
	defer func() { s.points = points[:0] }()
	slices.SortFunc(points, point.compare)
	args := make([]any, 0, chunksAtOnce*chunkArgs)
	insert := tx.StmtContext(ctx, s.stmts.addChunks)
	for len(points) > 0 {
		n := 1
		for n < min(len(points), chunkPoints) && points[n].series == points[0].series {
			n++
		}
		args = appendChunkArgs(args, points[:n])
		points = points[n:]
		if len(args) == cap(args) {
			if _, err := insert.ExecContext(ctx, args...); err != nil {
				return err
			}
			args = args[:0]
		}
	}
	single := tx.StmtContext(ctx, s.stmts.addChunk)
	for rest := range slices.Chunk(args, chunkArgs) {
		if _, err := single.ExecContext(ctx, rest...); err != nil {
			return err
		}
	}
	_, err = tx.StmtContext(ctx, s.stmts.dropBatches).ExecContext(ctx)
	return err
}

func (s *Store) readBatches(ctx context.Context, tx *sql.Tx) ([]point, error) {
	points := s.points[:0]
	rows, err := tx.StmtContext(ctx, s.stmts.allBatches).QueryContext(ctx)
	if err != nil {
		return points, err
	}
	defer rows.Close()
	for rows.Next() {
		var data sql.RawBytes
		if err := rows.Scan(&data); err != nil {
			return points, err
		}
		b, err := parseBatch(data)
		if err != nil {
			return points, err
		}
		for i := range b.len() {
			points = append(points, b.at(i))
		}
	}
	return points, rows.Err()
}

// chunkArgs is how many values a chunk's row has.
const chunkArgs = 8

func appendChunkArgs(args []any, points []point) []any {
	var all tally
	for i := range points {
		all.add(points[i].value)
	}
	total := any(all.sum.value())
	if math.IsNaN(all.sum.value()) {
		total = nil // as SQLite has no NaN
	}
	return append(args, points[0].series, points[0].time, points[len(points)-1].time, len(points),
		all.min, all.max, total, appendChunk(nil, points))
}
