package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/examples/funnel/store"
	"github.com/go-databuffer/databuffer/examples/funnel/store/sqlite"
	"github.com/go-databuffer/databuffer/examples/funnel/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "readings.db"))
		require.NoError(t, err)
		return s
	}, storetest.Options{})
}
