package recipes

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/writer"
)

// LogTo makes a Logger for many goroutines over one file. Its lines are written
// about a second later, and the file is synced once a second. Close the Writer at
// the end.
func LogTo(file *os.File) (*slog.Logger, *writer.Writer, error) {
	w, err := writer.New(file, buffer.Config[[]byte]{Name: "log", FlushInterval: time.Second},
		writer.Every(time.Second, func(context.Context) error { return file.Sync() }))
	if err != nil {
		return nil, nil, err
	}
	return slog.New(slog.NewJSONHandler(w, nil)), w, nil
}
