package measure_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
)

// counter is a contender that hands everything over at Close, but for every so
// manieth item, which it loses; 0: none.
func counter(name string, losesOf int) measure.Contender {
	return measure.Contender{Name: name, Start: func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		accepted := make([]int, w.Producers)
		return measure.Load{
			Insert: func(g, n int) int {
				accepted[g] += n
				return n
			},
			Close: func() error {
				for _, n := range accepted {
					if losesOf > 0 {
						n -= n / losesOf
					}
					sink.Take(n)
				}
				return nil
			},
		}, nil
	}}
}

// slow is a contender whose every item takes so long.
func slow(name string, takes time.Duration) measure.Contender {
	c := counter(name, 0)
	start := c.Start
	c.Start = func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		load, err := start(w, sink)
		insert := load.Insert
		load.Insert = func(g, n int) int {
			time.Sleep(takes * time.Duration(n))
			return insert(g, n)
		}
		return load, err
	}
	return c
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		median float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 100, 1, 2}, 3},
	} {
		assert.Equal(t, c.median, measure.Median(c.values), "%v", c.values)
	}
	assert.Panics(t, func() { measure.Median(nil) })
}

func TestMedianLeavesTheOrder(t *testing.T) {
	values := []float64{3, 1, 2}
	measure.Median(values)
	assert.Equal(t, []float64{3, 1, 2}, values)
}

func TestRowFigures(t *testing.T) {
	sample := func(perItem time.Duration, cpu float64) measure.Sample {
		elapsed := 1000 * perItem
		return measure.Sample{Timed: 1000, Elapsed: elapsed, CPU: time.Duration(cpu * float64(elapsed)), Allocated: 2000, In: 1000, Out: 999}
	}
	row := measure.Row{
		Samples: []measure.Sample{sample(30, 1), sample(10, 1.5), sample(20, 2)},
		Ratios:  []float64{3, 1, 2},
	}
	assert.InDelta(t, 20, row.Median(), 1e-9)
	assert.InDelta(t, 10, row.Min(), 1e-9)
	assert.InDelta(t, 2, row.Ratio(), 1e-9)
	assert.InDelta(t, 2, row.Allocs(), 1e-9)
	assert.InDelta(t, 1.5, row.Parallel(), 1e-9)
	assert.Equal(t, 3, row.Lost())
	assert.Equal(t, 3000, row.Accepted())
}

func TestLostItemsAreCounted(t *testing.T) {
	for _, producers := range []int{1, 4} {
		work := measure.Work{Producers: producers, Batch: 1, Partitions: 1, MaxSize: 10}
		for _, c := range []struct{ losesOf, lost int }{{0, 0}, {1000, 4}, {1, 4000}} {
			scenario := measure.Scenario{Work: work, Contenders: []measure.Contender{counter("lossy", c.losesOf)}}
			rows, err := scenario.Run(measure.Settings{Rounds: 1, Sample: time.Microsecond, Most: 4000}, nil)
			require.NoError(t, err)
			require.Len(t, rows[0].Samples, 1)
			sample := rows[0].Samples[0]
			if c.losesOf == 0 {
				assert.Equal(t, sample.In, sample.Out)
			} else {
				assert.InDelta(t, sample.In/c.losesOf, sample.Lost(), float64(producers))
			}
			assert.Equal(t, sample.Lost(), rows[0].Lost())
		}
	}
}

func TestRatiosAreWithinRounds(t *testing.T) {
	scenario := measure.Scenario{
		Work:       measure.Work{Producers: 1, Batch: 1, Held: true},
		Contenders: []measure.Contender{slow("one", 2*time.Microsecond), slow("three", 6*time.Microsecond)},
		Against:    "three",
	}
	rounds := 0
	rows, err := scenario.Run(measure.Settings{Rounds: 5, Sample: 5 * time.Millisecond, Most: 5000}, func() { rounds++ })
	require.NoError(t, err)
	assert.Equal(t, 5, rounds)
	for _, row := range rows {
		require.Len(t, row.Ratios, 5)
	}
	for i := range rounds {
		assert.InDelta(t, rows[0].Samples[i].PerItem()/rows[1].Samples[i].PerItem(), rows[0].Ratios[i], 1e-9)
		assert.InDelta(t, 1, rows[1].Ratios[i], 1e-9)
	}
	assert.Less(t, rows[0].Ratio(), 1.0, "the faster takes less than the slower")
}

