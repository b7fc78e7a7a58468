package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/go-databuffer/databuffer/benchmarks/contenders"
	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/benchmarks/report"
)

// heldSizes are how many items are held.
var heldSizes = []int{1e3, 1e4, 1e5, 1e6, 1e7}

// heldAppend is what one cannot do without to hold items: a slice that grows.
func heldAppend() measure.Contender {
	return measure.Contender{Name: "append to a slice", Kind: measure.ByHand, Start: func(_ measure.Work, sink *measure.Sink) (measure.Load, error) {
		items := contenders.Values()
		var slice []contenders.Record
		return measure.Load{
			Insert: func(_, n int) int {
				for i := range n {
					slice = append(slice, items.All[i&127])
				}
				return n
			},
			Close: func() error {
				sink.Take(len(slice))
				return nil
			},
		}, nil
	}}
}

// named again, for those that a table tells apart by their items.
func renamed(c measure.Contender, name string) measure.Contender {
	c.Name = name
	return c
}

// holding is what it costs to hold items.
type holding struct {
	perItem float64 // bytes
	insert  float64 // ns
	collect float64 // ms that a collection takes
	pause   float64 // µs of it in which nothing runs
}

// held measures memory and garbage collection as the items that are held grow.
func held(set measure.Settings, between func()) (report.Table, error) {
	t := report.Table{Header: []string{""}}
	for _, n := range heldSizes {
		t.Header = append(t.Header, fmt.Sprintf("%.0e items", float64(n)))
	}
	values := contenders.Values()
	for _, c := range []measure.Contender{
		renamed(contenders.Ours(values, contenders.RoundRobin), "databuffer, values"),
		renamed(contenders.Ours(contenders.Pointers(), contenders.RoundRobin), "databuffer, pointers"),
		heldAppend(),
		contenders.Libraries(values)[0],
	} {
		row := []string{named(c)}
		for _, n := range heldSizes {
			if set.Most > 0 && n > set.Most || c.Kind == measure.Library && n > 1e6 {
				row = append(row, "")
				continue
			}
			var rounds []holding
			for range min(set.Rounds, 5) { // they take long, and differ little
				between()
				h, err := hold(c, n)
				if err != nil {
					return t, err
				}
				rounds = append(rounds, h)
			}
			of := func(field func(holding) float64) string {
				values := make([]float64, len(rounds))
				for i, h := range rounds {
					values[i] = field(h)
				}
				return report.Number(measure.Median(values))
			}
			row = append(row, fmt.Sprintf("%s B, %s ns, %s ms (%s µs)",
				of(func(h holding) float64 { return h.perItem }), of(func(h holding) float64 { return h.insert }),
				of(func(h holding) float64 { return h.collect }), of(func(h holding) float64 { return h.pause })))
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// hold has a contender hold n items.
func hold(c measure.Contender, n int) (holding, error) {
	var before, after, collected runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	sink := new(measure.Sink)
	load, err := c.Start(measure.Work{Producers: 1, Partitions: 1, MaxSize: 2 * n, Held: true}, sink)
	if err != nil {
		return holding{}, err
	}
	start := time.Now()
	in := load.Insert(0, n)
	insert := time.Since(start)
	runtime.GC() // what growing has left behind
	runtime.ReadMemStats(&after)
	start = time.Now()
	runtime.GC()
	collect := time.Since(start)
	runtime.ReadMemStats(&collected)
	if err := load.Close(); err != nil {
		return holding{}, err
	}
	if lost := in - sink.Items(); lost != 0 {
		return holding{}, fmt.Errorf("%s: lost %d of %d items that it held", c.Name, lost, in)
	}
	return holding{
		perItem: max(float64(after.HeapAlloc)-float64(before.HeapAlloc), 0) / float64(n),
		insert:  float64(insert.Nanoseconds()) / float64(n),
		collect: float64(collect.Microseconds()) / 1000,
		pause:   float64(collected.PauseTotalNs-after.PauseTotalNs) / 1000,
	}, nil
}
