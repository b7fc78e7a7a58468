// Package postgres keeps readings in PostgreSQL, from version 14 on.
//
// A Write copies its rows into a temporary table and takes from there what is
// new, in one transaction. Keys are the primary key of the readings.
package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

// schemaVersion is the version that this code reads and writes. A change of the
// tables gets the next one, and a step in createSchema that leads to it.
const schemaVersion = 1

// schemaLock keeps two processes from making the tables at once. Its number is
// only known to be funnel's: "funl".
const schemaLock = 0x66756e6c

// The collation C sorts names by their bytes, whatever the database's does. The
// index holds the values too, so that a query need not look at the rows.
const schema = `
CREATE TABLE funnel_schema (version integer NOT NULL);
CREATE TABLE funnel_series (
	id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	sensor text COLLATE "C" NOT NULL,
	metric text COLLATE "C" NOT NULL,
	UNIQUE (sensor, metric)
);
CREATE TABLE funnel_readings (
	series integer          NOT NULL,
	time   timestamptz      NOT NULL,
	value  double precision NOT NULL,
	origin uuid             NOT NULL,
	idx    bigint           NOT NULL,
	PRIMARY KEY (origin, idx)
);
CREATE INDEX funnel_readings_of_series ON funnel_readings (series, time) INCLUDE (value);
`

// Each connection has a table of its own for what it copies.
const incoming = `
CREATE TEMPORARY TABLE IF NOT EXISTS funnel_incoming (
	series integer, time timestamptz, value double precision, origin uuid, idx bigint
) ON COMMIT DELETE ROWS`

// Store is a store.Store over a PostgreSQL database.
type Store struct {
	closed atomic.Bool
	pool   *pgxpool.Pool

	mu     sync.RWMutex // guards series, never held while the server is asked
	series map[name]int32
}

// Open connects to the database of dsn, in any form that pgx takes, and makes
// the tables where they are missing, in the first schema of the search path.
// pool_max_conns in dsn bounds the connections.
func Open(ctx context.Context, dsn string) (*Store, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// pgx leaves out the password.
		return nil, fmt.Errorf("postgres: %w", err)
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET client_min_messages = warning;"+incoming)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	s := &Store{pool: pool, series: map[name]int32{}}
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return createSchema(ctx, tx) }); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: open %s/%s: %w", config.ConnConfig.Host, config.ConnConfig.Database, err)
	}
	return s, nil
}

func createSchema(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, schemaLock); err != nil {
		return err
	}
	var there bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass('funnel_schema') IS NOT NULL`).Scan(&there); err != nil {
		return err
	}
	if !there { // even IF NOT EXISTS would wait for those who write
		if _, err := tx.Exec(ctx, schema); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO funnel_schema VALUES ($1)`, schemaVersion); err != nil {
			return err
		}
	}
	var version int
	if err := tx.QueryRow(ctx, `SELECT version FROM funnel_schema`).Scan(&version); err != nil {
		return err
	}
	if version != schemaVersion {
		return fmt.Errorf("its tables have version %d, this program knows %d", version, schemaVersion)
	}
	return nil
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	return s.classify(ctx, s.pool.Ping(ctx))
}

// Close waits for the connections that are in use.
func (s *Store) Close() error {
	if !s.closed.Swap(true) {
		s.pool.Close()
	}
	return nil
}
