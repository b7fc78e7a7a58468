package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// Sensors implements store.Store.
func (s *Store) Sensors(ctx context.Context, limit int) ([]store.Sensor, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	sensors, err := s.sensors(ctx, limit)
	return sensors, s.classify(ctx, err)
}

func (s *Store) sensors(ctx context.Context, limit int) ([]store.Sensor, error) {
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	newest, err := newestInBatches(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT id, sensor, metric, coalesce((SELECT max(last) FROM chunk WHERE series = series.id), 0)
		FROM series ORDER BY sensor, metric LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var sensors []store.Sensor
	for rows.Next() {
		var id uint32
		var last int64
		var sensor store.Sensor
		if err := rows.Scan(&id, &sensor.Sensor, &sensor.Metric, &last); err != nil {
			return nil, err
		}
		sensor.Last = time.UnixMicro(max(last, newest[id])).UTC()
		sensors = append(sensors, sensor)
	}
	return sensors, rows.Err()
}

// newestInBatches is the newest time of each series that is in a batch.
func newestInBatches(ctx context.Context, tx *sql.Tx) (map[uint32]int64, error) {
	rows, err := tx.QueryContext(ctx, `SELECT data FROM batch`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	newest := map[uint32]int64{}
	for rows.Next() {
		var data sql.RawBytes
		if err := rows.Scan(&data); err != nil {
			return nil, err
		}
		b, err := parseBatch(data)
		if err != nil {
			return nil, err
		}
		for i := range b.len() {
			p := b.at(i)
			newest[p.series] = max(newest[p.series], p.time)
		}
	}
	return newest, rows.Err()
}
