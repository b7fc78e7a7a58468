package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-databuffer/databuffer/benchmarks/report"
)

func TestTable(t *testing.T) {
	var b strings.Builder
	n, err := report.Table{
		Header: []string{"", "1 producer"},
		Rows:   [][]string{{"**ours**", "9.50 µs"}, {"theirs", "1.00×"}},
	}.WriteTo(&b)
	require.NoError(t, err)
	assert.Equal(t, int64(b.Len()), n)
	assert.Equal(t, ""+
		"|          | 1 producer |\n"+
		"|:---------|-----------:|\n"+
		"| **ours** |    9.50 µs |\n"+
		"| theirs   |      1.00× |\n", b.String())
}

func TestNumber(t *testing.T) {
	for value, text := range map[float64]string{
		0: "0.00", 0.004: "0.00", 1.234: "1.23", 9.994: "9.99", 9.996: "10.0", 12.34: "12.3", 99.94: "99.9", 99.96: "100", 1234.5: "1234",
	} {
		assert.Equal(t, text, report.Number(value), "%v", value)
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		part, whole int
		text        string
	}{
		{0, 100, "0 %"},
		{0, 0, "0 %"},
		{1, 1_000_000, "< 0.01 %"},
		{1, 1000, "0.1 %"},
		{67, 1000, "6.7 %"},
		{999, 1000, "100 %"},
		{99, 100, "99 %"},
		{-5, 100, "-5 %"}, // delivered twice
	} {
		assert.Equal(t, c.text, report.Percent(c.part, c.whole), "%d of %d", c.part, c.whole)
	}
}

func panels() []report.Panel {
	return []report.Panel{
		{Title: "Insert <fast>", Rows: []report.PlotRow{
			{Name: "ours & co", Class: report.Ours, One: 15, Many: 30},
			{Name: "lossy", Class: report.Library, One: 150, Many: 3000, Lost: "6.7 %"},
		}},
		{Title: "Add", Rows: []report.PlotRow{{Name: "by hand", Class: report.ByHand, One: 5, Many: 5}}},
	}
}

// elements reads an SVG to its end, and returns how often each class stands on
// each kind of element.
func elements(t *testing.T, svg string) (classes map[string]int, texts string) {
	classes = make(map[string]int)
	decoder := xml.NewDecoder(strings.NewReader(svg))
	var all strings.Builder
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return classes, all.String()
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			for _, a := range token.Attr {
				if a.Name.Local == "class" {
					classes[token.Name.Local+" "+a.Value]++
				}
				assert.NotContains(t, a.Value, "NaN")
				assert.NotContains(t, a.Value, "Inf")
			}
		case xml.CharData:
			all.Write(token)
			all.WriteByte('\n')
		}
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	svg := report.Plot("Nanoseconds & more", "on <a machine>", "8 producers", panels())
	classes, texts := elements(t, svg)
	assert.Equal(t, 1, classes["rect band"], "ours stand out")
	assert.Equal(t, 1, classes["text lost"], "who lost items is marked")
	for _, text := range []string{"Nanoseconds & more", "on <a machine>", "Insert <fast>", "ours & co", "lost 6.7 %", "150", "3000", "8 producers", "1 µs"} {
		assert.Contains(t, texts, text)
	}
	assert.Contains(t, texts, "prefers-color-scheme: dark")
	assert.NotContains(t, svg, "url(", "nothing is loaded from elsewhere")
}

func TestPlotOfOneFigure(t *testing.T) {
	svg := report.Plot("one", "", "8 producers", []report.Panel{{Title: "one", Rows: []report.PlotRow{{Name: "one", Class: report.Ours, One: 100, Many: 100}}}})
	elements(t, svg)
}
