package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/examples/funnel/store/postgres"
	"github.com/go-databuffer/databuffer/examples/funnel/store/storetest"
)

// fresh returns the DSN of a schema of this test's own, which goes with it.
func fresh(t testing.TB) string {
	dsn := os.Getenv("POSTGRES_DSN")
	if dsn == "" {
		t.Skip("POSTGRES_DSN names no PostgreSQL server; scripts/start-postgres starts one")
	}
	name := "test_" + rand.Text()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `CREATE SCHEMA "`+name+`"`)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := conn.Exec(context.Background(), `SET client_min_messages = warning; DROP SCHEMA "`+name+`" CASCADE`)
		require.NoError(t, err)
		require.NoError(t, conn.Close(context.Background()))
	})
	at, err := url.Parse(dsn)
	require.NoError(t, err, "POSTGRES_DSN must be an URL for the tests")
	query := at.Query()
	query.Set("search_path", `"`+name+`"`)
	at.RawQuery = query.Encode()
	return at.String()
}

func open(t testing.TB) store.Store {
	s, err := postgres.Open(t.Context(), fresh(t))
	require.NoError(t, err)
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, open, storetest.Options{}) }

func BenchmarkWrite(b *testing.B) { storetest.BenchmarkWrite(b, open) }

// BenchmarkSingleRows is what one has without batches: a row of its own, in a
// transaction of its own.
func BenchmarkSingleRows(b *testing.B) {
	for _, sensors := range []int{10, 1000} {
		b.Run(fmt.Sprintf("sensors=%d", sensors), func(b *testing.B) {
			conn, err := pgx.Connect(b.Context(), fresh(b))
			require.NoError(b, err)
			defer conn.Close(context.Background())
			_, err = conn.Exec(b.Context(), `CREATE TABLE readings (sensor text, metric text, time timestamptz, value float8,
				origin uuid, idx bigint, PRIMARY KEY (origin, idx)); CREATE INDEX ON readings (sensor, metric, time)`)
			require.NoError(b, err)
			load := storetest.NewLoad(sensors)
			var row [1]store.Row
			for b.Loop() {
				load.Fill(row[:])
				r := &row[0]
				_, err := conn.Exec(b.Context(), `INSERT INTO readings VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
					r.Sensor, r.Metric, r.Time, r.Value, r.Key.Origin, r.Key.Index)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkAggregate(b *testing.B) { storetest.BenchmarkAggregate(b, open) }
