package postgres_test

import (
	"context"
	"crypto/rand"
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

func BenchmarkAggregate(b *testing.B) { storetest.BenchmarkAggregate(b, open) }
