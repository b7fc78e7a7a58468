package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
)

// statements are those of the writing connection, parsed once.
type statements struct {
	findKeys, dropKeys, addKeys *sql.Stmt
	findSeries, addSeries       *sql.Stmt
	addBatch, lastBatch         *sql.Stmt
	batchesUntil, dropBatches   *sql.Stmt
	tail, progress, setProgress *sql.Stmt
	addChunk, addChunks         *sql.Stmt
}

// chunksAtOnce is how many chunks one statement inserts, as each execution of a
// statement has a price.
const chunksAtOnce = 32

const selectProgress = `SELECT generation, until, series FROM cutting`

const insertChunk = `INSERT INTO chunk (series, first, last, readings, min, max, sum, data) VALUES (?,?,?,?,?,?,?,?)`

func (s *statements) prepare(ctx context.Context, db *sql.DB) (err error) {
	for _, each := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&s.findKeys, `SELECT first, last FROM keys WHERE origin = ? AND first <= ? ORDER BY first DESC`},
		{&s.dropKeys, `DELETE FROM keys WHERE origin = ? AND first = ?`},
		{&s.addKeys, `INSERT INTO keys (origin, first, last) VALUES (?, ?, ?)`},
		{&s.findSeries, `SELECT id FROM series WHERE sensor = ? AND metric = ?`},
		{&s.addSeries, `INSERT INTO series (sensor, metric) VALUES (?, ?) RETURNING id`},
		{&s.addBatch, `INSERT INTO batch (readings, first, last, data) VALUES (?, ?, ?, ?)`},
		{&s.lastBatch, `SELECT coalesce(max(id), 0) FROM batch`},
		{&s.batchesUntil, `SELECT id, readings, data FROM batch WHERE id <= ? ORDER BY id`},
		{&s.dropBatches, `DELETE FROM batch WHERE id <= ?`},
		{&s.tail, `SELECT coalesce(sum(readings), 0) FROM batch WHERE id > ?`},
		{&s.progress, selectProgress},
		{&s.setProgress, `INSERT OR REPLACE INTO cutting (one, generation, until, series) VALUES (1, ?, ?, ?)`},
		{&s.addChunk, insertChunk},
		{&s.addChunks, insertChunk + strings.Repeat(`,(?,?,?,?,?,?,?,?)`, chunksAtOnce-1)},
	} {
		if *each.stmt, err = db.PrepareContext(ctx, each.text); err != nil {
			return err
		}
	}
	return nil
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{
		s.findKeys, s.dropKeys, s.addKeys, s.findSeries, s.addSeries,
		s.addBatch, s.lastBatch, s.batchesUntil, s.dropBatches,
		s.tail, s.progress, s.setProgress, s.addChunk, s.addChunks,
	} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}
