package buffertest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/buffertest"
	"github.com/go-databuffer/databuffer/partition"
)

// failures is a TestingT that keeps what it is told.
type failures []string

func (f *failures) Helper() {}

func (f *failures) Errorf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// infoOf is a snapshot of partitions with these counts.
func infoOf(counts ...partition.Counts) buffer.Info {
	info := buffer.Info{Name: "events"}
	for i, c := range counts {
		info.Partitions = append(info.Partitions, partition.Info{Index: i, Counts: c})
		info.Total = info.Total.Plus(c)
	}
	return info
}

// lawful are counts for which the law holds, each another number.
var lawful = partition.Counts{
	Accepted: 27, Buffered: 2, InFlight: 3, Delivered: 4, DeadLettered: 5, Dropped: 6, Returned: 7,
	Rejected: 8, Retried: 9, Abandoned: 10,
}

func TestCheck(t *testing.T) {
	with := func(change func(*partition.Counts)) partition.Counts {
		c := lawful
		change(&c)
		return c
	}
	settled := partition.Counts{Accepted: 22, Delivered: 4, DeadLettered: 5, Dropped: 6, Returned: 7}
	for name, c := range map[string]struct {
		info      buffer.Info
		breaches  []string // parts of what Check tells
		unsettled []string // and of what CheckSettled tells besides
	}{
		"nothing":  {info: buffer.Info{}},
		"settled":  {info: infoOf(settled, settled)},
		"the law":  {info: infoOf(lawful), unsettled: []string{`buffer "events", partition 0: 2 items are buffered and 3 in flight`}},
		"buffered": {info: infoOf(settled, partition.Counts{Accepted: 1, Buffered: 1}), unsettled: []string{"partition 1: 1 items are buffered and 0 in flight"}},
		"in flight": {
			info:      infoOf(settled, partition.Counts{Accepted: 1, InFlight: 1}),
			unsettled: []string{"partition 1: 0 items are buffered and 1 in flight"},
		},
		"waiting": {info: buffer.Info{Name: "events", Waiting: 3}, unsettled: []string{"in total: 3 inserts wait for room"}},
		"a loss": {
			info: infoOf(settled, settled, with(func(c *partition.Counts) { c.Delivered-- })),
			breaches: []string{
				`buffer "events", partition 2: 1 of 27 accepted items are nowhere: Accepted 27, Buffered 2, InFlight 3, Delivered 3, DeadLettered 5, Dropped 6, Returned 7, Rejected 8, Retried 9, Abandoned 10`,
				"in total: 1 of 71 accepted items are nowhere",
			},
			unsettled: []string{"partition 2"},
		},
		"counted twice": {
			info:      infoOf(with(func(c *partition.Counts) { c.Dropped += 2 })),
			breaches:  []string{"partition 0: 29 items are accounted for, but only 27 were accepted", "in total: 29 items"},
			unsettled: []string{"partition 0"},
		},
		"two that cancel out in the total": {
			info:      infoOf(with(func(c *partition.Counts) { c.Returned++ }), with(func(c *partition.Counts) { c.Returned-- })),
			breaches:  []string{"partition 0: 28 items are accounted for", "partition 1: 1 of 27"},
			unsettled: []string{"partition 0", "partition 1"},
		},
		"negative": {
			info:      infoOf(with(func(c *partition.Counts) { c.InFlight, c.Delivered = -1, 8 })),
			breaches:  []string{"partition 0: InFlight is negative", "in total: InFlight is negative"},
			unsettled: []string{"partition 0"},
		},
		"negative beside the law": {
			info:     infoOf(partition.Counts{Retried: -1}),
			breaches: []string{"partition 0: Retried is negative", "in total: Retried is negative"},
		},
		"another total": {
			info: func() buffer.Info {
				info := infoOf(settled)
				info.Total.Rejected++
				return info
			}(),
			breaches: []string{"in total: the partitions add up to Accepted 22"},
		},
		"another index": {
			info: func() buffer.Info {
				info := infoOf(settled)
				info.Partitions[0].Index = 4
				return info
			}(),
			breaches: []string{"partition 4: it stands at index 0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tells := func(f failures, parts ...string) {
				t.Helper()
				require.Len(t, f, len(parts), "%q", []string(f))
				for i, part := range parts {
					assert.Contains(t, f[i], part)
				}
			}
			var one, both failures
			assert.Equal(t, c.breaches == nil, buffertest.Check(&one, c.info))
			tells(one, c.breaches...)
			assert.Equal(t, c.breaches == nil && c.unsettled == nil, buffertest.CheckSettled(&both, c.info))
			tells(both, append(c.breaches, c.unsettled...)...)
		})
	}
}

// Every count is looked at, also those beside the law.
func TestCheckLooksAtEveryCount(t *testing.T) {
	for i, change := range []func(*partition.Counts){
		func(c *partition.Counts) { c.Accepted++ },
		func(c *partition.Counts) { c.Buffered++ },
		func(c *partition.Counts) { c.InFlight++ },
		func(c *partition.Counts) { c.Delivered++ },
		func(c *partition.Counts) { c.DeadLettered++ },
		func(c *partition.Counts) { c.Dropped++ },
		func(c *partition.Counts) { c.Returned++ },
		func(c *partition.Counts) { c.Rejected = -1 },
		func(c *partition.Counts) { c.Retried = -1 },
		func(c *partition.Counts) { c.Abandoned = -1 },
	} {
		counts := lawful
		change(&counts)
		var f failures
		assert.False(t, buffertest.Check(&f, infoOf(counts)), "the count number %d", i)
		assert.NotEmpty(t, f)
	}
}

// A buffer through all that can go wrong: the law at each moment, and everything
// settled at the end.
func TestCheckABuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := buffertest.NewFaulty[int](nil, buffertest.Random(1,
			buffertest.Chance{0.2, buffertest.Stuck(5 * time.Second)},
			buffertest.Chance{0.2, buffertest.FailItems(errSink, 0)},
			buffertest.Chance{0.2, buffertest.Fail(errSink).Permanently()},
			buffertest.Chance{0.1, buffertest.Panic("poison")},
			buffertest.Chance{0.1, buffertest.Goexit()},
			buffertest.Chance{0.1, buffertest.Lose(errSink)},
		))
		buf, err := buffer.New(buffer.Config[int]{
			Name: "events", Flusher: faulty, DeadLetter: new(buffertest.Recorder[int]), Partitions: 3, MaxSize: 2, FlushTimeout: time.Second,
		})
		require.NoError(t, err)
		for i := range 300 {
			require.NoError(t, buf.Insert(t.Context(), i))
			buffertest.Check(t, buf.Info())
		}
		require.NoError(t, buf.Shutdown(t.Context()))
		buffertest.CheckSettled(t, buf.Info())
		counts := buf.Info().Total
		assert.Equal(t, 300, counts.Delivered+counts.DeadLettered)
		assert.Positive(t, counts.DeadLettered)
		assert.Positive(t, counts.Abandoned)
		assert.Positive(t, counts.Retried)
		time.Sleep(time.Minute) // for the attempts that were abandoned
	})
}
