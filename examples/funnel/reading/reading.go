// Package reading is one measurement of one sensor, and how it is written in
// JSON.
package reading

import "time"

// Reading is one value that a sensor has measured.
type Reading struct {
	Sensor string    // 1 to MaxName bytes of UTF-8
	Metric string    // what was measured; DefaultMetric where the sender names none
	Value  float64   // finite
	Time   time.Time // in UTC, to the microsecond, from year 1970 to 9999
}

// DefaultMetric is the metric of a reading that names none.
const DefaultMetric = "value"

// MaxName is the longest Sensor and Metric, in bytes.
const MaxName = 128
