package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
)

const (
	// cutMin and cutMax bound how many readings are left in batches until it is
	// begun to cut them into chunks. Every query scans these, at about a
	// millisecond for 100,000.
	cutMin = 128 << 10
	cutMax = 1 << 20

	// cutPerSeries readings of each series make a cut worth the page that it
	// writes for each.
	cutPerSeries = 32

	// A Write cuts for stepPerRow times what it writes, so that a cut is over
	// before the next one is due, and stepMin at least. A chunk counts as if it
	// had chunkCost readings more, and a batch that is dropped batchCost.
	stepPerRow = 4
	stepMin    = 4 << 10
	chunkCost  = 32
	batchCost  = 16
	dropFaster = 4 // a reading dropped costs so much less than one cut
)

// progress is how far a cut is, as the file has it: the readings of series below
// series in batches up to until are in chunks, and count only there.
type progress struct {
	generation int64 // a new one for each cut, so that no process takes one for another
	until      int64 // a batch's id; 0: there is no cut
	series     uint32
}

// allSeries is progress.series when only the batches are left to be dropped.
const allSeries = math.MaxUint32

// cutting is a cut as memory has it. It holds while the file has its progress:
// another process may have gone on with it.
type cutting struct {
	progress
	points  []point // not cut yet, in order of series
	batches []part  // not dropped yet, in order
}

type part struct {
	id       int64
	readings int
}

// cutAt is the number of readings in batches at which they are cut.
func (s *Store) cutAt() int {
	return min(max(cutMin, cutPerSeries*len(s.series)), cutMax)
}

// cut goes on with the cut, or begins one where it is due, by as much as a Write
// of that many rows is to bear. It returns what holds once tx does.
func (s *Store) cut(ctx context.Context, tx *sql.Tx, rows int) (c cutting, tail int, err error) {
	now, err := progressOf(tx.StmtContext(ctx, s.stmts.progress).QueryRowContext(ctx))
	if err != nil {
		return c, 0, err
	}
	c, tail = s.cutting, s.tail
	if now.until == 0 {
		if tail < s.cutAt() {
			return cutting{progress: now}, tail, nil
		}
		now.generation++
		now.series = 0
		if err := tx.StmtContext(ctx, s.stmts.lastBatch).QueryRowContext(ctx).Scan(&now.until); err != nil {
			return c, 0, err
		}
	}
	if c.progress != now {
		s.cutting = cutting{} // what it points at is written over
		if c, err = s.load(ctx, tx, now); err != nil {
			return c, 0, err
		}
		if err := tx.StmtContext(ctx, s.stmts.tail).QueryRowContext(ctx, now.until).Scan(&tail); err != nil {
			return c, 0, err
		}
	}
	work := max(stepMin, stepPerRow*rows)
	if c.series != allSeries {
		err = s.cutSome(ctx, tx, &c, work)
	} else {
		err = s.dropSome(ctx, tx, &c, dropFaster*work)
	}
	if err != nil {
		return c, 0, err
	}
	_, err = tx.StmtContext(ctx, s.stmts.setProgress).ExecContext(ctx, c.generation, c.until, c.series)
	return c, tail, err
}

// cutSome makes chunks of whole series.
func (s *Store) cutSome(ctx context.Context, tx *sql.Tx, c *cutting, work int) error {
	args := make([]any, 0, chunksAtOnce*chunkArgs)
	insert := tx.StmtContext(ctx, s.stmts.addChunks)
	for len(c.points) > 0 && work > 0 {
		n := 1
		for n < len(c.points) && c.points[n].series == c.points[0].series {
			n++
		}
		run := c.points[:n]
		c.points = c.points[n:]
		slices.SortStableFunc(run, func(p, q point) int { return cmp.Compare(p.time, q.time) })
		for chunk := range slices.Chunk(run, chunkPoints) {
			work -= len(chunk) + chunkCost
			args = appendChunkArgs(args, chunk)
			if len(args) == cap(args) {
				if _, err := insert.ExecContext(ctx, args...); err != nil {
					return err
				}
				args = args[:0]
			}
		}
	}
	single := tx.StmtContext(ctx, s.stmts.addChunk)
	for rest := range slices.Chunk(args, chunkArgs) {
		if _, err := single.ExecContext(ctx, rest...); err != nil {
			return err
		}
	}
	if c.series = allSeries; len(c.points) > 0 {
		c.series = c.points[0].series
	}
	return nil
}

// dropSome deletes batches whose readings are all in chunks.
func (s *Store) dropSome(ctx context.Context, tx *sql.Tx, c *cutting, work int) error {
	last := c.until // also where there is none
	for len(c.batches) > 0 && work > 0 {
		last = c.batches[0].id
		work -= c.batches[0].readings + batchCost
		c.batches = c.batches[1:]
	}
	if len(c.batches) == 0 {
		last, c.until, c.series = c.until, 0, 0
	}
	_, err := tx.StmtContext(ctx, s.stmts.dropBatches).ExecContext(ctx, last)
	return err
}

// load reads what is left to do of a cut.
func (s *Store) load(ctx context.Context, tx *sql.Tx, from progress) (cutting, error) {
	c := cutting{progress: from}
	s.read = s.read[:0]
	rows, err := tx.StmtContext(ctx, s.stmts.batchesUntil).QueryContext(ctx, from.until)
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		var next part
		var data sql.RawBytes
		if err := rows.Scan(&next.id, &next.readings, &data); err != nil {
			return c, err
		}
		c.batches = append(c.batches, next)
		b, err := parseBatch(data)
		if err != nil {
			return c, err
		}
		for i := range b.len() {
			if b.seriesAt(i) >= from.series {
				s.read = append(s.read, b.at(i))
			}
		}
	}
	s.points = bySeries(s.points, s.read)
	c.points = s.points
	return c, rows.Err()
}

// bySeries puts points in order of their series, in time proportional to them, as
// ids of series are small numbers. It uses into where that has room.
func bySeries(into, points []point) []point {
	var starts []int
	for i := range points {
		id := int(points[i].series)
		if id >= len(starts) {
			starts = append(starts, make([]int, id+1-len(starts))...)
		}
		starts[id]++
	}
	next := 0
	for id, n := range starts {
		starts[id], next = next, next+n
	}
	into = slices.Grow(into[:0], len(points))[:len(points)]
	for i := range points {
		id := points[i].series
		into[starts[id]] = points[i]
		starts[id]++
	}
	return into
}

func progressOf(row *sql.Row) (p progress, err error) {
	err = row.Scan(&p.generation, &p.until, &p.series)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return p, err
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
