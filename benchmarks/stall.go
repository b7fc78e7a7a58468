package main

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-databuffer/databuffer/benchmarks/contenders"
	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/benchmarks/report"
)

const (
	stallFor       = 100 * time.Millisecond
	stallAt        = 10 // the batch that the sink stalls on
	stallProducers = 8
	stallTicks     = 250 // of a millisecond
	stallPerTick   = 40  // items of each producer
)

// stalled is what came of a run in which the sink stalls.
type stalled struct {
	longest  time.Duration // of all inserts
	waited   time.Duration // by all producers together, in inserts of more than a millisecond
	most     int           // items that were accepted and not at the sink, at once
	in, lost int
}

// stalls has the sink hold one batch for long, while the others pass, and
// producers go on at a steady rate.
func stalls(set measure.Settings, ticks int, between func()) (report.Table, error) {
	t := report.Table{Header: []string{"", "longest insert, ms", "waited in all, ms", "held at most", "lost"}}
	all := contenders.All(contenders.Values())
	list := only(all, true, contenders.RoundRobin, contenders.Producer, contenders.MutexFresh, contenders.Channel)
	rounds := make([][]stalled, len(list))
	for range set.Rounds {
		between()
		for i, c := range list {
			s, err := stall(c, ticks)
			if err != nil {
				return t, err
			}
			rounds[i] = append(rounds[i], s)
		}
	}
	for i, c := range list {
		of := func(field func(stalled) float64) string {
			values := make([]float64, len(rounds[i]))
			for k, s := range rounds[i] {
				values[k] = field(s)
			}
			return report.Number(measure.Median(values))
		}
		in, lost := 0, 0
		for _, s := range rounds[i] {
			in, lost = in+s.in, lost+s.lost
		}
		t.Rows = append(t.Rows, []string{
			named(c),
			of(func(s stalled) float64 { return s.longest.Seconds() * 1000 }),
			of(func(s stalled) float64 { return s.waited.Seconds() * 1000 }),
			of(func(s stalled) float64 { return float64(s.most) }),
			report.Percent(lost, in),
		})
	}
	return t, nil
}

// stall is one run.
func stall(c measure.Contender, ticks int) (stalled, error) {
	var batch atomic.Int64
	sink := &measure.Sink{Hold: func() {
		if batch.Add(1) == stallAt {
			time.Sleep(stallFor)
		}
	}}
	load, err := c.Start(measure.Work{Producers: stallProducers, Partitions: 8, MaxSize: 1000, Handlers: 8}, sink)
	if err != nil {
		return stalled{}, err
	}
	var accepted atomic.Int64
	each := make([]stalled, stallProducers)
	var wg sync.WaitGroup
	for g := range stallProducers {
		wg.Go(func() {
			s := &each[g]
			for range ticks {
				time.Sleep(tick)
				for range stallPerTick {
					start := time.Now()
					accepted.Add(int64(load.Insert(g, 1)))
					took := time.Since(start)
					s.longest = max(s.longest, took)
					if took > time.Millisecond {
						s.waited += took
					}
				}
				s.most = max(s.most, int(accepted.Load())-sink.Items())
			}
		})
	}
	wg.Wait()
	if err := load.Close(); err != nil {
		return stalled{}, err
	}
	sum := stalled{in: int(accepted.Load())}
	sum.lost = sum.in - sink.Items()
	for _, s := range each {
		sum.longest, sum.waited, sum.most = max(sum.longest, s.longest), sum.waited+s.waited, max(sum.most, s.most)
	}
	return sum, nil
}
