// Package ferret_test runs the MongoDB store against FerretDB, which speaks
// MongoDB's protocol and is built into the test. It has no time-series
// collections, and of what aggregates need no $min, $max and $dateTrunc: here are
// writes, what find reads back, and errors. The module is one of its own, as
// nothing else is to depend on FerretDB.
package ferret_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// uri is the server's, which all tests share.
var uri string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "ferret")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	server, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:   slog.New(slog.NewTextHandler(io.Discard, nil)),
		Handler:  "sqlite",
		// In files: in memory it deadlocks on updates.
		SQLiteURL: "file:" + folder + "/",
	})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	uri = server.MongoDBURI()
	code := m.Run()
	stop()
	<-ended
	return code
}
