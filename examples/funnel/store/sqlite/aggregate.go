package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// Aggregate implements store.Store, over one state of the file: what is written
// meanwhile is in it whole or not at all. It keeps a bucket for each granule
// that has readings in memory. Query.Exact changes nothing, as keys are
// enforced.
func (s *Store) Aggregate(ctx context.Context, query store.Query) ([]store.Bucket, error) {
	if err := query.Check(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	buckets, err := s.aggregate(ctx, query)
	return buckets, s.classify(ctx, err)
}

func (s *Store) aggregate(ctx context.Context, query store.Query) ([]store.Bucket, error) {
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	var id uint32
	err = tx.QueryRowContext(ctx, `SELECT id FROM series WHERE sensor = ? AND metric = ?`, query.Sensor, query.Metric).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := newTallies(query)
	if err := all.addChunks(ctx, tx, id); err != nil {
		return nil, err
	}
	if err := all.addBatches(ctx, tx, id); err != nil {
		return nil, err
	}
	return all.buckets(), nil
}

// tallies gathers readings by granule.
type tallies struct {
	from, to, granule int64
	of                map[int64]*tally // by the granule's number since 1970
	at                int64            // the granule of here,
	here              *tally           // as the next reading is mostly in the same
}

func newTallies(query store.Query) *tallies {
	t := &tallies{granule: time.Duration(query.Granularity).Microseconds(), of: map[int64]*tally{}}
	t.from, t.to = query.Micros()
	return t
}

func (t *tallies) granuleOf(at int64) *tally {
	if number := at / t.granule; t.here == nil || number != t.at {
		t.at, t.here = number, t.of[number]
		if t.here == nil {
			t.here = &tally{}
			t.of[number] = t.here
		}
	}
	return t.here
}

func (t *tallies) add(at int64, value float64) {
	if t.from <= at && at < t.to {
		t.granuleOf(at).add(value)
	}
}

// addChunks takes a chunk that lies in one granule by its sums, without its data.
func (t *tallies) addChunks(ctx context.Context, tx *sql.Tx, series uint32) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT first, readings, min, max, sum,
			CASE WHEN first >= :from AND last < :to AND first / :granule = last / :granule THEN NULL ELSE data END
		FROM chunk WHERE series = :series AND last >= :from AND first < :to`,
		sql.Named("from", t.from), sql.Named("to", t.to), sql.Named("granule", t.granule), sql.Named("series", series))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var first, readings int64
		var smallest, largest float64
		var total sql.NullFloat64
		var data sql.RawBytes
		if err := rows.Scan(&first, &readings, &smallest, &largest, &total, &data); err != nil {
			return err
		}
		if data != nil {
			if err := eachOfChunk(data, first, t.add); err != nil {
				return err
			}
			continue
		}
		if !total.Valid {
			total.Float64 = math.NaN()
		}
		t.granuleOf(first).merge(readings, smallest, largest, total.Float64)
	}
	return rows.Err()
}

func (t *tallies) addBatches(ctx context.Context, tx *sql.Tx, series uint32) error {
	cut, err := progressOf(tx.QueryRowContext(ctx, selectProgress))
	if err != nil {
		return err
	}
	var after int64
	if series < cut.series {
		after = cut.until
	}
	rows, err := tx.QueryContext(ctx, `SELECT data FROM batch WHERE id > ? AND last >= ? AND first < ?`, after, t.from, t.to)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var data sql.RawBytes
		if err := rows.Scan(&data); err != nil {
			return err
		}
		b, err := parseBatch(data)
		if err != nil {
			return err
		}
		for i := range b.len() {
			if b.seriesAt(i) == series {
				p := b.at(i)
				t.add(p.time, p.value)
			}
		}
	}
	return rows.Err()
}

func (t *tallies) buckets() []store.Bucket {
	buckets := make([]store.Bucket, 0, len(t.of))
	for number, all := range t.of {
		total := all.sum.value()
		buckets = append(buckets, store.Bucket{
			Start: time.UnixMicro(number * t.granule).UTC(), Count: all.count,
			Min: all.min, Max: all.max, Sum: total, Mean: total / float64(all.count),
		})
	}
	slices.SortFunc(buckets, func(a, b store.Bucket) int { return a.Start.Compare(b.Start) })
	return buckets
}
