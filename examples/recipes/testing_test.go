package recipes

import (
	"errors"
	"testing"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/buffertest"
)

// TestDeadlock has the database fail once: nothing is lost, and nothing comes twice.
func TestDeadlock(t *testing.T) {
	stored := new(buffertest.Recorder[Event]) // or buffertest.Record, before your own Flusher
	database := buffertest.NewFaulty(stored, buffertest.Script(buffertest.Fail(errors.New("deadlock detected"))))
	events, err := buffer.New(buffer.Config[Event]{Name: "events", Flusher: database})
	if err != nil {
		t.Fatal(err)
	}

	if err := events.Insert(t.Context(), Event{ID: 1, Name: "signup"}); err != nil { // what you test
		t.Error(err)
	}
	if _, err := events.SyncFlush(t.Context()); err != nil { // nil: the second attempt succeeded
		t.Error(err)
	}
	if got := stored.Delivered(); len(got) != 1 || got[0].ID != 1 {
		t.Errorf("stored: %v", got)
	}

	if err := events.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	buffertest.CheckSettled(t, events.Info()) // each event has one outcome
}
