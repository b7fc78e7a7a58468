package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"math"
	"slices"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// span is a range of keys of one origin, with both ends.
type span struct{ first, last int64 }

func compareKeys(a, b *store.Key) int {
	if c := bytes.Compare(a.Origin[:], b.Origin[:]); c != 0 {
		return c
	}
	return cmp.Compare(a.Index, b.Index)
}

// byKey returns the places of rows in order of their keys, each key once: its
// first row.
func byKey(rows []store.Row) []int {
	places := make([]int, len(rows))
	sorted := true
	for i := range rows {
		places[i] = i
		sorted = sorted && (i == 0 || compareKeys(&rows[i-1].Key, &rows[i].Key) < 0)
	}
	if sorted { // as batches are
		return places
	}
	slices.SortStableFunc(places, func(i, j int) int { return compareKeys(&rows[i].Key, &rows[j].Key) })
	return slices.CompactFunc(places, func(i, j int) bool { return rows[i].Key == rows[j].Key })
}

// admit takes down the keys of rows, and returns the places of those rows whose
// keys were not stored before.
func (s *Store) admit(ctx context.Context, tx *sql.Tx, rows []store.Row) ([]int, error) {
	places := byKey(rows)
	admitted := places[:0]
	for len(places) > 0 {
		n := runOf(rows, places)
		run := places[:n]
		places = places[n:]
		known, err := s.extend(ctx, tx, rows[run[0]].Key, int64(n))
		if err != nil {
			return nil, err
		}
		for _, place := range run {
			if !covers(known, rows[place].Key.Index) {
				admitted = append(admitted, place)
			}
		}
	}
	return admitted, nil
}

// runOf counts the places at the start whose keys follow one another.
func runOf(rows []store.Row, places []int) int {
	n := 1
	for n < len(places) {
		before, key := &rows[places[n-1]].Key, &rows[places[n]].Key
		if key.Origin != before.Origin || key.Index-1 != before.Index {
			break
		}
		n++
	}
	return n
}

// extend adds n keys from start on to those that are stored. It returns what was
// stored before of these keys and next to them.
func (s *Store) extend(ctx context.Context, tx *sql.Tx, start store.Key, n int64) (known []span, err error) {
	whole := span{start.Index, start.Index + n - 1}
	// Ranges do not overlap, so that going back from the end, the first one that
	// lies wholly before the run is the last one to look at.
	until, from := whole.last, whole.first
	if until < math.MaxInt64 {
		until++
	}
	if from > math.MinInt64 {
		from--
	}
	found, err := tx.StmtContext(ctx, s.stmts.findKeys).QueryContext(ctx, start.Origin[:], until)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var stored span
		if err := found.Scan(&stored.first, &stored.last); err != nil {
			return nil, err
		}
		if stored.last < from {
			break
		}
		known = append(known, stored)
		whole = span{min(whole.first, stored.first), max(whole.last, stored.last)}
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	found.Close()
	if len(known) == 1 && known[0] == whole {
		return known, nil
	}
	for _, stored := range known {
		if _, err := tx.StmtContext(ctx, s.stmts.dropKeys).ExecContext(ctx, start.Origin[:], stored.first); err != nil {
			return nil, err
		}
	}
	_, err = tx.StmtContext(ctx, s.stmts.addKeys).ExecContext(ctx, start.Origin[:], whole.first, whole.last)
	return known, err
}

func covers(spans []span, index int64) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.first <= index && index <= s.last })
}