func TestWholeCallsOnly(t *testing.T) {
	work := measure.Work{Producers: 3, Batch: 100, Partitions: 1, MaxSize: 10, Held: true}
	sample, err := measure.Take(counter("whole", 0), work, nil, 1000)
	require.NoError(t, err)
	assert.Equal(t, 900, sample.Timed)
	assert.Equal(t, 900, sample.In)
	assert.Equal(t, 900, sample.Out)
}

func TestSamplesThatDidNotRunInParallelAreMarked(t *testing.T) {
	asleep := slow("asleep", time.Microsecond)
	work := measure.Work{Producers: 1, Batch: 1, Held: true}
	set := measure.Settings{Rounds: 3, Sample: 5 * time.Millisecond, Most: 5000}
	rows, err := measure.Scenario{Work: work, Contenders: []measure.Contender{asleep}}.Run(set, nil)
	require.NoError(t, err)
	assert.Equal(t, 3, rows[0].Serial(), "it slept: %.2f processors", rows[0].Parallel())

	held := measure.Scenario{Work: work, Contenders: []measure.Contender{asleep}, Hold: func() {}}
	rows, err = held.Run(set, nil)
	require.NoError(t, err)
	assert.Zero(t, rows[0].Serial(), "where the sink is waited for, nobody is busy")
}

func TestCloseThatLingersIsNotCounted(t *testing.T) {
	lingers := func(says bool) measure.Contender {
		c := counter("lingers", 0)
		start := c.Start
		c.Start = func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
			load, err := start(w, sink)
			deliver := load.Close
			load.Lingers = says
			load.Close = func() error {
				defer time.Sleep(200 * time.Millisecond)
				return deliver()
			}
			return load, err
		}
		return c
	}
	work := measure.Work{Producers: 1, Batch: 1, Held: true}
	sample, err := measure.Take(lingers(false), work, nil, 100)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, sample.Elapsed, 200*time.Millisecond)
	begun := time.Now()
	sample, err = measure.Take(lingers(true), work, nil, 100)
	require.NoError(t, err)
	assert.Less(t, sample.Elapsed, 200*time.Millisecond)
	assert.GreaterOrEqual(t, time.Since(begun), 200*time.Millisecond, "it is waited for all the same")
	assert.Zero(t, sample.Lost())
}

func TestErrorsNameTheContender(t *testing.T) {
	broken := errors.New("broken")
	failsToStart := measure.Contender{Name: "first", Start: func(measure.Work, *measure.Sink) (measure.Load, error) {
		return measure.Load{}, broken
	}}
	_, err := measure.Scenario{Work: measure.Work{Producers: 1}, Contenders: []measure.Contender{failsToStart}}.Run(measure.Settings{Rounds: 1}, nil)
	require.ErrorIs(t, err, broken)
	assert.ErrorContains(t, err, "first")

	failsToClose := counter("second", 0)
	start := failsToClose.Start
	failsToClose.Start = func(w measure.Work, sink *measure.Sink) (measure.Load, error) {
		load, err := start(w, sink)
		load.Close = func() error { return broken }
		return load, err
	}
	_, err = measure.Take(failsToClose, measure.Work{Producers: 1, Held: true}, nil, 10)
	require.ErrorIs(t, err, broken)
	assert.ErrorContains(t, err, "second")
}

func TestMachineIsDescribed(t *testing.T) {
	assert.Regexp(t, `^.+, \d+ of its processors used, \w+/\w+, go\S+$`, measure.Machine())
	share := measure.Probe()
	assert.Greater(t, share, 0.0)
	assert.Less(t, share, 1.5)
}
