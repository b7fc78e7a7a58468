// Package report shows results: as tables in Markdown, which read well in a
// terminal too, and as a plot in SVG.
package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is one table of Markdown.
type Table struct {
	Header []string
	Rows   [][]string // each as long as Header
}

// WriteTo writes the table, its columns as wide as what is in them: the first
// aligned to the left, the others to the right.
func (t Table) WriteTo(w io.Writer) (int64, error) {
	widths := make([]int, len(t.Header))
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var text strings.Builder
	line := func(row []string) {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				text.WriteString("| " + cell + pad + " ")
			} else {
				text.WriteString("| " + pad + cell + " ")
			}
		}
		text.WriteString("|\n")
	}
	line(t.Header)
	for i, width := range widths {
		if i == 0 {
			text.WriteString("|:" + strings.Repeat("-", width+1))
		} else {
			text.WriteString("|" + strings.Repeat("-", width+1) + ":")
		}
	}
	text.WriteString("|\n")
	for _, row := range t.Rows {
		line(row)
	}
	n, err := io.WriteString(w, text.String())
	return int64(n), err
}

// Number shows a figure with three digits that count.
func Number(x float64) string {
	switch {
	case x >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case x >= 9.995:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}

// Percent shows a share of a whole: never 0 where there was something.
func Percent(part, whole int) string {
	if part == 0 || whole == 0 {
		return "0 %"
	}
	share := 100 * float64(part) / float64(whole)
	if share > 0 && share < 0.01 {
		return "< 0.01 %"
	}
	if share >= 10 {
		return fmt.Sprintf("%.0f %%", share)
	}
	return fmt.Sprintf("%.2g %%", share)
}
