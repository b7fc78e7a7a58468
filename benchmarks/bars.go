package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/go-databuffer/databuffer/benchmarks/contenders"
	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/benchmarks/report"
)

// bar is one thing that the design asks of the library's speed.
type bar struct {
	what    string
	asked   string
	reached string
	verdict verdict
}

// verdict on a bar.
type verdict string

const (
	holds    verdict = "yes"
	missed   verdict = "**no**"
	unjudged verdict = "†" // its figures are marked so
)

// judge compares figures with bars, and collects those that could be compared.
type judge struct {
	all  outcomes
	bars []bar
}

// bars are those of the design that the outcomes have figures for.
func bars(all outcomes) []bar {
	j := &judge{all: all}
	j.insert("insert", "MaxSize 1000")
	j.insert("insert5000", "MaxSize 5000")
	j.batches()
	j.telemetry()
	j.cycle()
	j.aggregate()
	j.writer()
	return j.bars
}

func (j *judge) insert(id, size string) {
	numbers := []int{1, 2, 8, 64}
	for _, n := range numbers {
		j.floor("Insert, RoundRobin, "+size, id, producers(n), contenders.RoundRobin, contenders.BareRoundRobin, contenders.FloorRoundRobin, 1.3)
	}
	j.most("Insert, RoundRobin, "+size, "ns alone", id, producers(1), contenders.RoundRobin, measure.Row.Median, 15)
	for _, n := range numbers {
		j.none("Insert, RoundRobin, "+size, id, producers(n), contenders.RoundRobin)
	}
	for _, n := range numbers {
		j.libraries("Insert, RoundRobin, "+size, id, producers(n), contenders.RoundRobin, 4)
	}
	for _, n := range numbers[1:] {
		j.ratio("Insert, Sticky, "+size, id, producers(n), contenders.Sticky, contenders.RoundRobin, 0.5)
		j.ratio("Insert, Sticky, "+size, id, producers(n), contenders.Sticky, contenders.Channel, 0.5)
	}
	for _, n := range numbers {
		j.floor("Producer.Insert, "+size, id, producers(n), contenders.Producer, contenders.BareOwn, contenders.FloorOwn, 1.3)
	}
	j.most("Producer.Insert, "+size, "ns alone", id, producers(1), contenders.Producer, measure.Row.Median, 10)
	j.ratioAcross("Producer.Insert, "+size, id, contenders.Producer)
}

func (j *judge) batches() {
	for _, c := range []struct {
		label string
		most  float64
	}{{batchLabel(1, 1, 10_000), 1.2}, {batchLabel(1, 1, 1000), 3}} {
		j.most("InsertBatch of 100", "ns an item", "batch", c.label, contenders.RoundRobin, measure.Row.Median, c.most)
		j.none("InsertBatch of 100", "batch", c.label, contenders.RoundRobin)
	}
}

func (j *judge) telemetry() {
	for _, n := range []int{1, 8} {
		j.ratio("an SDK with metrics", "sdk", producers(n), contenders.WithMetrics, contenders.RoundRobin, 1.2)
		ours, sdk := j.all.row("sdk", producers(n), contenders.Traced(0)), j.all.row("sdk", producers(n), contenders.Spans(0))
		if ours == nil || sdk == nil {
			continue
		}
		more := make([]float64, len(ours.Samples))
		for i := range more {
			more[i] = ours.Samples[i].PerItem() - sdk.Samples[i].PerItem()
		}
		reached := measure.Median(more)
		j.add("a tracer that samples nothing, "+producers(n), "the SDK's Start + End, plus 30 ns",
			fmt.Sprintf("%s ns, that is plus %s ns", report.Number(ours.Median()), report.Number(reached)), reached <= 30)
	}
}

func (j *judge) cycle() {
	j.most("a flush cycle", "ns", "cycle", producers(1), contenders.RoundRobin, measure.Row.Median, 3000)
	j.most("a flush cycle", "allocations", "cycle", producers(1), contenders.RoundRobin, measure.Row.Allocs, 10)
}

func (j *judge) aggregate() {
	j.most("aggregate.Add", "ns", "aggregate", producers(1), contenders.Aggregate, measure.Row.Median, 60)
	for _, n := range []int{2, 8, 64} {
		j.most("aggregate.Add", "ns", "aggregate", producers(n), contenders.Aggregate, measure.Row.Median, 60)
	}
	j.none("aggregate.Add", "aggregate", producers(1), contenders.Aggregate)
}

func (j *judge) writer() {
	for _, n := range []int{1, 2, 8, 64} {
		j.most("writer.Write", "ns", "writer", producers(n), contenders.Writer, measure.Row.Median, 30)
		j.ratio("writer.Write", "writer", producers(n), contenders.Writer, contenders.Nabbar, 0.2)
		j.floor("writer.Write", "writer", producers(n), contenders.Writer, contenders.Zap, contenders.FloorWriter, 1)
	}
}

