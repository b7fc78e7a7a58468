package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-databuffer/databuffer/benchmarks/contenders"
	"github.com/go-databuffer/databuffer/benchmarks/measure"
)

// section is a table of results: a scenario a column, a contender a row.
type section struct {
	id      string
	title   string
	intro   string
	against string // what ratios are against
	columns []column
}

// column is a scenario with its label. The sections that bars.go looks at are
// found by their ids and labels.
type column struct {
	label string
	measure.Scenario
}

// unequal is what small batches bring out.
const unequal = "A batch of ours has a goroutine of its own, a context that ends after a minute, and an outcome that is counted; a panic or Goexit in the sink ends there. Most others call the sink in a loop, and no more."

// base is the work that each section varies in one way.
func base(producers int) measure.Work {
	return measure.Work{Producers: producers, Batch: 1, Partitions: 8, MaxSize: 1000}
}

// varied is base with a change.
func varied(producers int, change func(*measure.Work)) measure.Work {
	w := base(producers)
	change(&w)
	return w
}

// byProducers is a column for each number of producers.
func byProducers(cs []measure.Contender, change func(*measure.Work), numbers ...int) []column {
	columns := make([]column, len(numbers))
	for i, n := range numbers {
		columns[i] = column{producers(n), measure.Scenario{Work: varied(n, change), Contenders: cs}}
	}
	return columns
}

func producers(n int) string {
	if n == 1 {
		return "1 producer"
	}
	return fmt.Sprintf("%d producers", n)
}

// only are the contenders of these names, and all libraries where those are
// wanted too.
func only(cs []measure.Contender, libraries bool, names ...string) []measure.Contender {
	return slices.DeleteFunc(slices.Clone(cs), func(c measure.Contender) bool {
		return !slices.Contains(names, c.Name) && !(libraries && c.Kind == measure.Library)
	})
}

// sections are all that are throughput.
func sections() []section {
	all := contenders.All(contenders.Values())
	return slices.Concat(insertSections(all), sinkSections(all), []section{
		sdkSection(),
		partitionsSection(all),
		{
			id: "cycle", title: "A flush cycle", against: contenders.RoundRobin,
			intro: "1 producer, 1 partition, batches of one item: what a batch costs from the insert to its outcome. " + unequal,
			columns: []column{{"1 producer", measure.Scenario{
				Work:       varied(1, func(w *measure.Work) { w.Partitions, w.MaxSize = 1, 1 }),
				Contenders: only(all, true, contenders.RoundRobin, contenders.Channel),
			}}},
		},
		{
			id: "aggregate", title: "aggregate.Add", against: contenders.Aggregate,
			intro:   "1000 string keys, 8 partitions, MaxSize 5000: nearly every Add merges.",
			columns: byProducers(contenders.Aggregators(), func(w *measure.Work) { w.MaxSize = 5000 }, 1, 2, 8, 64),
		},
		{
			id: "distinct", title: "aggregate.Add of new keys", against: contenders.Aggregate,
			intro:   "Every Add brings a key that is not held, batches of 1000: nothing merges.",
			columns: byProducers(contenders.DistinctAggregators(), func(*measure.Work) {}, 1, 8),
		},
		{
			id: "writer", title: "writer.Write", against: contenders.Writer,
			intro:   "32 bytes a Write, up to 64 KiB held, an output that only counts.",
			columns: byProducers(contenders.Writers(), func(*measure.Work) {}, 1, 2, 8, 64),
		},
		{
			id: "file", title: "writer.Write into a file", against: contenders.Writer,
			intro:   "The same into a file in the folder for temporary files, without an fsync.",
			columns: byProducers(contenders.FileWriters(), func(*measure.Work) {}, 1, 2, 8, 64),
		},
	})
}

