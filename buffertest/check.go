package buffertest

import (
	"fmt"
	"strings"

	"github.com/go-databuffer/databuffer/buffer"
	"github.com/go-databuffer/databuffer/partition"
)

// TestingT is what the checks need of a *testing.T.
type TestingT interface {
	Helper()
	Errorf(format string, args ...any)
}

// Check holds a snapshot against the conservation law. In each partition and in
// total
//
//	Accepted = Buffered + InFlight + Delivered + DeadLettered + Dropped + Returned
//
// no count is negative, and the total is the sum of the partitions. It fails t
// once for each breach, with the partition and its numbers, and reports whether
// there was none. The law holds at every moment, so nothing has to be quiet.
func Check(t TestingT, info buffer.Info) bool {
	t.Helper()
	lawful := true
	breach := func(where, what string, c partition.Counts) {
		t.Helper()
		lawful = false
		t.Errorf("buffertest: buffer %q, %s: %s", info.Name, where, what+": "+shown(c))
	}
	var total partition.Counts
	for i, p := range info.Partitions {
		where := fmt.Sprintf("partition %d", p.Index)
		if p.Index != i {
			breach(where, fmt.Sprintf("it stands at index %d", i), p.Counts)
		}
		for _, what := range breaches(p.Counts) {
			breach(where, what, p.Counts)
		}
		total = total.Plus(p.Counts)
	}
	for _, what := range breaches(info.Total) {
		breach("in total", what, info.Total)
	}
	if total != info.Total {
		breach("in total", "the partitions add up to "+shown(total)+", but the total is", info.Total)
	}
	return lawful
}

// CheckSettled is Check for a buffer in which nothing is left to do: besides, no
// item is buffered or in flight, and no insert waits for room. That is so after
// Shutdown, and after a SyncFlush with no insert beside it.
func CheckSettled(t TestingT, info buffer.Info) bool {
	t.Helper()
	settled := Check(t, info)
	unsettled := func(format string, args ...any) {
		t.Helper()
		settled = false
		t.Errorf("buffertest: buffer %q, %s", info.Name, fmt.Sprintf(format, args...))
	}
	for _, p := range info.Partitions {
		if c := p.Counts; c.Buffered != 0 || c.InFlight != 0 {
			unsettled("partition %d: %d items are buffered and %d in flight, in %d batches: %s", p.Index, c.Buffered, c.InFlight, p.Batches, shown(c))
		}
	}
	if info.Waiting != 0 {
		unsettled("in total: %d inserts wait for room", info.Waiting)
	}
	return settled
}

// breaches is what is wrong with the counts.
func breaches(c partition.Counts) (wrong []string) {
	outcomes := c.Buffered + c.InFlight + c.Delivered + c.DeadLettered + c.Dropped + c.Returned
	switch lost := c.Accepted - outcomes; {
	case lost > 0:
		wrong = append(wrong, fmt.Sprintf("%d of %d accepted items are nowhere", lost, c.Accepted))
	case lost < 0:
		wrong = append(wrong, fmt.Sprintf("%d items are accounted for, but only %d were accepted", outcomes, c.Accepted))
	}
	for _, f := range fields(c) {
		if f.n < 0 {
			wrong = append(wrong, fmt.Sprintf("%s is negative", f.name))
		}
	}
	return wrong
}

// field is one count.
type field struct {
	name string
	n    int
}

// fields are the counts in the order of the law, and then those beside it.
func fields(c partition.Counts) []field {
	return []field{
		{"Accepted", c.Accepted},
		{"Buffered", c.Buffered},
		{"InFlight", c.InFlight},
		{"Delivered", c.Delivered},
		{"DeadLettered", c.DeadLettered},
		{"Dropped", c.Dropped},
		{"Returned", c.Returned},
		{"Rejected", c.Rejected},
		{"Retried", c.Retried},
		{"Abandoned", c.Abandoned},
	}
}

// shown is the counts as text.
func shown(c partition.Counts) string {
	var parts []string
	for _, f := range fields(c) {
		parts = append(parts, fmt.Sprintf("%s %d", f.name, f.n))
	}
	return strings.Join(parts, ", ")
}
