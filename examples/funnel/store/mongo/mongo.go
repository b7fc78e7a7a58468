// Package mongo keeps readings in a time-series collection of MongoDB, from
// version 5.0 on, or where it is told to, in an ordinary one.
//
// A reading is a document:
//
//	{_id: {origin: BinData, index: Long}, time: Date, micros: Int, meta: {sensor: String, metric: String}, value: Double}
//
// _id is the reading's key. Only ordinary collections enforce it: of a
// time-series collection it is no unique index, so that a repeated write stores
// its readings again there, and a query counts a key once only where it is Exact.
//
// Dates have milliseconds; micros are the 0 to 999 microseconds beyond them.
package mongo

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// Config says where the readings are. None of its strings may be empty.
type Config struct {
	// URI is the server's or servers', with all that the driver is to know.
	URI string

	// Database and Collection are made where they are missing.
	Database, Collection string

	// Plain takes an ordinary collection in place of a time-series collection.
	Plain bool
}

// closeTimeout bounds how long Close waits for what runs.
const closeTimeout = 5 * time.Second

// Store is a store.Store over a collection.
type Store struct {
	closed     atomic.Bool
	plain      bool
	client     *mongo.Client
	database   *mongo.Database
	collection *mongo.Collection
}

// Open connects, and makes the collection where it is missing. A server without
// time-series collections is store.ErrNoTimeSeries, and then nothing has been
// made. A collection of that name that is of the other kind is an error too. It
// blocks until the server has answered, ctx ends, or the driver gives up, after
// 30 seconds unless the URI says otherwise.
func Open(ctx context.Context, config Config) (*Store, error) {
	for field, value := range map[string]string{
		"URI": config.URI, "Database": config.Database, "Collection": config.Collection,
	} {
		if value == "" {
			return nil, fmt.Errorf("mongo: %s is empty", field)
		}
	}
	client, err := mongo.Connect(options.Client().ApplyURI(config.URI))
	if err != nil {
		return nil, fmt.Errorf("mongo: %w", err)
	}
	database := client.Database(config.Database)
	s := &Store{plain: config.Plain, client: client, database: database, collection: database.Collection(config.Collection)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(s.classify(ctx, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := s.client.Ping(ctx, readpref.Primary()); err != nil {
		return err
	}
	if err := s.ensure(ctx); err != nil {
		return err
	}
	// Newer servers have this index on time-series collections anyway.
	_, err := s.collection.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: seriesIndex})
	return err
}

// Ping implements store.Store. It also asks whether the collection is still what
// it was: where somebody drops it, the server makes an ordinary one at the next
// write, and says nothing.
func (s *Store) Ping(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	found, err := s.find(ctx)
	if err == nil {
		err = s.fits(found)
	}
	return s.classify(ctx, err)
}

// Close waits for what runs, up to five seconds.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return s.client.Disconnect(ctx)
}
