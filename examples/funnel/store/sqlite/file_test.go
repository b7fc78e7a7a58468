package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/examples/funnel/store/sqlite"
	"github.com/go-databuffer/databuffer/examples/funnel/store/storetest"
	"github.com/go-databuffer/databuffer/flusher"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func batch(load *storetest.Load, n int) []store.Row {
	rows := make([]store.Row, n)
	load.Fill(rows)
	return rows
}

// count is how many readings of the sensor of row are stored.
func count(t testing.TB, s store.Store, sensor string) (n int64) {
	t.Helper()
	buckets, err := s.Aggregate(t.Context(), store.Query{
		Sensor: sensor, Metric: reading.DefaultMetric, From: time.Unix(0, 0), To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		Granularity: store.Day,
	})
	require.NoError(t, err)
	for _, bucket := range buckets {
		n += bucket.Count
	}
	return n
}

func TestFullSync(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		s, err := sqlite.OpenSync(t.Context(), filepath.Join(t.TempDir(), "readings.db"), sqlite.Full)
		require.NoError(t, err)
		return s
	}, storetest.Options{})
}

// What is written stays where it is over closing and opening, and so do the
// keys, whether it has been cut into chunks or not.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "readings.db")
	load := storetest.NewLoad(1)
	var all []store.Row
	for _, n := range []int{10, 140_000, 10, 5} { // the third one cuts
		s := open(t, path)
		require.NoError(t, s.Write(t.Context(), all), "what is stored already")
		require.EqualValues(t, len(all), count(t, s, "sensor-0"))
		rows := batch(load, n)
		require.NoError(t, s.Write(t.Context(), rows))
		all = append(all, rows...)
		require.EqualValues(t, len(all), count(t, s, "sensor-0"))
		require.NoError(t, s.Close())
		require.NoFileExists(t, path+"-wal", "Close copies it")
	}
}

// A store that is not closed, as after kill -9, has lost nothing.
func TestNotClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "readings.db")
	open(t, path)
	killed := open(t, path)
	require.NoError(t, killed.Write(t.Context(), batch(storetest.NewLoad(1), 500)))
	copied := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} { // what a dead process leaves
		data, err := os.ReadFile(path + suffix)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied+suffix, data, 0o600))
	}
	require.EqualValues(t, 500, count(t, open(t, copied), "sensor-0"))
}

// Two stores on one file, as of two processes: no key twice, nothing lost.
func TestTwoStoresOnOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "readings.db")
	stores := make([]*sqlite.Store, 2)
	var opening sync.WaitGroup
	for i := range stores {
		opening.Go(func() {
			var err error
			stores[i], err = sqlite.Open(t.Context(), path)
			assert.NoError(t, err)
		})
	}
	opening.Wait()
	const batches, size = 120, 2500 // enough for several cuts
	var writing sync.WaitGroup
	for i, s := range stores {
		require.NotNil(t, s)
		writing.Go(func() {
			load := storetest.NewLoad(3) // the same batches
			rows := make([]store.Row, size)
			for range batches {
				load.Fill(rows)
				var err error
				for range 20 { // the other may hold the file for longer than busyTimeout
					if err = s.Write(t.Context(), rows); err == nil {
						break
					}
				}
				assert.NoError(t, err, "store %d", i)
			}
		})
	}
	writing.Wait()
	for _, s := range stores {
		var all int64
		for i := range 3 {
			all += count(t, s, fmt.Sprintf("sensor-%d", i))
		}
		require.EqualValues(t, batches*size, all)
		require.NoError(t, s.Close())
	}
}

func TestPaths(t *testing.T) {
	for _, name := range []string{"a b.db", "a?b=c&mode=memory", "a#b", "100%41.db", "ä'\".db", "a;b"} {
		path := filepath.Join(t.TempDir(), name)
		s := open(t, path)
		require.NoError(t, s.Write(t.Context(), batch(storetest.NewLoad(1), 1)))
		require.FileExists(t, path)
		entries, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
		require.NoError(t, err)
		require.Len(t, entries, 3, "the file, its log and its shared memory: %v", entries)
	}
	t.Chdir(t.TempDir())
	open(t, "relative.db")
	require.FileExists(t, "relative.db")
}

