package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-databuffer/databuffer/benchmarks/measure"
	"github.com/go-databuffer/databuffer/benchmarks/report"
)

const preface = `# Benchmarks

%s. Written by ` + "`make bench`" + ` at the root of the repository.

Each figure is the median over %d rounds, in nanoseconds an item, from the first insert until the contender has closed and everything is delivered; then the minimum, and how many times ours, the median of the ratios within a round. **Ours** are bold, what is _written by hand_ and does less than a buffer is in italics. A round has every contender once, for about %v, in another order each time.

†: with at least half of the samples less than three quarters of the processors that the producers could keep busy were at work (CPU time over wall time, which stands behind the mark): the machine was busy otherwise, or the contender had its producers wait for one another. Before each round all processors were kept busy for 5 ms to see whether they could be had: %s.

Every run counts the items that were accepted, and those that the sink had when Close returned. Where they differ, the row says so. "allocs" are objects allocated for an item, in the first column.

`

// absent is the peer that cannot be measured.
const absent = "github.com/mysamimi/dataAggregator is not in the table of `aggregate.Add`: no version of its module can be had from the Go module proxy, which answers 403"

// floorMeans is what stands in brackets behind a goal that is missed.
const floorMeans = "The floor behind a missed goal is what the same work by hand reaches with what no buffer of this kind can leave out, a context that is checked and a goroutine that each batch is handed to (for `writer.Write` the copy and the goroutine); bare is that work without them."

// text is all the results: first what was measured, then what that says.
func (r *runner) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, preface, measure.Machine(), r.set.Rounds, r.set.Sample, probed(r.probes))
	order := sections()
	for _, s := range order {
		o, ok := r.done[s.id]
		if !ok {
			continue
		}
		heading(&b, s.title, s.intro)
		write(&b, o.table())
		b.WriteString("\n")
	}
	for _, e := range r.extra {
		heading(&b, e.title, e.intro)
		write(&b, e.table)
		b.WriteString("\n")
	}
	if notes := r.done.notes(order); len(notes) > 0 {
		heading(&b, "Unequal work", "What contenders do besides the work, or leave out.")
		for _, note := range append(notes, absent) {
			fmt.Fprintf(&b, "- %s\n", note)
		}
		b.WriteString("\n")
	}
	r.behind(&b, order)
	r.goals(&b)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// goals tells which bars this run has reached: last, as they are ours and not the
// reader's.
func (r *runner) goals(b *strings.Builder) {
	bars := bars(r.done)
	if len(bars) == 0 {
		return
	}
	count := make(map[verdict]int)
	for _, bar := range bars {
		count[bar.verdict]++
	}
	heading(b, "Goals", fmt.Sprintf("What this project has set itself as goals, and what this run has reached: of %d goals %d hold, %d do not, and %d could not be judged (†). Ratios are medians over the rounds. "+floorMeans,
		len(bars), count[holds], count[missed], count[unjudged]))
	write(b, barTable(bars))
	b.WriteString("\n")
}

// behind tells where a library is not behind, and who lost items.
func (r *runner) behind(b *strings.Builder, order []section) {
	if len(r.done) == 0 {
		return
	}
	heading(b, "Where a library is ahead, or lost items", "")
	rivals := r.done.ahead(order)
	for _, x := range rivals {
		fmt.Fprintf(b, "- %s: %s takes %s ns, %s × ours\n", x.where, x.row.Name, report.Number(x.row.Median()), report.Number(x.row.Ratio()))
	}
	if len(rivals) == 0 {
		b.WriteString("- None is ahead in any table of throughput.\n")
	}
	for _, x := range r.done.lost(order) {
		fmt.Fprintf(b, "- %s: %s lost %d of %d items (%s)\n", x.where, x.row.Name, x.row.Lost(), x.row.Accepted(), report.Percent(x.row.Lost(), x.row.Accepted()))
	}
	b.WriteString("\n")
}

func heading(b *strings.Builder, title, intro string) {
	fmt.Fprintf(b, "## %s\n\n", title)
	if intro != "" {
		fmt.Fprintf(b, "%s\n\n", intro)
	}
}

func write(b *strings.Builder, t report.Table) {
	_, _ = t.WriteTo(b) // a Builder takes everything
}

// probed tells what the probes found.
func probed(shares []float64) string {
	if len(shares) == 0 {
		return "nobody asked"
	}
	short := 0
	for _, share := range shares {
		if share < free {
			short++
		}
	}
	return fmt.Sprintf("of %d rounds %d began with less than 90 %% of them, the median with %.0f %% and the worst with %.0f %%",
		len(shares), short, 100*measure.Median(shares), 100*slices.Min(shares))
}
