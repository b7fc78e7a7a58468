package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// applicationID marks the file as funnel's: "funl".
const applicationID = 0x66756e6c

// schemaVersion is the version that this code reads and writes. A change of the
// tables gets the next one, and a step here that leads to it.
const schemaVersion = 2

// Times are microseconds since 1970. In batch and chunk, first and last are the
// earliest and latest Time, and data stands behind them so that a query that
// passes a row over need not read its data; chunk.go has data's layout.
const schema = `
CREATE TABLE series (
	id     INTEGER PRIMARY KEY,
	sensor TEXT NOT NULL,
	metric TEXT NOT NULL,
	UNIQUE (sensor, metric)
) STRICT;
CREATE TABLE keys ( -- the keys that are stored, as ranges that neither touch nor overlap
	origin BLOB    NOT NULL,
	first  INTEGER NOT NULL,
	last   INTEGER NOT NULL,
	PRIMARY KEY (origin, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE batch ( -- readings of any series, as they were written
	id       INTEGER PRIMARY KEY,
	readings INTEGER NOT NULL,
	first    INTEGER NOT NULL,
	last     INTEGER NOT NULL,
	data     BLOB    NOT NULL
) STRICT;
CREATE TABLE chunk ( -- readings of one series, in order of time
	id       INTEGER PRIMARY KEY,
	series   INTEGER NOT NULL,
	first    INTEGER NOT NULL,
	last     INTEGER NOT NULL,
	readings INTEGER NOT NULL,
	min      REAL    NOT NULL,
	max      REAL    NOT NULL,
	sum      REAL, -- null where it is no number
	data     BLOB    NOT NULL
) STRICT;
CREATE INDEX chunk_of_series ON chunk (series, last, first);
` + cuttingTable

// cuttingTable is the step from version 1, which had each cut in one transaction.
const cuttingTable = `
CREATE TABLE cutting ( -- how far a cut is: series below this, in batches up to this, are in chunks
	one        INTEGER PRIMARY KEY,
	generation INTEGER NOT NULL,
	until      INTEGER NOT NULL, -- 0 where there is none
	series     INTEGER NOT NULL
) STRICT;
`

// createSchema makes the tables in an empty file, and otherwise touches nothing
// that is not funnel's. Several processes may do so at once.
func createSchema(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var application, version, tables int
	err = errors.Join(
		tx.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&application),
		tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version),
		tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables),
	)
	switch {
	case err != nil:
		return err
	case application == 0 && version == 0 && tables == 0:
		script := schema + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaVersion)
		if _, err := tx.ExecContext(ctx, script); err != nil {
			return err
		}
	case application != applicationID:
		return errors.New("it holds other tables than funnel's")
	case version == 1:
		if _, err := tx.ExecContext(ctx, cuttingTable+fmt.Sprintf("PRAGMA user_version = %d;", schemaVersion)); err != nil {
			return err
		}
	case version != schemaVersion:
		return fmt.Errorf("its tables have version %d, this program knows %d", version, schemaVersion)
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	// Kept in the file; answers with the mode that now holds.
	var mode string
	if err := db.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("its journal mode is %q and does not change to wal", mode)
	}
	return nil
}