func insertSections(all []measure.Contender) []section {
	oneByOne := "Libraries that take no batches are given the items one by one."
	batchesOf := func(partitions, size int) func(*measure.Work) {
		return func(w *measure.Work) { w.Batch, w.Partitions, w.MaxSize = 100, partitions, size }
	}
	batches := only(all, true, contenders.RoundRobin, contenders.Sticky, contenders.Key, contenders.Producer,
		contenders.BareRoundRobin, contenders.BareOwn, contenders.MutexCycled, contenders.MutexFresh)
	var batchColumns []column
	for _, c := range []struct{ producers, partitions, size int }{{1, 1, 1000}, {1, 1, 10_000}, {8, 8, 1000}, {8, 8, 10_000}} {
		batchColumns = append(batchColumns, column{batchLabel(c.producers, c.partitions, c.size), measure.Scenario{Work: varied(c.producers, batchesOf(c.partitions, c.size)), Contenders: batches}})
	}
	sized := only(all, true, contenders.RoundRobin, contenders.BareRoundRobin, contenders.Channel)
	var sizeColumns []column
	for _, size := range []int{10, 10_000} {
		for _, c := range byProducers(sized, func(w *measure.Work) { w.MaxSize = size }, 1, 8) {
			c.label += fmt.Sprintf(", MaxSize %d", size)
			sizeColumns = append(sizeColumns, c)
		}
	}
	return []section{
		{
			id: "insert", title: "Insert", against: contenders.RoundRobin,
			intro:   "One 32-byte value at a time, 8 partitions, batches of 1000, a sink that does nothing, no SDK. The other tables vary this one. The rows of the floor are the bare ones with what no buffer of this kind can leave out: a call that looks at its context, and a goroutine that is woken for each batch.",
			columns: byProducers(all, func(*measure.Work) {}, 1, 2, 8, 64),
		},
		{
			id: "insert5000", title: "Insert, batches of 5000", against: contenders.RoundRobin,
			intro: "The default MaxSize.",
			columns: byProducers(only(all, false, contenders.RoundRobin, contenders.Sticky, contenders.Key, contenders.Producer,
				contenders.BareRoundRobin, contenders.FloorRoundRobin, contenders.BareOwn, contenders.FloorOwn, contenders.MutexCycled, contenders.Channel),
				func(w *measure.Work) { w.MaxSize = 5000 }, 1, 2, 8, 64),
		},
		{
			id: "batch", title: "InsertBatch of 100", against: contenders.RoundRobin,
			intro:   "Per item. " + oneByOne,
			columns: batchColumns,
		},
		{
			id: "pointers", title: "Insert of pointers", against: contenders.RoundRobin,
			intro:   "To 32 bytes; the items themselves are made beforehand.",
			columns: byProducers(contenders.Any(contenders.Pointers()), func(*measure.Work) {}, 1, 8),
		},
		{
			id: "size", title: "Insert, other batch sizes", against: contenders.RoundRobin,
			intro:   unequal,
			columns: sizeColumns,
		},
	}
}

func batchLabel(n, partitions, size int) string {
	return fmt.Sprintf("%s, Partitions %d, MaxSize %d", producers(n), partitions, size)
}

func sinkSections(all []measure.Contender) []section {
	slow := only(all, true, contenders.RoundRobin, contenders.Sticky, contenders.Producer, contenders.MutexFresh, contenders.Channel)
	columns := byProducers(slow, func(w *measure.Work) { w.Handlers = 8 }, 1, 8)
	for i := range columns {
		columns[i].Hold = func() { time.Sleep(time.Millisecond) }
	}
	return []section{{
		id: "slow", title: "Insert, a sink that takes 1 ms", against: contenders.RoundRobin,
		intro:   "For each batch of 1000, until everything is delivered. Whoever can has 8 batches at the sink at once.",
		columns: columns,
	}}
}

func partitionsSection(all []measure.Contender) section {
	s := section{
		id: "partitions", title: "Insert, as partitions grow", against: contenders.RoundRobin,
		intro: "8 producers.",
	}
	some := only(all, false, contenders.RoundRobin, contenders.Sticky, contenders.Key, contenders.Producer, contenders.BareRoundRobin)
	for n := 1; n <= 64; n *= 2 {
		s.columns = append(s.columns, column{fmt.Sprint(n), measure.Scenario{
			Work: varied(8, func(w *measure.Work) { w.Partitions = n }), Contenders: some,
		}})
	}
	return s
}

func sdkSection() section {
	return section{
		id: "sdk", title: "Insert, with an OpenTelemetry SDK", against: contenders.RoundRobin,
		intro:   "Each insert starts and ends a span where tracing is on; the SDK's own Start and End of a span are beside it.",
		columns: byProducers(contenders.Telemetry(), func(*measure.Work) {}, 1, 8),
	}
}
