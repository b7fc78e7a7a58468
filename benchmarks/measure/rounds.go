package measure

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// Scenario is work that several contenders do in turn.
type Scenario struct {
	Work       Work
	Hold       func() // of the sink
	Contenders []Contender
	Against    string // the contender that ratios are against: the first where it is ""
}

// Settings say how thorough a run is.
type Settings struct {
	Rounds int           // of each scenario; at least 5 for figures that are shown
	Sample time.Duration // about how long a contender runs in a round
	Most   int           // items of a sample at most; 0: as many as Sample takes
	Again  int           // how often a sample is taken again that did not run in parallel
}

// Row is what came out for one contender of a scenario.
type Row struct {
	Contender
	Samples []Sample
	Ratios  []float64 // to the contender that ratios are against, round by round
	serial  float64   // below so many processors a sample did not run in parallel
	waits   bool      // taken again, it did not run in parallel either
}

// Run runs the scenario: first each contender alone to find out how many items
// take Sample, then the rounds, in each of which the order is another. between
// is called before each round and before a sample is taken again; it may wait for
// the machine, and may be nil.
func (s Scenario) Run(set Settings, between func()) ([]Row, error) {
	against := max(slices.IndexFunc(s.Contenders, func(c Contender) bool { return c.Name == s.Against }), 0)
	rows := make([]Row, len(s.Contenders))
	items := make([]int, len(rows))
	for i, c := range s.Contenders {
		rows[i] = Row{Contender: c, serial: 0.75 * float64(min(s.Work.Producers, runtime.GOMAXPROCS(0)))}
		if s.Hold != nil {
			rows[i].serial = 0 // whoever waits for the sink needs no processor
		}
		var err error
		if items[i], err = s.calibrate(c, set); err != nil {
			return nil, err
		}
	}
	if between == nil {
		between = func() {}
	}
	for range set.Rounds {
		between()
		for _, i := range rand.Perm(len(rows)) {
			err := rows[i].take(set.Again, between, func() (Sample, error) {
				return Take(rows[i].Contender, s.Work, s.Hold, items[i])
			})
			if err != nil {
				return nil, err
			}
		}
		for i := range rows {
			of, to := last(rows[i].Samples), last(rows[against].Samples)
			rows[i].Ratios = append(rows[i].Ratios, of.PerItem()/to.PerItem())
		}
	}
	return rows, nil
}

// take takes a sample. One that did not run in parallel is taken again up to so
// many times, and the most parallel one counts: which that is has nothing to do
// with how fast it was. A contender that did not run in parallel when it was asked
// again has its producers wait for one another, and is not asked any more.
func (r *Row) take(again int, between func(), one func() (Sample, error)) error {
	best, err := one()
	if err != nil {
		return err
	}
	if r.waits {
		again = 0
	}
	for ; again > 0 && best.Parallel() < r.serial; again-- {
		between()
		sample, err := one()
		if err != nil {
			return err
		}
		if sample.Parallel() > best.Parallel() {
			best = sample
		}
		r.waits = again == 1 && best.Parallel() < r.serial
	}
	r.Samples = append(r.Samples, best)
	return nil
}

// calibrate finds how many items c does in about the time of a sample. It looks
// twice: what is short is mostly the making of slices.
func (s Scenario) calibrate(c Contender, set Settings) (int, error) {
	least := s.Work.Producers * max(s.Work.Batch, 1)
	most := set.Most
	if most == 0 {
		most = 50_000_000
	}
	most = max(most, least)
	n, looked := min(max(2000, least), most), 0
	for {
		sample, err := Take(c, s.Work, s.Hold, n)
		if err != nil || n == most {
			return n, err
		}
		grow := 5.0
		if sample.Elapsed >= set.Sample/6 {
			grow = float64(set.Sample) / float64(sample.Elapsed)
			looked++
		}
		n = min(max(int(grow*float64(n)), least), most)
		if looked == 2 {
			return n, nil
		}
	}
}

func last[T any](s []T) T { return s[len(s)-1] }

// Median of the time for an item, in nanoseconds.
func (r Row) Median() float64 { return Median(r.each(Sample.PerItem)) }

// Min of the same.
func (r Row) Min() float64 { return slices.Min(r.each(Sample.PerItem)) }

// Ratio is the median over the rounds.
func (r Row) Ratio() float64 { return Median(r.Ratios) }

// Allocs is the median of what is allocated for an item.
func (r Row) Allocs() float64 { return Median(r.each(Sample.Allocs)) }

// Parallel is the median of how many processors were at work.
func (r Row) Parallel() float64 { return Median(r.each(Sample.Parallel)) }

// Accepted and Lost are sums over all rounds.
func (r Row) Accepted() (n int) {
	for _, s := range r.Samples {
		n += s.In
	}
	return n
}

// Lost is how many items were accepted and never came.
func (r Row) Lost() (n int) {
	for _, s := range r.Samples {
		n += s.Lost()
	}
	return n
}

// Marked tells whether at least half of the samples did not run in parallel, so
// that the figures say little about how the contender does when it does.
func (r Row) Marked() bool { return 2*r.Serial() >= len(r.Samples) }

// Serial is how many samples were taken while fewer processors were at work
// than there were producers to keep busy: because others had them, or because
// the contender had its producers wait for one another.
func (r Row) Serial() (n int) {
	for _, s := range r.Samples {
		if s.Parallel() < r.serial {
			n++
		}
	}
	return n
}

func (r Row) each(of func(Sample) float64) []float64 {
	values := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		values[i] = of(s)
	}
	return values
}

// Median of values, of which there must be one.
func Median(values []float64) float64 {
	if len(values) == 0 {
		panic(fmt.Sprintf("measure: no median of %d values", len(values)))
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
