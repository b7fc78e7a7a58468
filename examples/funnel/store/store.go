// Package store is what funnel asks of a time-series store. Its folders hold one
// implementation each, and storetest the suite that all of them pass.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
)

// Row is a reading and its key.
type Row struct {
	reading.Reading
	Key Key
}

// Key makes a row unique, and the same however often it is written: the topic
// and partition a reading came from and its offset there, or the ID of the batch
// it was in and its index there.
type Key struct {
	Origin [16]byte
	Index  int64
}

// Store keeps rows. All methods may be called from several goroutines at once,
// and end early, with an error, when ctx ends.
type Store interface {
	// Write stores all rows, or says with flusher.Partial which ones it did not;
	// any other error means that none may have been stored. flusher.Permanent
	// marks what no repetition mends, such as a row that Check rejects. It keeps
	// nothing of rows. Where the store enforces keys, a row whose key is stored
	// already changes nothing.
	Write(ctx context.Context, rows []Row) error

	// Aggregate sums up what is stored, one bucket for each granule of time that
	// has readings, in order of time. An unknown sensor has no buckets, which is no
	// error.
	Aggregate(ctx context.Context, query Query) ([]Bucket, error)

	// Sensors lists the sensors and metrics that have readings, in order, at most
	// limit of them, which must be at least 1. The order is that of the names'
	// bytes, the sensor's first.
	Sensors(ctx context.Context, limit int) ([]Sensor, error)

	// Ping asks whether the store answers.
	Ping(ctx context.Context) error

	// Close lets go of it. Calls that come after it answer ErrClosed, and a second
	// Close does nothing.
	Close() error
}

// Query selects readings: of one sensor and metric, with From <= Time < To. Time
// is kept to the microsecond.
type Query struct {
	Sensor, Metric string
	From, To       time.Time
	Granularity    Granularity
	Exact          bool // count a key once where the store does not enforce keys
}

// Bucket sums up the readings of one granule of time, of which the query's range
// may hold only a part. Count, Min and Max are exact. Sum and Mean differ from
// the exact ones by rounding, and are infinite, or no number, where Sum is beyond
// float64.
type Bucket struct {
	Start               time.Time // of the granule, in UTC; it may be before From
	Count               int64
	Min, Max, Mean, Sum float64
}

// Sensor is one that has readings of Metric.
type Sensor struct {
	Sensor, Metric string
	Last           time.Time // of the newest reading, to the millisecond or better
}

// Granularity is how long a bucket is: a minute, an hour or a day, in UTC.
type Granularity time.Duration

const (
	Minute = Granularity(time.Minute)
	Hour   = Granularity(time.Hour)
	Day    = Granularity(24 * time.Hour)
)

// ErrNoTimeSeries: the server has no time-series collections, and ordinary ones
// were not asked for.
var ErrNoTimeSeries = errors.New("the server has no time-series collections")
