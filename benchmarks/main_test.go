package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/benchmarks/contenders"
	"github.com/go-databuffer/databuffer/benchmarks/measure"
)

func quick(only string) options {
	return options{
		set:  measure.Settings{Rounds: 1, Sample: time.Millisecond, Most: 3000},
		only: regexp.MustCompile(only),
	}
}

// Everything is run once, on a few items: nothing of ours is lost, and all of it
// is shown.
func TestEverythingRuns(t *testing.T) {
	r := &runner{options: quick(""), progress: io.Discard, start: time.Now(), done: make(outcomes)}
	require.NoError(t, r.throughput())
	require.NoError(t, r.others())
	for _, s := range sections() {
		o, ok := r.done[s.id]
		require.True(t, ok, s.id)
		for i, c := range o.columns {
			for _, row := range o.rows[i] {
				if row.Kind != measure.Library {
					assert.Zero(t, row.Lost(), "%s, %s: %s lost items", s.title, c.label, row.Name)
				}
			}
		}
	}
	text := r.text()
	for _, s := range sections() {
		assert.Contains(t, text, "## "+s.title+"\n")
	}
	for _, title := range []string{"Goals", "Insert, a sink that stalls", "As the items held grow", "From the insert to the sink", "Unequal work"} {
		assert.Contains(t, text, "## "+title+"\n")
	}
	assert.NotContains(t, text, "NaN")
	// What was measured comes first, and our goals last.
	var order []int
	for _, title := range []string{"Insert", "From the insert to the sink", "Unequal work", "Where a library is ahead, or lost items", "Goals"} {
		order = append(order, strings.Index(text, "\n## "+title+"\n"))
	}
	assert.IsIncreasing(t, order)
	assert.Equal(t, strings.LastIndex(text, "\n## "), order[len(order)-1])
	// Each of the design's rows.
	for _, row := range []string{"Insert, RoundRobin", "Insert, Sticky", "Producer.Insert", "InsertBatch of 100", "an SDK with metrics", "a tracer that samples nothing", "a flush cycle", "writer.Write", "aggregate.Add"} {
		assert.Contains(t, text, "\n| "+row)
	}
	assert.Len(t, r.panels(), 3)
}

func TestFilesAreWritten(t *testing.T) {
	opts := quick("^writer$")
	opts.results = filepath.Join(t.TempDir(), "RESULTS.md")
	opts.plot = filepath.Join(t.TempDir(), "plot.svg")
	var printed strings.Builder
	require.NoError(t, run(opts, &printed, io.Discard))
	written, err := os.ReadFile(opts.results)
	require.NoError(t, err)
	assert.Equal(t, printed.String(), string(written))
	host, err := os.Hostname()
	require.NoError(t, err)
	assert.NotContains(t, string(written), " "+host+" ")
	plot, err := os.ReadFile(opts.plot)
	require.NoError(t, err)
	require.NoError(t, xml.Unmarshal(plot, new(struct{ XMLName xml.Name })))
	assert.Contains(t, string(plot), contenders.Writer)

	opts = quick("^cycle$")
	opts.plot = filepath.Join(t.TempDir(), "plot.svg")
	assert.ErrorContains(t, run(opts, io.Discard, io.Discard), "were not run")
	assert.NoFileExists(t, opts.plot)
}

// results are an outcome with these times for an item, in each of three rounds.
func results(id, label string, took map[string]time.Duration) outcomes {
	var rows []measure.Row
	for _, c := range append(contenders.All(contenders.Values()), contenders.Writers()...) {
		each, ok := took[c.Name]
		if !ok {
			continue
		}
		row := measure.Row{Contender: c}
		for range 3 {
			row.Samples = append(row.Samples, measure.Sample{Timed: 1000, In: 1000, Out: 1000, Elapsed: 1000 * each, Allocated: 8})
			row.Ratios = append(row.Ratios, float64(each)/float64(took[contenders.RoundRobin]))
		}
		rows = append(rows, row)
	}
	s := section{id: id, title: id, columns: []column{{label: label}}}
	return outcomes{id: {section: s, rows: [][]measure.Row{rows}}}
}

