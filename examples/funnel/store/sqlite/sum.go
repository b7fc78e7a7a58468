package sqlite

import "math"

// sum adds up values of any order and size as if with twice the precision, so
// that it does not matter which readings lie together in a chunk. This is
// Neumaier's variant of Kahan's summation ("Rundungsfehleranalyse einiger
// Verfahren zur Summation endlicher Summen", 1974).
type sum struct{ high, low float64 }

func (s *sum) add(v float64) {
	high := s.high + v
	if math.Abs(s.high) >= math.Abs(v) {
		s.low += s.high - high + v
	} else {
		s.low += v - high + s.high
	}
	s.high = high
}

func (s *sum) value() float64 {
	if math.IsInf(s.high, 0) || math.IsNaN(s.high) {
		return s.high // low is no number then
	}
	return s.high + s.low
}

// tally is what is known of some readings.
type tally struct {
	count    int64
	min, max float64
	sum      sum
}

func (t *tally) add(v float64) { t.merge(1, v, v, v) }

func (t *tally) merge(count int64, smallest, largest, total float64) {
	if t.count == 0 {
		t.min, t.max = smallest, largest
	}
	t.count += count
	t.min, t.max = min(t.min, smallest), max(t.max, largest)
	t.sum.add(total)
}
