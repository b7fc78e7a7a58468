package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/store/sqlite"
	"github.com/go-databuffer/databuffer/examples/funnel/store/storetest"
)

// A cut takes several Writes. At each of its steps every reading counts once, also
// where another process, or this one after a restart, goes on with it.
func TestEachStepOfACut(t *testing.T) {
	const sensors, size = 300, 1500
	path := filepath.Join(t.TempDir(), "readings.db")
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	defer db.Close()
	stores := []*sqlite.Store{open(t, path), open(t, path)}
	load := storetest.NewLoad(sensors)
	want := map[string]int64{}
	steps := map[int64]bool{}
	for i := range 200 {
		rows := batch(load, size)
		s := stores[0]
		if i > 95 { // a cut is under way
			s = stores[i%2]
		}
		if i == 100 {
			require.NoError(t, stores[1].Close())
			stores[1] = open(t, path)
		}
		require.NoError(t, s.Write(t.Context(), rows))
		for _, row := range rows {
			want[row.Sensor]++
		}
		var until, series int64
		require.NoError(t, db.QueryRow(`SELECT coalesce(max(until), 0), coalesce(max(series), 0) FROM cutting`).Scan(&until, &series))
		steps[series] = true
		if until > 0 {
			for n := 0; n < sensors; n += 23 {
				name := fmt.Sprintf("sensor-%d", n)
				require.Equal(t, want[name], count(t, s, name), "%s, write %d", name, i)
			}
		}
	}
	require.Greater(t, len(steps), 4, "a cut has steps")
	for name, n := range want {
		require.Equal(t, n, count(t, stores[0], name), name)
	}
}

// A file of the version before the table of cuts gets it.
func TestTheFirstVersionIsBroughtUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "readings.db")
	s := open(t, path)
	require.NoError(t, s.Write(t.Context(), batch(storetest.NewLoad(1), 10)))
	require.NoError(t, s.Close())
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.Exec(`DROP TABLE cutting; PRAGMA user_version = 1`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	s = open(t, path)
	require.EqualValues(t, 10, count(t, s, "sensor-0"))
	require.NoError(t, s.Write(t.Context(), batch(storetest.NewLoad(1), 200_000)))
	require.EqualValues(t, 200_000, count(t, s, "sensor-0"), "the first ten are known")
}
