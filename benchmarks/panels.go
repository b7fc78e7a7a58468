package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-databuffer/databuffer/benchmarks/contenders"
	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/benchmarks/report"
)

const plotTitle = "Nanoseconds an item: less is better"

// plotMany is how many producers the plot shows beside one.
const plotMany = 8

func plotSubtitle(rounds int) string {
	return fmt.Sprintf("Logarithmic axis; medians of %d rounds, everything delivered; %s", rounds, measure.Machine())
}

// panels are what the plot shows of the results.
func (r *runner) panels() (panels []report.Panel) {
	for _, p := range []struct{ id, title string }{
		{"insert", "Insert of 32 bytes, batches of 1000"},
		{"aggregate", "Add to 1000 string keys"},
		{"writer", "Write of 32 bytes"},
	} {
		if o, ok := r.done[p.id]; ok {
			panels = append(panels, report.Panel{Title: p.title, Rows: o.plotRows()})
		}
	}
	return panels
}

// plotRows are the contenders that a user would choose from: ours first, and
// each kind the fastest first.
func (o outcome) plotRows() (rows []report.PlotRow) {
	var one, many []measure.Row
	for i, c := range o.columns {
		switch c.label {
		case producers(1):
			one = o.rows[i]
		case producers(plotMany):
			many = o.rows[i]
		}
	}
	for i, row := range one {
		if slices.Contains([]string{contenders.BareRoundRobin, contenders.FloorRoundRobin, contenders.BareOwn, contenders.FloorOwn, contenders.MutexCycled}, row.Name) {
			continue // what the bars are measured by
		}
		plotted := report.PlotRow{
			Name:  row.Name,
			Class: [...]report.Class{measure.Ours: report.Ours, measure.ByHand: report.ByHand, measure.Library: report.Library}[row.Kind],
			One:   row.Median(), Many: many[i].Median(),
		}
		if lost := row.Lost() + many[i].Lost(); lost != 0 {
			plotted.Lost = report.Percent(lost, row.Accepted()+many[i].Accepted())
		}
		rows = append(rows, plotted)
	}
	slices.SortStableFunc(rows, func(a, b report.PlotRow) int {
		switch ours := report.Ours; {
		case a.Class == ours && b.Class != ours:
			return -1
		case b.Class == ours && a.Class != ours:
			return 1
		default:
			return cmp.Compare(a.Many, b.Many)
		}
	})
	return rows
}
