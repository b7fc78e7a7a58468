package store

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/go-databuffer/databuffer/examples/funnel/reading"
	"github.com/go-databuffer/databuffer/flusher"
)

// ErrClosed is what a closed Store answers.
var ErrClosed = errors.New("store: closed")

// The times that a reading may have: From the first to before the second.
var (
	minTime = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	maxTime = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Check says what keeps a row from being stored anywhere. Every Store checks
// its rows, as one bad row among thousands must not keep the others out.
func Check(row *Row) error {
	if err := checkName("sensor", row.Sensor); err != nil {
		return err
	}
	if err := checkName("metric", row.Metric); err != nil {
		return err
	}
	if math.IsNaN(row.Value) || math.IsInf(row.Value, 0) {
		return fmt.Errorf("store: value is %v, must be finite", row.Value)
	}
	if row.Time.Before(minTime) || !row.Time.Before(maxTime) {
		return fmt.Errorf("store: time is in the year %d, must be in 1970 to 9999", row.Time.UTC().Year())
	}
	return nil
}

func checkName(field, name string) error {
	switch {
	case name == "" || len(name) > reading.MaxName:
		return fmt.Errorf("store: %s has %d bytes, must have 1 to %d", field, len(name), reading.MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("store: %s is not valid UTF-8", field)
	}
	return nil
}

// Sift parts the rows that check accepts from those that it does not. It
// returns rows itself, and nil, where all are accepted. Else rejected is a
// [flusher.Partial] of [flusher.Permanent], with the first error and the
// indexes of all, and places holds the index in rows of each row in kept.
func Sift(rows []Row, check func(*Row) error) (kept []Row, places []int, rejected error) {
	var first error
	var failed []int
	for i := range rows {
		err := check(&rows[i])
		switch {
		case err != nil && first == nil:
			first = err
			kept = append(make([]Row, 0, len(rows)), rows[:i]...)
			for j := range i {
				places = append(places, j)
			}
			failed = append(failed, i)
		case err != nil:
			failed = append(failed, i)
		case first != nil:
			kept = append(kept, rows[i])
			places = append(places, i)
		}
	}
	if first == nil {
		return rows, nil, nil
	}
	return kept, places, flusher.Partial(flusher.Permanent(first), failed...)
}

// Check says what is wrong with a query.
func (q Query) Check() error {
	switch q.Granularity {
	case Minute, Hour, Day:
		return nil
	}
	return fmt.Errorf("store: granularity is %v, must be a minute, an hour or a day", time.Duration(q.Granularity))
}

// Micros is the query's range of time in microseconds since 1970: a reading, of
// which stores keep whole microseconds, is in it where from <= micros < to.
func (q Query) Micros() (from, to int64) {
	return micros(q.From), micros(q.To)
}

// micros rounds up, so that a bound within a microsecond parts the readings as
// the bound itself does. Far times are pulled in, as UnixMicro overflows.
func micros(t time.Time) int64 {
	switch {
	case t.Before(minTime):
		t = minTime
	case t.After(maxTime):
		t = maxTime
	}
	us := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		us++
	}
	return us
}

// CheckLimit says what is wrong with the limit of [Store.Sensors].
func CheckLimit(limit int) error {
	if limit < 1 {
		return fmt.Errorf("store: limit is %d, must be at least 1", limit)
	}
	return nil
}
