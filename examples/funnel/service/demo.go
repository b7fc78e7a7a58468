package service

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/examples/funnel/ingest"
	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/examples/funnel/store"
)

const (
	demoSensors = 12
	demoEvery   = 20 * time.Millisecond
	demoHistory = time.Hour        // that is there from the start
	demoStep    = 15 * time.Second // between two readings of that
)

// demo sends the readings of some sensors until ctx ends: first those of the last
// hour, so that a sensor's chart has something to show, then live ones. The past
// goes straight into the store: in the buffer it would be a peak of the page's
// rates.
func demo(ctx context.Context, sink ingest.Sink, to store.Store, logger *slog.Logger) {
	random := rand.New(rand.NewPCG(1, 1))
	send := func(readings []reading.Reading) {
		err := sink.Accept(ctx, readings, false)
		if err != nil && ctx.Err() == nil && !errors.Is(err, buffer.ErrFull) {
			logger.Warn("the demo's readings were not taken", slog.Any("error", err))
		}
	}
	if err := to.Write(ctx, history(random)); err != nil && ctx.Err() == nil {
		logger.Warn("the demo's past was not stored", slog.Any("error", err))
	}

	ticker := time.NewTicker(demoEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-ticker.C:
			send(demoAt(at, random))
		}
	}
}

// history is the last hour, under keys of its own.
func history(random *rand.Rand) (rows []store.Row) {
	var key store.Key
	_, _ = crand.Read(key.Origin[:]) // never fails
	now := time.Now()
	for at := now.Add(-demoHistory); at.Before(now); at = at.Add(demoStep) {
		for _, r := range demoAt(at, random) {
			rows = append(rows, store.Row{Reading: r, Key: key})
			key.Index++
		}
	}
	return rows
}

// demoAt is one reading of each sensor: a slow wave, a quick one, and some noise.
func demoAt(at time.Time, random *rand.Rand) []reading.Reading {
	at = at.UTC().Truncate(time.Microsecond)
	seconds := float64(at.UnixMilli()) / 1000
	wave := func(period, phase float64) float64 { return math.Sin(2 * math.Pi * (seconds/period + phase)) }
	readings := make([]reading.Reading, demoSensors)
	for i := range readings {
		phase := float64(i) / demoSensors
		r := reading.Reading{Sensor: fmt.Sprintf("demo-%02d", i+1), Time: at}
		switch i % 3 {
		case 0:
			r.Metric, r.Value = "temperature", 21+3*wave(1800, phase)+0.4*wave(90, phase)
		case 1:
			r.Metric, r.Value = "humidity", 55+12*wave(2700, phase)+2*wave(120, phase)
		case 2:
			r.Metric, r.Value = "power", 400+150*wave(900, phase)+40*wave(45, phase)
		}
		r.Value *= 1 + 0.004*random.NormFloat64()
		readings[i] = r
	}
	return readings
}
