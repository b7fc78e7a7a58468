package postgres_test

import (
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/examples/funnel/store/postgres"
	"github.com/go-databuffer/databuffer/examples/funnel/store/storetest"
	"github.com/go-databuffer/databuffer/flusher"
)

// connect gives a connection to the same schema, beside the store's.
func connect(t testing.TB, dsn string) *pgx.Conn {
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func batch(n int) []store.Row {
	rows := make([]store.Row, n)
	storetest.NewLoad(3).Fill(rows)
	return rows
}

// requireRetry requires that err says of all rows that they may be written again.
func requireRetry(t testing.TB, err error, rows []store.Row) {
	t.Helper()
	require.Error(t, err)
	verdict := flusher.Inspect(err, len(rows))
	require.True(t, verdict.Whole && !verdict.Final, "%v", err)
}

func requireCount(t testing.TB, conn *pgx.Conn, want int) {
	t.Helper()
	var got int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM funnel_readings`).Scan(&got))
	require.Equal(t, want, got)
}

func TestOpenAtOnce(t *testing.T) {
	dsn := fresh(t)
	var opening sync.WaitGroup
	for range 8 {
		opening.Go(func() {
			s, err := postgres.Open(t.Context(), dsn)
			if assert.NoError(t, err) {
				assert.NoError(t, s.Write(t.Context(), batch(100)))
				assert.NoError(t, s.Close())
			}
		})
	}
	opening.Wait()
	requireCount(t, connect(t, dsn), 100)
}

func TestOtherVersion(t *testing.T) {
	dsn := fresh(t)
	s, err := postgres.Open(t.Context(), dsn)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = connect(t, dsn).Exec(t.Context(), `UPDATE funnel_schema SET version = 7`)
	require.NoError(t, err)
	_, err = postgres.Open(t.Context(), dsn)
	require.ErrorContains(t, err, "version 7, this program knows 1")
}

func TestNoServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, err = postgres.Open(t.Context(), "postgres://me:secret@"+address+"/funnel")
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), "secret")
	_, err = postgres.Open(t.Context(), "postgres://me:secret@:port/")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
}

// Connections that the server ends are an error to retry, and the retry finds
// new ones.
func TestEndedConnections(t *testing.T) {
	dsn := fresh(t)
	at, err := url.Parse(dsn)
	require.NoError(t, err)
	query := at.Query()
	query.Set("application_name", at.Query().Get("search_path"))
	at.RawQuery = query.Encode()
	s, err := postgres.Open(t.Context(), at.String())
	require.NoError(t, err)
	defer s.Close()
	beside := connect(t, dsn)
	rows := batch(2000)
	require.NoError(t, s.Write(t.Context(), rows[:10]))
	for try := range 3 {
		_, err := beside.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`,
			query.Get("application_name"))
		require.NoError(t, err)
		for range 5 { // one for each connection that the pool still has
			if err = s.Write(t.Context(), rows); err == nil {
				break
			}
			requireRetry(t, err, rows)
		}
		require.NoError(t, err, "try %d", try)
	}
	requireCount(t, beside, len(rows))
}

// A table that is gone can be put back, and rights can be given: the rows are
// kept until then. A constraint that somebody has added will not have them ever.
func TestClasses(t *testing.T) {
	dsn := fresh(t)
	s, err := postgres.Open(t.Context(), dsn)
	require.NoError(t, err)
	defer s.Close()
	beside := connect(t, dsn)
	rows := batch(10)
	run := func(script string) {
		t.Helper()
		_, err := beside.Exec(t.Context(), script)
		require.NoError(t, err)
	}
	run(`ALTER TABLE funnel_readings RENAME TO gone`)
	requireRetry(t, s.Write(t.Context(), rows), rows)
	run(`ALTER TABLE gone RENAME TO funnel_readings`)

	run(`ALTER TABLE funnel_readings ADD CONSTRAINT positive CHECK (value > 2)`)
	err = s.Write(t.Context(), rows)
	require.ErrorContains(t, err, "positive")
	verdict := flusher.Inspect(err, len(rows))
	require.True(t, verdict.Whole && verdict.Final, "%v", err)
	run(`ALTER TABLE funnel_readings DROP CONSTRAINT positive`)

	run(`BEGIN; LOCK TABLE funnel_readings`)
	blocked, err := postgres.Open(t.Context(), dsn+"&lock_timeout=200")
	require.NoError(t, err, "Open does not wait for those who write")
	requireRetry(t, blocked.Write(t.Context(), rows), rows)
	require.NoError(t, blocked.Close())
	run(`COMMIT`)

	require.NoError(t, s.Write(t.Context(), rows))
	requireCount(t, beside, len(rows))
}

// Sensors whose first write failed have a row and no readings.
func TestSensorWithoutReadings(t *testing.T) {
	dsn := fresh(t)
	s, err := postgres.Open(t.Context(), dsn)
	require.NoError(t, err)
	defer s.Close()
	beside := connect(t, dsn)
	_, err = beside.Exec(t.Context(), `INSERT INTO funnel_series (sensor, metric) VALUES ('a', 'b')`)
	require.NoError(t, err)
	sensors, err := s.Sensors(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, sensors)
	row := batch(1)
	row[0].Sensor, row[0].Metric = "a", "b"
	require.NoError(t, s.Write(t.Context(), row))
	sensors, err = s.Sensors(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, []store.Sensor{{Sensor: "a", Metric: "b", Last: row[0].Time}}, sensors)
}

// A query takes the index alone, so that its cost is that of the sensor's
// readings, whatever else is in the table.
func TestIndex(t *testing.T) {
	dsn := fresh(t)
	s, err := postgres.Open(t.Context(), dsn)
	require.NoError(t, err)
	defer s.Close()
	rows := make([]store.Row, 30_000)
	storetest.NewLoad(100).Fill(rows)
	require.NoError(t, s.Write(t.Context(), rows))
	beside := connect(t, dsn)
	_, err = beside.Exec(t.Context(), `VACUUM ANALYZE funnel_readings`)
	require.NoError(t, err)
	plan, err := beside.Query(t.Context(), `EXPLAIN SELECT sum(value) FROM funnel_readings
		WHERE series = 7 AND time >= $1 AND time < $2`, rows[0].Time, rows[0].Time.Add(time.Hour))
	require.NoError(t, err)
	lines, err := pgx.CollectRows(plan, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(lines), "Index Only Scan using funnel_readings_of_series")
}
