package model

import (
	"time"

	"pgregory.net/rapid"
)

// Source is where a scene is drawn from. Rapid's own generators of numbers prefer
// small ones and the bounds, which is good for finding an overflow, but would have
// most events of a scene happen in its first microsecond. So everything here is
// drawn evenly, bit by bit; where rapid makes bits 0, numbers get smaller, chances
// do not happen, and lists get shorter.
type Source struct{ t *rapid.T }

var bit = rapid.Bool()

// Bits is a number of so many bits.
func (s Source) Bits(n int) uint64 {
	var u uint64
	for range n {
		u <<= 1
		if bit.Draw(s.t, "") {
			u |= 1
		}
	}
	return u
}

// Chance is true in so many of 100 cases.
func (s Source) Chance(percent int) bool {
	const bits = 7
	return s.Bits(bits)*100>>bits >= uint64(100-percent)
}

// Int is a number from least to most, of which there are at most 1000.
func (s Source) Int(least, most int) int {
	const bits = 10
	return least + int(s.Bits(bits)*uint64(most-least+1)>>bits)
}

// Duration is from least to most. A third of them are whole tenths of a second, so
// that things happen at once.
func (s Source) Duration(least, most time.Duration) time.Duration {
	const (
		bits  = 10
		tenth = time.Second / 10
	)
	d := least + time.Duration(s.Bits(bits))*(most-least)>>bits
	if round := d.Round(tenth); s.Chance(33) && round >= least && round <= most {
		return round
	}
	return d
}

// Pick is one of these.
func Pick[E any](s Source, from ...E) E { return from[s.Int(0, len(from)-1)] }

// List is at most so many of what is drawn; short lists and full ones are equally
// frequent. Rapid can leave out any of them.
func List[E any](s Source, most int, draw func(Source) E) []E {
	type next struct {
		more    bool
		element E
	}
	end := Pick(s, 50, 25, 12, 6, 4, 3, 2, 1) // percent, at each
	one := rapid.Custom(func(t *rapid.T) next {
		s := Source{t}
		if !s.Chance(100 - end) {
			return next{}
		}
		return next{true, draw(s)}
	})
	var list []E
	for range most {
		n := one.Draw(s.t, "")
		if !n.more {
			return list
		}
		list = append(list, n.element)
	}
	// What would end a shorter list, so that what was drawn for this one is enough
	// for that.
	_ = s.Chance(0)
	return list
}