func TestBarsHoldOrDoNot(t *testing.T) {
	all := results("insert", "1 producer", map[string]time.Duration{
		contenders.RoundRobin: 14, contenders.BareRoundRobin: 12, contenders.Bundler: 60, contenders.Lo: 42,
		contenders.Producer: 11, contenders.BareOwn: 7,
	})
	var told []string
	for _, b := range bars(all) {
		told = append(told, strings.Join([]string{b.what, b.asked, b.reached, string(b.verdict)}, "; "))
	}
	assert.Equal(t, []string{
		"Insert, RoundRobin, MaxSize 1000, 1 producer; ≤ 1.3 × bare round-robin, 8 mutexes + append; 1.17 ×; yes",
		"Insert, RoundRobin, MaxSize 1000, 1 producer; ≤ 15 ns alone; 14.0 ns alone; yes",
		"Insert, RoundRobin, MaxSize 1000, 1 producer; 0 allocations an item; 0.0080; yes",
		"Insert, RoundRobin, MaxSize 1000, 1 producer; ≥ 4 × ahead of every library; 3.00 × ahead of samber/lo BufferWithTimeout (bare: 3.50 ×); **no**",
		"Producer.Insert, MaxSize 1000, 1 producer; ≤ 1.3 × bare mutex + append, one each; 1.57 ×; **no**",
		"Producer.Insert, MaxSize 1000, 1 producer; ≤ 10 ns alone; 11.0 ns alone; **no**",
	}, told)
}

func TestWhatDidNotRunInParallelIsNotJudged(t *testing.T) {
	set := measure.Settings{Rounds: 2, Sample: 5 * time.Millisecond, Most: 2000}
	run := func(all outcomes, names ...string) outcomes {
		o := all["insert"]
		for i, row := range o.rows[0] {
			if slices.Contains(names, row.Name) { // one that sleeps has no processor
				rows, err := measure.Scenario{Work: measure.Work{Producers: 1, Batch: 1, Held: true}, Contenders: []measure.Contender{asleep(row.Contender)}}.Run(set, nil)
				require.NoError(t, err)
				require.True(t, rows[0].Marked())
				o.rows[0][i] = rows[0]
			}
		}
		return all
	}
	verdicts := func(all outcomes) (told []string) {
		for _, b := range bars(all) {
			if strings.Contains(b.asked, "×") {
				told = append(told, b.asked+": "+string(b.verdict))
			}
		}
		return told
	}
	fresh := func() outcomes {
		return results("insert", "2 producers", map[string]time.Duration{
			contenders.Sticky: 5, contenders.RoundRobin: 14, contenders.Channel: 12, contenders.Lo: 60,
		})
	}
	assert.Equal(t, []string{"≥ 4 × ahead of every library: yes", "≥ 2 × ahead of databuffer, RoundRobin: yes", "≥ 2 × ahead of buffered channel, one consumer: yes"}, verdicts(fresh()))
	told := verdicts(run(fresh(), contenders.RoundRobin))
	assert.Equal(t, []string{"≥ 4 × ahead of every library: †", "≥ 2 × ahead of databuffer, RoundRobin: †", "≥ 2 × ahead of buffered channel, one consumer: yes"}, told)
	assert.NotContains(t, strings.Join(verdicts(run(fresh(), contenders.Channel, contenders.Lo)), "; "), "†", "they have their producers wait")
}

// asleep is a contender under this one's name whose every item takes a while.
func asleep(c measure.Contender) measure.Contender {
	c.Start = func(_ measure.Work, sink *measure.Sink) (measure.Load, error) {
		return measure.Load{
			Insert: func(_, n int) int {
				time.Sleep(time.Duration(n) * time.Microsecond)
				sink.Take(n)
				return n
			},
			Close: func() error { return nil },
		}, nil
	}
	return c
}

func TestWhoIsAheadAndWhoLostIsTold(t *testing.T) {
	all := results("insert", "1 producer", map[string]time.Duration{
		contenders.RoundRobin: 20, contenders.Bundler: 10, contenders.Lo: 40, contenders.Channel: 5,
	})
	rows := all["insert"].rows[0]
	lossy := len(rows) - 1 // a library
	rows[lossy].Samples[0].Out -= 30
	r := &runner{options: quick(""), done: all}
	var b strings.Builder
	r.behind(&b, []section{all["insert"].section})
	assert.Contains(t, b.String(), "- insert, 1 producer: google api bundler takes 10.0 ns, 0.50 × ours\n")
	assert.Contains(t, b.String(), "- insert, 1 producer: samber/lo BufferWithTimeout lost 30 of 3000 items (1 %)\n")
	assert.NotContains(t, b.String(), "channel", "what is written by hand may be ahead: it does less")
	assert.Contains(t, cell(rows[lossy]), "**lost 1 %**")
}

func TestEverySectionComparesWithOurs(t *testing.T) {
	ids := make(map[string]bool)
	for _, s := range sections() {
		assert.False(t, ids[s.id], "two sections %q", s.id)
		ids[s.id] = true
		for _, c := range s.columns {
			names := make(map[string]measure.Kind)
			for _, contender := range c.Contenders {
				names[contender.Name] = contender.Kind
			}
			assert.Len(t, names, len(c.Contenders), "%s: each has a name of its own", s.id)
			kind, ok := names[s.against]
			assert.True(t, ok && kind == measure.Ours, "%s is against %q", s.id, s.against)
		}
	}
}
