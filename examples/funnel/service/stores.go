package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-databuffer/databuffer/examples/funnel/settings"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/examples/funnel/store/mongo"
	"github.com/go-databuffer/databuffer/examples/funnel/store/postgres"
	"github.com/go-databuffer/databuffer/examples/funnel/store/sqlite"
)

// opened is a store, and what people call it.
type opened struct {
	store.Store
	name string
}

// openStore opens the store that the settings name.
func openStore(ctx context.Context, set settings.Settings) (opened, error) {
	switch set.Store {
	case settings.SQLite:
		s, err := sqlite.OpenSync(ctx, filepath.Join(set.Data, "readings.db"), sqlite.Sync(set.SQLiteSync))
		return opened{s, "SQLite"}, err
	case settings.Postgres:
		s, err := postgres.Open(ctx, set.Postgres)
		return opened{s, "PostgreSQL"}, err
	case settings.Mongo:
		s, err := mongo.Open(ctx, mongo.Config{
			URI: set.Mongo, Database: set.MongoDatabase, Collection: set.MongoPlace, Plain: set.MongoPlain,
		})
		if errors.Is(err, store.ErrNoTimeSeries) {
			err = fmt.Errorf("%w: -mongo-plain uses an ordinary collection instead", err)
		}
		return opened{s, "MongoDB"}, err
	}
	return opened{}, fmt.Errorf("there is no store %q", set.Store)
}

// prepareData makes the folder for files. A demo that is not told where has a
// temporary one, which remove takes away again.
func prepareData(set *settings.Settings) (remove func() error, err error) {
	remove = func() error { return nil }
	if set.Store != settings.SQLite && set.Kafka != settings.Embedded {
		return remove, nil
	}
	if set.Demo && !set.DataGiven {
		if set.Data, err = os.MkdirTemp("", "funnel-demo-"); err != nil {
			return remove, fmt.Errorf("a temporary folder for the demo: %w", err)
		}
		return func() error { return os.RemoveAll(set.Data) }, nil
	}
	if err := os.MkdirAll(set.Data, 0o750); err != nil {
		return remove, fmt.Errorf("-data: %w", err)
	}
	return remove, nil
}
