package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// name is what a series is known by.
type name struct{ sensor, metric string }

// knownSeries bounds the names that are kept in memory. Beyond it all are
// forgotten at once, and looked up again.
const knownSeries = 1 << 18

// seriesOf returns the id of each row's series, and makes those that are new.
// They are made before the transaction that needs them, so that writers do not
// wait for one another's new sensors.
func (s *Store) seriesOf(ctx context.Context, rows []store.Row) ([]int32, error) {
	ids := make([]int32, len(rows))
	missing := map[name]int32{}
	s.mu.RLock()
	for i := range rows {
		of := name{rows[i].Sensor, rows[i].Metric}
		if id, ok := s.series[of]; ok {
			ids[i] = id
		} else {
			missing[of] = 0
		}
	}
	s.mu.RUnlock()
	if len(missing) == 0 {
		return ids, nil
	}
	if err := s.findSeries(ctx, missing); err != nil {
		return nil, err
	}
	for i := range rows {
		if id, ok := missing[name{rows[i].Sensor, rows[i].Metric}]; ok {
			ids[i] = id
		}
	}
	return ids, nil
}

// findSeries fills in the ids of what is missing, and remembers them.
func (s *Store) findSeries(ctx context.Context, missing map[name]int32) error {
	sensors, metrics := make([]string, 0, len(missing)), make([]string, 0, len(missing))
	for of := range missing {
		sensors, metrics = append(sensors, of.sensor), append(metrics, of.metric)
	}
	// In order, as two that make the same ones would otherwise wait for one
	// another. Only those that are really new, as a conflict uses up an id.
	_, err := s.pool.Exec(ctx, `
		INSERT INTO funnel_series (sensor, metric)
		SELECT new.sensor, new.metric FROM unnest($1::text[], $2::text[]) AS new (sensor, metric)
		WHERE NOT EXISTS (SELECT FROM funnel_series AS old WHERE old.sensor = new.sensor AND old.metric = new.metric)
		ORDER BY new.sensor COLLATE "C", new.metric COLLATE "C" ON CONFLICT DO NOTHING`, sensors, metrics)
	if err != nil {
		return err
	}
	found, err := s.pool.Query(ctx, `
		SELECT old.id, old.sensor, old.metric FROM funnel_series AS old
		JOIN unnest($1::text[], $2::text[]) AS asked (sensor, metric)
		ON old.sensor = asked.sensor AND old.metric = asked.metric`, sensors, metrics)
	if err != nil {
		return err
	}
	var id int32
	var of name
	count := 0
	s.mu.Lock()
	if len(s.series)+len(missing) > knownSeries {
		clear(s.series)
	}
	s.mu.Unlock()
	_, err = pgx.ForEachRow(found, []any{&id, &of.sensor, &of.metric}, func() error {
		count++
		missing[of] = id
		s.mu.Lock()
		defer s.mu.Unlock()
		s.series[name{strings.Clone(of.sensor), strings.Clone(of.metric)}] = id
		return nil
	})
	if err == nil && count != len(missing) {
		err = fmt.Errorf("%d of %d new sensors are not there after they were made", len(missing)-count, len(missing))
	}
	return err
}
