package mongo

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// Aggregate implements store.Store. It counts a reading as often as it is stored
// unless query is Exact, where the server groups the readings by their keys
// first: it then unpacks each of them, and holds all keys of the range in memory
// or in temporary files, in place of reading sums off its buckets. In an
// ordinary collection Exact changes nothing.
func (s *Store) Aggregate(ctx context.Context, query store.Query) ([]store.Bucket, error) {
	if err := query.Check(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	query.Exact = query.Exact && !s.plain
	cursor, err := s.collection.Aggregate(ctx, aggregate(query), options.Aggregate().SetAllowDiskUse(true))
	if err != nil {
		return nil, s.classify(ctx, err)
	}
	var found []struct {
		Start         time.Time `bson:"_id"`
		Count         int64
		Min, Max, Sum float64
	}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, s.classify(ctx, err)
	}
	buckets := make([]store.Bucket, len(found))
	for i, of := range found {
		buckets[i] = store.Bucket{
			Start: of.Start.UTC(), Count: of.Count, Min: of.Min, Max: of.Max,
			Sum: of.Sum, Mean: of.Sum / float64(of.Count),
		}
	}
	return buckets, nil
}

// Sensors implements store.Store.
func (s *Store) Sensors(ctx context.Context, limit int) ([]store.Sensor, error) {
	if err := store.CheckLimit(limit); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	cursor, err := s.collection.Aggregate(ctx, sensors(limit), options.Aggregate().SetAllowDiskUse(true))
	if err != nil {
		return nil, s.classify(ctx, err)
	}
	var found []struct {
		Series series `bson:"_id"`
		Last   time.Time
	}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, s.classify(ctx, err)
	}
	all := make([]store.Sensor, len(found))
	for i, of := range found {
		all[i] = store.Sensor{Sensor: of.Series.Sensor, Metric: of.Series.Metric, Last: of.Last.UTC()}
	}
	return all, nil
}
