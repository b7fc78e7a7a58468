// Package sqlite keeps readings in one SQLite file, with nothing to install.
//
// The work of a B-tree is in the pages that a write touches. A table in order
// of sensor and time has one for each sensor in the batch, and takes 35,000
// rows a second where a batch holds 1000 sensors. So a Write appends its
// readings to the file as one packed row; when enough of these have come
// together they are sorted, and cut into chunks of one sensor's readings: some
// series with each Write, so that none takes much longer than the others. A query
// reads the chunks of its sensor and scans the few packed batches from which it is
// not cut yet. How far a cut is stands in the file and changes in the transaction
// that cuts, so that a reading counts in exactly one of the two places.
//
// Keys are kept as ranges, since that is how they come: a batch's indexes from
// 0, a partition's offsets one after another. A Write looks its ranges up in the
// same transaction that stores the rows, so that each key is stored once,
// whoever writes it, also from several processes.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"modernc.org/sqlite" // the driver, too
	sqlite3 "modernc.org/sqlite/lib"
)

// Sync says when a written batch is safe.
type Sync string

const (
	// Normal: a stored batch survives the end of the process, kill -9 included.
	// A crash of the whole machine may take the last seconds with it, but leaves
	// the file in order.
	Normal Sync = "NORMAL"

	// Full: a stored batch survives a crash of the machine. Each Write waits for
	// the disk.
	Full Sync = "FULL"
)

const (
	busyTimeout = 1000 // ms to wait for another process that writes
	readers     = 4    // queries at once; each holds one connection
	cacheKiB    = 16 << 10

	// checkpointPages is how many pages the write-ahead log gathers until they
	// are copied into the file. More of them share the copy of a page that is
	// written often, and make the copying rarer and longer.
	checkpointPages = 4000
)

// Store is a store.Store over a SQLite file.
//
// The holder of turn owns what follows it.
type Store struct {
	closed atomic.Bool
	reader *sql.DB

	turn   chan struct{} // holds a token while nobody writes
	writer *sql.DB       // one connection
	stmts  statements
	series map[name]uint32 // what is known of the table of that name
	tail   int             // readings in batches that no cut has begun with, as far as known

	cutting      cutting
	read, points []point // reused from one cut to the next
}

// Open opens the file at path, or creates it, with [Normal].
func Open(ctx context.Context, path string) (*Store, error) {
	return OpenSync(ctx, path, Normal)
}

// OpenSync is Open with another Sync. The file must be on a local disk, as the
// write-ahead log needs shared memory.
func OpenSync(ctx context.Context, path string, sync Sync) (*Store, error) {
	switch {
	case path == "" || strings.Contains(path, ":memory:"):
		return nil, fmt.Errorf("sqlite: path is %q, must name a file", path)
	case sync != Normal && sync != Full:
		return nil, fmt.Errorf("sqlite: sync is %q, must be %s or %s", sync, Normal, Full)
	}
	for attempt := 1; ; attempt++ {
		s := &Store{turn: make(chan struct{}, 1), series: map[name]uint32{}}
		err := s.open(ctx, path, sync)
		if err == nil {
			s.turn <- struct{}{}
			return s, nil
		}
		err = errors.Join(fmt.Errorf("sqlite: open %s: %w", path, err), s.Close())
		if attempt == openAttempts || !locked(err) {
			return nil, err
		}
		select {
		case <-time.After(openPause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// Two processes that make the same file at once can lock each other out while it
// gets its write-ahead log, for which SQLite does not wait busyTimeout: so an open
// that finds the file locked is tried again for a while.
const (
	openAttempts = 40
	openPause    = 50 * time.Millisecond
)

// locked tells whether somebody else holds the file.
func locked(err error) bool {
	failure, ok := errors.AsType[*sqlite.Error](err)
	return ok && failure.Code()&0xff == sqlite3.SQLITE_BUSY
}

func (s *Store) open(ctx context.Context, path string, sync Sync) (err error) {
	if s.writer, err = sql.Open("sqlite", source(path, "immediate", "synchronous("+string(sync)+")",
		fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages))); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if err := createSchema(ctx, s.writer); err != nil {
		return err
	}
	if err := s.stmts.prepare(ctx, s.writer); err != nil {
		return err
	}
	err = s.writer.QueryRowContext(ctx, `SELECT coalesce(sum(readings), 0) FROM batch WHERE id > coalesce((SELECT until FROM cutting), 0)`).Scan(&s.tail)
	if err != nil {
		return err
	}
	if s.reader, err = sql.Open("sqlite", source(path, "deferred", "query_only(1)")); err != nil {
		return err
	}
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers)
	return s.Ping(ctx)
}

// source is the driver's name of the file, in which any character of path
// stands for itself.
func source(path, lock string, pragmas ...string) string {
	query := url.Values{
		"_txlock": {lock},
		"_pragma": append(pragmas, fmt.Sprintf("busy_timeout(%d)", busyTimeout), fmt.Sprintf("cache_size(-%d)", cacheKiB)),
	}
	escaped := strings.ReplaceAll(url.PathEscape(path), "%2F", "/")
	return "file:" + escaped + "?" + query.Encode()
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	var one int
	return s.classify(ctx, s.reader.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM series LIMIT 1)`).Scan(&one))
}

// Close waits for the Write that runs, and copies the write-ahead log into the
// file. A second Close does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if s.reader == nil { // Open failed
		if s.writer == nil {
			return nil
		}
		return s.writer.Close()
	}
	<-s.turn
	defer func() { s.turn <- struct{}{} }() // a Write that comes late finds it closed
	// The last connection to close copies the log, and only a writer can.
	return errors.Join(s.reader.Close(), s.stmts.close(), s.writer.Close())
}
