package load

import "time"

// expected sums up what was taken, as the store is to sum it up: by sensor and
// minute.
//
// Values are multiples of 1/8, and their sums stay far below 2^50. So every sum
// is exact in a float64, in whatever order it is made, and is compared with ==.
type expected map[place]*sum

type place struct {
	sensor int
	minute int64 // since 1970
}

type sum struct {
	count         int64
	min, max, sum float64
}

func (e expected) add(sensor int, at time.Time, value float64) {
	key := place{sensor, at.Unix() / 60}
	s := e[key]
	if s == nil {
		s = &sum{min: value, max: value}
		e[key] = s
	}
	s.count++
	s.min, s.max = min(s.min, value), max(s.max, value)
	s.sum += value
}

// sensors sorts what is expected by sensor. All is moved, not copied.
func (e expected) sensors(into map[int]map[int64]sum) {
	for key, s := range e {
		if into[key.sensor] == nil {
			into[key.sensor] = make(map[int64]sum)
		}
		into[key.sensor][key.minute] = *s
	}
}
