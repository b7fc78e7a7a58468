package main

import (
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/benchmarks/contenders"
	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/benchmarks/report"
)

const (
	latencyRate     = 100_000 // items a second
	latencyInterval = 10 * time.Millisecond
	tick            = time.Millisecond // how often items are inserted: as many as are due
)

// latencies measures how long items take from the insert to the sink, at a fixed
// rate, where batches are due by their interval.
func latencies(set measure.Settings, lasting time.Duration, between func()) (report.Table, error) {
	t := report.Table{Header: []string{"ms", "p50", "p99", "p99.9", "longest", "lost"}}
	var clock seen
	items := contenders.Values()
	items.See = clock.see
	list := append([]measure.Contender{contenders.Ours(items, contenders.RoundRobin)}, contenders.Libraries(items)...)
	quantiles := []float64{0.5, 0.99, 0.999, 1}
	reached := make([][][]float64, len(list)) // by contender, quantile and round
	for i := range reached {
		reached[i] = make([][]float64, len(quantiles))
	}
	accepted, lost := make([]int, len(list)), make([]int, len(list))
	for range set.Rounds {
		between()
		for i, c := range list {
			clock.reset()
			in, out, err := clock.steady(c, items, lasting)
			if err != nil {
				return t, err
			}
			accepted[i] += in
			lost[i] += in - out
			delays := clock.sorted()
			for q, quantile := range quantiles {
				reached[i][q] = append(reached[i][q], at(delays, quantile).Seconds()*1000)
			}
		}
	}
	for i, c := range list {
		row := []string{named(c)}
		for q := range quantiles {
			row = append(row, report.Number(measure.Median(reached[i][q])))
		}
		t.Rows = append(t.Rows, append(row, report.Percent(lost[i], accepted[i])))
	}
	return t, nil
}

// steady inserts at the fixed rate.
func (s *seen) steady(c measure.Contender, items *contenders.Items[contenders.Record], lasting time.Duration) (in, out int, err error) {
	sink := new(measure.Sink)
	load, err := c.Start(measure.Work{Producers: 1, Partitions: 8, MaxSize: 1000, Handlers: 8, Interval: latencyInterval}, sink)
	if err != nil {
		return 0, 0, err
	}
	for done := 0; time.Since(s.start) < lasting; time.Sleep(tick) {
		for due := int(time.Since(s.start).Seconds() * latencyRate); done < due; done++ {
			items.All[0][0] = uint64(time.Since(s.start))
			in += load.Insert(0, 1)
		}
	}
	err = load.Close()
	return in, sink.Items(), err
}

// at is a quantile of what is sorted.
func at(sorted []time.Duration, quantile float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(quantile*float64(len(sorted))), len(sorted)-1)]
}

// seen are the delays of the items that have come.
type seen struct {
	start  time.Time
	delays chan time.Duration
}

func (s *seen) reset() {
	s.start = time.Now()
	s.delays = make(chan time.Duration, 10*latencyRate)
}

// see notes the delay of an item, which carries when it was inserted.
func (s *seen) see(item contenders.Record) {
	s.delays <- time.Since(s.start) - time.Duration(item[0])
}

// sorted requires that all items have come.
func (s *seen) sorted() []time.Duration {
	close(s.delays)
	var all []time.Duration
	for d := range s.delays {
		all = append(all, d)
	}
	slices.Sort(all)
	return all
}
