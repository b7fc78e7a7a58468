package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/benchmarks/report"
)

// outcome is a section that was run.
type outcome struct {
	section
	rows [][]measure.Row // by column, then by contender
}

// outcomes are all that were run, by id.
type outcomes map[string]outcome

// run runs a section.
func (s section) run(set measure.Settings, between func()) (outcome, error) {
	o := outcome{section: s}
	for _, c := range s.columns {
		c.Against = s.against
		rows, err := c.Run(set, between)
		if err != nil {
			return o, fmt.Errorf("%s, %s: %w", s.title, c.label, err)
		}
		o.rows = append(o.rows, rows)
	}
	return o, nil
}

// row finds the result of a contender; nil where that was not run.
func (all outcomes) row(id, label, contender string) *measure.Row {
	o, ok := all[id]
	if !ok {
		return nil
	}
	for i, c := range o.columns {
		if c.label != label {
			continue
		}
		if at := slices.IndexFunc(o.rows[i], func(r measure.Row) bool { return r.Name == contender }); at >= 0 {
			return &o.rows[i][at]
		}
	}
	return nil
}

// table shows a section: ours first, then by hand, then the libraries.
func (o outcome) table() report.Table {
	t := report.Table{Header: []string{""}}
	for _, c := range o.columns {
		t.Header = append(t.Header, c.label)
	}
	t.Header = append(t.Header, "allocs")
	for i, row := range o.rows[0] {
		cells := []string{named(row.Contender)}
		for column := range o.columns {
			cells = append(cells, cell(o.rows[column][i]))
		}
		t.Rows = append(t.Rows, append(cells, report.Number(row.Allocs())))
	}
	return t
}

// named is how a contender is shown: ours stand out.
func named(c measure.Contender) string {
	switch c.Kind {
	case measure.Ours:
		return "**" + c.Name + "**"
	case measure.ByHand:
		return "_" + c.Name + "_"
	default:
		return c.Name
	}
}

// cell is median, minimum, ratio, and whatever is wrong with the figure.
func cell(r measure.Row) string {
	text := fmt.Sprintf("%s (%s) %s×", report.Number(r.Median()), report.Number(r.Min()), report.Number(r.Ratio()))
	if r.Marked() {
		text += fmt.Sprintf(" †%.1f", r.Parallel())
	}
	if lost := r.Lost(); lost != 0 {
		text += " **lost " + report.Percent(lost, r.Accepted()) + "**"
	}
	return text
}

// notes are what contenders do besides the work, or leave out; each once.
func (all outcomes) notes(order []section) (notes []string) {
	told := make(map[string]bool)
	for _, s := range order {
		for _, row := range slices.Concat(all[s.id].rows...) {
			if len(row.Notes) > 0 && !told[row.Name] {
				told[row.Name] = true
				notes = append(notes, named(row.Contender)+": "+strings.Join(row.Notes, "; "))
			}
		}
	}
	return notes
}

// rival is a figure in which a library is not behind, or lost items.
type rival struct {
	where string
	row   measure.Row
}

// find are the figures that are such.
func (all outcomes) find(order []section, such func(measure.Row) bool) (rivals []rival) {
	for _, s := range order {
		o, ok := all[s.id]
		if !ok {
			continue
		}
		for i, c := range o.columns {
			for _, row := range o.rows[i] {
				if such(row) {
					rivals = append(rivals, rival{s.title + ", " + c.label, row})
				}
			}
		}
	}
	return rivals
}

// ahead are the libraries that ours is not ahead of.
func (all outcomes) ahead(order []section) []rival {
	return all.find(order, func(r measure.Row) bool { return r.Kind == measure.Library && r.Ratio() <= 1 })
}

// lost are the figures of contenders that lost items.
func (all outcomes) lost(order []section) []rival {
	return all.find(order, func(r measure.Row) bool { return r.Lost() != 0 })
}
