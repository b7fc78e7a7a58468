package model

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// drawn is many values of a generator.
func drawn[E any](draw func(Source) E) []E {
	one := rapid.Custom(func(t *rapid.T) E { return draw(Source{t}) })
	all := make([]E, 4000)
	for i := range all {
		all[i] = one.Example(i + 1)
	}
	return all
}

// Everything is drawn evenly, the bounds included.
func TestSource(t *testing.T) {
	t.Run("Chance", func(t *testing.T) {
		for percent, want := range map[int]float64{0: 0, 5: 200, 50: 2000, 100: 4000} {
			hits := 0
			for _, hit := range drawn(func(s Source) bool { return s.Chance(percent) }) {
				if hit {
					hits++
				}
			}
			assert.InDelta(t, want, hits, want*(4000-want)/4000/4+1, "%d percent", percent)
		}
	})
	t.Run("Int and Pick", func(t *testing.T) {
		count := map[int]int{}
		for _, n := range drawn(func(s Source) int { return s.Int(-2, 5) }) {
			count[n]++
		}
		assert.Len(t, count, 8)
		for n := -2; n <= 5; n++ {
			assert.InDelta(t, 500, count[n], 150, "%d", n)
		}
		picked := map[string]int{}
		for _, p := range drawn(func(s Source) string { return Pick(s, "a", "b", "c", "d") }) {
			picked[p]++
		}
		for p, n := range picked {
			assert.InDelta(t, 1000, n, 200, p)
		}
		assert.Len(t, picked, 4)
	})
	t.Run("Duration", func(t *testing.T) {
		whole, early := 0, 0
		for _, d := range drawn(func(s Source) time.Duration { return s.Duration(time.Second, 3*time.Second) }) {
			assert.GreaterOrEqual(t, d, time.Second)
			assert.LessOrEqual(t, d, 3*time.Second)
			if d%(time.Second/10) == 0 {
				whole++
			}
			if d < 2*time.Second {
				early++
			}
		}
		assert.InDelta(t, 4000/3, whole, 300)
		assert.InDelta(t, 2000, early, 300)
	})
	t.Run("List", func(t *testing.T) {
		count := map[int]int{}
		for _, list := range drawn(func(s Source) []int { return List(s, 8, func(s Source) int { return s.Int(0, 9) }) }) {
			count[len(list)]++
		}
		for n := range 9 {
			assert.Greater(t, count[n], 40, "lists of %d", n)
		}
		assert.Len(t, count, 9)
	})
}
