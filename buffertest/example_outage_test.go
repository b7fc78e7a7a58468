package buffertest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/buffertest"
)

// testOutage is a test like those of your own, where it would be called
// TestOutage. The destination is down for an hour of virtual time: the inserts
// run into backpressure, nothing is lost, and everything arrives in order.
func testOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := new(buffertest.Recorder[int])
		destination := buffertest.NewFaulty(sink, nil)
		readings, err := buffer.New(buffer.Config[int]{Name: "readings", Flusher: destination, MaxSize: 10})
		if err != nil {
			t.Fatal(err)
		}

		destination.Down(buffertest.Fail(errors.New("connection refused")))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		accepted := 0
		for readings.Insert(ctx, accepted+1) == nil {
			accepted++
		}
		if accepted != 20 {
			t.Errorf("%d readings were accepted; one batch in flight and one that waits are 20", accepted)
		}
		buffertest.Check(t, readings.Info())

		destination.Up()
		if err := readings.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		buffertest.CheckSettled(t, readings.Info())
		for i, reading := range sink.Delivered() {
			if reading != i+1 {
				t.Errorf("%d arrived at place %d", reading, i+1)
			}
		}
		if n := len(sink.Delivered()); n != accepted {
			t.Errorf("%d of %d arrived", n, accepted)
		}
	})
}

// An outage of an hour, in virtual time. It stands in a test.
func Example_outage() {
	var t *testing.T // of func TestOutage(t *testing.T)
	testOutage(t)
}
