package measure

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestASampleThatDidNotRunInParallelIsTakenAgain(t *testing.T) {
	var (
		row    = Row{serial: 1.5}
		waited int
	)
	// take has the row take a sample: these are how many processors were at work.
	take := func(processors ...time.Duration) (taken int) {
		require.NoError(t, row.take(2, func() { waited++ }, func() (Sample, error) {
			taken++
			return Sample{Timed: taken, Elapsed: 10, CPU: processors[taken-1]}, nil
		}))
		return taken
	}
	assert.Equal(t, 1, take(20), "in parallel at once")
	assert.Equal(t, 2, take(10, 15), "when it is taken again")
	assert.Equal(t, 3, take(10, 14, 19))
	assert.Equal(t, 3, waited)
	var counted []int
	for _, s := range row.Samples {
		counted = append(counted, s.Timed)
	}
	assert.Equal(t, []int{1, 2, 3}, counted, "the most parallel one counts")
	assert.False(t, row.Marked())

	assert.Equal(t, 3, take(12, 14, 13), "never")
	assert.Equal(t, 2, row.Samples[3].Timed)
	assert.Equal(t, 1, take(12), "then it is not asked again")
	assert.Equal(t, 1, take(12))
	assert.True(t, row.Marked(), "three of six")

	failed := errors.New("failed")
	assert.ErrorIs(t, row.take(2, nil, func() (Sample, error) { return Sample{}, failed }), failed)
}