func TestWhatIsNotOpened(t *testing.T) {
	folder := t.TempDir()
	other := filepath.Join(folder, "other.db")
	make := func(path, script string) {
		db, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		_, err = db.Exec(script)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	make(other, `CREATE TABLE mine (x)`)
	later := filepath.Join(folder, "later.db")
	require.NoError(t, open(t, later).Close())
	make(later, `PRAGMA user_version = 7`)
	noise := filepath.Join(folder, "noise.db")
	require.NoError(t, os.WriteFile(noise, []byte("not a database, but long enough for one: "+folder), 0o600))
	before, err := os.ReadFile(other)
	require.NoError(t, err)

	for path, want := range map[string]string{
		"":                                   "must name a file",
		":memory:":                           "must name a file",
		"file::memory:?cache=shared":         "must name a file",
		other:                                "other tables",
		later:                                "version 7, this program knows 2",
		noise:                                "not a database",
		filepath.Join(folder, "no", "where"): "unable to open",
		folder:                               "unable to open",
	} {
		_, err := sqlite.Open(t.Context(), path)
		require.ErrorContains(t, err, want, path)
	}
	_, err = sqlite.OpenSync(t.Context(), filepath.Join(folder, "x.db"), "OFF")
	require.ErrorContains(t, err, "must be NORMAL or FULL")

	after, err := os.ReadFile(other)
	require.NoError(t, err)
	require.Equal(t, before, after, "it is as it was")
}

// Another process that holds the file is an error to retry, and does not hold up
// readers.
func TestLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "readings.db")
	s := open(t, path)
	other, err := sql.Open("sqlite", path+"?_txlock=immediate")
	require.NoError(t, err)
	defer other.Close()
	holding, err := other.Begin()
	require.NoError(t, err)
	rows := batch(storetest.NewLoad(1), 10)
	err = s.Write(t.Context(), rows)
	require.ErrorContains(t, err, "locked")
	verdict := flusher.Inspect(err, len(rows))
	require.True(t, verdict.Whole && !verdict.Final, "%v", err)
	require.EqualValues(t, 0, count(t, s, "sensor-0"), "readers do not wait")
	require.NoError(t, holding.Rollback())
	require.NoError(t, s.Write(t.Context(), rows))
	require.EqualValues(t, 10, count(t, s, "sensor-0"))
}

// A full disk is an error to retry: SQLite's own bound on the pages gives the
// same answer as one. Then someone makes room.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "readings.db")
	s := open(t, path)
	load := storetest.NewLoad(1)
	require.NoError(t, s.Write(t.Context(), batch(load, 100)))
	require.NoError(t, s.LimitPages(t.Context(), 20))
	rows := batch(load, 20_000)
	err := s.Write(t.Context(), rows)
	require.ErrorContains(t, err, "full")
	verdict := flusher.Inspect(err, len(rows))
	require.True(t, verdict.Whole && !verdict.Final, "%v", err)
	require.EqualValues(t, 100, count(t, s, "sensor-0"), "nothing of it")
	require.NoError(t, s.LimitPages(t.Context(), 1<<30))
	require.NoError(t, s.Write(t.Context(), rows))
	require.EqualValues(t, 20_100, count(t, s, "sensor-0"))
}

// A file that is damaged is Permanent, so that the rows reach the dead letter
// rather than wait for a repair that no repetition brings.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "readings.db")
	s := open(t, path)
	require.NoError(t, s.Write(t.Context(), batch(storetest.NewLoad(1), 140_000)))
	require.NoError(t, s.Close())
	s = open(t, path)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	info, err := file.Stat()
	require.NoError(t, err)
	for at := int64(4096); at < info.Size(); at += 4096 { // all pages but the first
		_, err := file.WriteAt(make([]byte, 4096), at)
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())
	rows := batch(storetest.NewLoad(2), 10)
	err = s.Write(context.Background(), rows)
	require.Error(t, err)
	verdict := flusher.Inspect(err, len(rows))
	require.True(t, verdict.Whole && verdict.Final, "%v", err)
}
