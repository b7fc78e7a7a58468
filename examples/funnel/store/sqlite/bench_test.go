package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/examples/funnel/store/sqlite"
	"github.com/go-databuffer/databuffer/examples/funnel/store/storetest"
)

func BenchmarkWrite(b *testing.B) {
	for _, sync := range []sqlite.Sync{sqlite.Normal, sqlite.Full} {
		b.Run(string(sync), func(b *testing.B) {
			storetest.BenchmarkWrite(b, func(b testing.TB) store.Store {
				s, err := sqlite.OpenSync(b.Context(), filepath.Join(b.TempDir(), "readings.db"), sync)
				require.NoError(b, err)
				return s
			})
		})
	}
}

func BenchmarkAggregate(b *testing.B) {
	storetest.BenchmarkAggregate(b, func(b testing.TB) store.Store {
		s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "readings.db"))
		require.NoError(b, err)
		return s
	})
}

// BenchmarkSingleRows is what one has without batches: a row of its own, in a
// transaction of its own, in a table in order of sensor and time that enforces
// the key by an index.
func BenchmarkSingleRows(b *testing.B) {
	for _, sync := range []sqlite.Sync{sqlite.Normal, sqlite.Full} {
		for _, sensors := range []int{10, 1000} {
			b.Run(fmt.Sprintf("%s/sensors=%d", sync, sensors), func(b *testing.B) {
				db, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "single.db")+
					"?_pragma=journal_mode(wal)&_pragma=synchronous("+string(sync)+")")
				require.NoError(b, err)
				defer db.Close()
				db.SetMaxOpenConns(1)
				_, err = db.Exec(`CREATE TABLE readings (sensor TEXT, metric TEXT, time INTEGER, value REAL,
					origin BLOB, idx INTEGER, PRIMARY KEY (sensor, metric, time, origin, idx), UNIQUE (origin, idx)) WITHOUT ROWID`)
				require.NoError(b, err)
				insert, err := db.Prepare(`INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
				require.NoError(b, err)
				defer insert.Close()
				load := storetest.NewLoad(sensors)
				var row [1]store.Row
				start := time.Now()
				for b.Loop() {
					load.Fill(row[:])
					r := &row[0]
					_, err := insert.Exec(r.Sensor, r.Metric, r.Time.UnixMicro(), r.Value, r.Key.Origin[:], r.Key.Index)
					require.NoError(b, err)
				}
				b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "rows/s")
			})
		}
	}
}
