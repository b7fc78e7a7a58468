package contenders_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/benchmarks/contenders"
	"github.com/go-databuffer/databuffer/benchmarks/measure"
)

// Every contender does the work that the table says of it, and ours loses
// nothing. A peer may: then the table says so.
func TestContendersDeliver(t *testing.T) {
	for _, set := range []struct {
		name       string
		contenders []measure.Contender
		works      []measure.Work
	}{
		{"values", contenders.All(contenders.Values()), insertWorks},
		{"pointers", contenders.Any(contenders.Pointers()), insertWorks},
		{"aggregate", contenders.Aggregators(), otherWorks},
		{"aggregate, distinct keys", contenders.DistinctAggregators(), otherWorks},
		{"writer", contenders.Writers(), otherWorks},
	} {
		for _, c := range set.contenders {
			t.Run(set.name+"/"+c.Name, func(t *testing.T) {
				for _, w := range set.works {
					const n = 4000
					sample, err := measure.Take(c, w, nil, n)
					require.NoError(t, err)
					assert.GreaterOrEqual(t, sample.In, sample.Timed)
					assert.NotZero(t, sample.Out)
					if c.Kind != measure.Library {
						assert.Equal(t, sample.In, sample.Out, "items in and out")
						assert.GreaterOrEqual(t, sample.In, n*9/10, "all inserts accepted")
					} else if lost := sample.Lost(); lost != 0 {
						t.Logf("lost %d of %d with %+v", lost, sample.In, w)
					}
				}
			})
		}
	}
}

var insertWorks = []measure.Work{
	{Producers: 1, Partitions: 8, MaxSize: 100},
	{Producers: 8, Partitions: 8, MaxSize: 100},
	{Producers: 2, Partitions: 3, MaxSize: 50, Batch: 100},
	{Producers: 1, Partitions: 1, MaxSize: 1},
}

var otherWorks = []measure.Work{
	{Producers: 1, Partitions: 8, MaxSize: 100},
	{Producers: 8, Partitions: 8, MaxSize: 100},
}

// Batches are as large as the work says, so that everybody has as many of them.
func TestContendersFillBatches(t *testing.T) {
	for _, c := range contenders.All(contenders.Values()) {
		t.Run(c.Name, func(t *testing.T) {
			sample, err := measure.Take(c, measure.Work{Producers: 1, Partitions: 8, MaxSize: 100}, nil, 20_000)
			require.NoError(t, err)
			assert.InDelta(t, sample.In/100, sample.Batches, 10)
		})
	}
}