// add adds a bar that was reached or not, as these rows show. Where the samples of
// one did not run in parallel, whether they should have or could not, nothing was
// shown: but for a library or a channel, which have producers wait.
func (j *judge) add(what, asked, reached string, held bool, shown ...*measure.Row) {
	b := bar{what, asked, reached, missed}
	if held {
		b.verdict = holds
	}
	for _, row := range shown {
		if row.Marked() && row.Kind != measure.Library && row.Name != contenders.Channel {
			b.verdict = unjudged
		}
	}
	j.bars = append(j.bars, b)
}

// ratio asks that a takes at most so many times as long as b, round by round.
func (j *judge) ratio(what, id, label, a, b string, most float64) {
	ours, theirs := j.all.row(id, label, a), j.all.row(id, label, b)
	if ours == nil || theirs == nil {
		return
	}
	reached := between(*ours, *theirs)
	asked := fmt.Sprintf("≤ %.2g × %s", most, b)
	switch {
	case most == 1:
		asked = "ahead of " + b
	case most < 1:
		asked = fmt.Sprintf("≥ %.2g × ahead of %s", 1/most, b)
	}
	j.add(what+", "+label, asked, showRatio(reached, most), reached <= most, ours, theirs)
}

// floor is ratio, and where the bar is missed tells how near the floor comes.
func (j *judge) floor(what, id, label, a, b, floor string, most float64) {
	before := len(j.bars)
	j.ratio(what, id, label, a, b, most)
	least, bare := j.all.row(id, label, floor), j.all.row(id, label, b)
	if len(j.bars) > before && j.bars[before].verdict != holds && least != nil {
		j.bars[before].reached += fmt.Sprintf(" (floor: %s)", showRatio(between(*least, *bare), most))
	}
}

func showRatio(reached, most float64) string {
	if most <= 1 {
		return fmt.Sprintf("%.2f × ahead", 1/reached)
	}
	return fmt.Sprintf("%.2f ×", reached)
}

// between is the median over the rounds of how many times as long a takes as b.
func between(a, b measure.Row) float64 {
	ratios := make([]float64, min(len(a.Samples), len(b.Samples)))
	for i := range ratios {
		ratios[i] = a.Samples[i].PerItem() / b.Samples[i].PerItem()
	}
	return measure.Median(ratios)
}

// most asks that a figure of a contender is at most so much.
func (j *judge) most(what, unit, id, label, contender string, figure func(measure.Row) float64, most float64) {
	row := j.all.row(id, label, contender)
	if row == nil {
		return
	}
	reached := figure(*row)
	j.add(what+", "+label, fmt.Sprintf("≤ %g %s", most, unit), report.Number(reached)+" "+unit, reached <= most, row)
}

// none asks for no allocations for an item. The few that each flush makes are
// allowed: less than one for a hundred items.
func (j *judge) none(what, id, label, contender string) {
	row := j.all.row(id, label, contender)
	if row == nil {
		return
	}
	j.add(what+", "+label, "0 allocations an item", fmt.Sprintf("%.4f", row.Allocs()), row.Allocs() < 0.02)
}

// libraries asks that a contender is so many times ahead of every library.
func (j *judge) libraries(what, id, label, contender string, least float64) {
	ours := j.all.row(id, label, contender)
	if ours == nil {
		return
	}
	nearest, by := math.Inf(1), ""
	for i, c := range j.all[id].columns {
		if c.label != label {
			continue
		}
		for _, row := range j.all[id].rows[i] {
			if ahead := 1 / between(*ours, row); row.Kind == measure.Library && ahead < nearest {
				nearest, by = ahead, row.Name
			}
		}
	}
	if by == "" {
		return
	}
	reached := fmt.Sprintf("%.2f × ahead of %s", nearest, by)
	if bare := j.all.row(id, label, contenders.BareRoundRobin); nearest < least && bare != nil {
		reached += fmt.Sprintf(" (bare: %.2f ×)", 1/between(*bare, *j.all.row(id, label, by)))
	}
	j.add(what+", "+label, fmt.Sprintf("≥ %g × ahead of every library", least), reached, nearest >= least, ours)
}

// ratioAcross asks that two producers, on two processors, take less for an item
// than one.
func (j *judge) ratioAcross(what, id, contender string) {
	one, two := j.all.row(id, producers(1), contender), j.all.row(id, producers(2), contender)
	if one == nil || two == nil {
		return
	}
	reached := between(*two, *one)
	j.add(what+", 2 producers", "less an item than one producer", fmt.Sprintf("%s ns, %.2f ×", report.Number(two.Median()), reached), reached < 1, one, two)
}

// barTable shows the bars.
func barTable(bars []bar) report.Table {
	t := report.Table{Header: []string{"goal", "asked", "reached", "holds"}}
	for _, b := range bars {
		t.Rows = append(t.Rows, []string{strings.TrimSuffix(b.what, ", "), b.asked, b.reached, string(b.verdict)})
	}
	return t
}
