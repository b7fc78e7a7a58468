package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Class is how a row of a plot looks.
type Class string

// What rows may be.
const (
	Ours    Class = "ours"
	ByHand  Class = "hand"
	Library Class = "lib"
)

// Panel is one part of a plot: rows on an axis that all panels share.
type Panel struct {
	Title string
	Rows  []PlotRow
}

// PlotRow is what a contender needs for an item in nanoseconds, alone and with
// the other number of producers.
type PlotRow struct {
	Name      string
	Class     Class
	One, Many float64
	Lost      string // what share was lost; "" where nothing was
}

// The measures of a plot, in pixels.
const (
	width     = 900
	left      = 270 // where the axis begins
	right     = 690 // and where it ends
	rowHeight = 22
	top       = 118
	panelGap  = 58
	columnOne = 765 // the right end of the figures for one producer, and of those for many
	columnTwo = 872
)

// style has every colour twice, and as plain values: what knows no media query
// shows the light ones.
const style = `
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2328 }
.title { font-size: 18px; font-weight: 600 } .panel { font-size: 14px; font-weight: 600 } .small, .tick { font-size: 12px; fill: #59636e }
.bg { fill: #ffffff; stroke: #d1d9e0 } .grid { stroke: #d1d9e0 } .minor { stroke: #eff2f5 } .band { fill: #ddf4ff }
.name.ours, .value.ours { font-weight: 600; fill: #0550ae } .name.hand { font-style: italic; fill: #59636e } .value { font-variant-numeric: tabular-nums }
.line { stroke-width: 2 } .line.ours { stroke: #0969da } .line.hand { stroke: #818b98 } .line.lib { stroke: #4d2d00; stroke-opacity: .55 }
.dot { stroke-width: 2 } .dot.ours { fill: #0969da; stroke: #0969da } .dot.hand { fill: #818b98; stroke: #818b98 } .dot.lib { fill: #9a6700; stroke: #9a6700 }
.dot.one { fill: #ffffff } .lost { fill: #cf222e; font-size: 12px; font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small, .tick { fill: #9198a1 }
.bg { fill: #0d1117; stroke: #3d444d } .grid { stroke: #3d444d } .minor { stroke: #1f252d } .band { fill: #12233b }
.name.ours, .value.ours { fill: #79c0ff } .name.hand { fill: #9198a1 }
.line.ours { stroke: #4493f8 } .line.hand { stroke: #848d97 } .line.lib { stroke: #d29922; stroke-opacity: .55 }
.dot.ours { fill: #4493f8; stroke: #4493f8 } .dot.hand { fill: #848d97; stroke: #848d97 } .dot.lib { fill: #d29922; stroke: #d29922 }
.dot.one { fill: #0d1117 } .lost { fill: #ff7b72 }
}`

// axis is logarithmic, from one power of ten to another.
type axis struct{ low, high int }

func (a axis) x(value float64) float64 {
	return left + (math.Log10(value)-float64(a.low))/float64(a.high-a.low)*(right-left)
}

// fit makes an axis on which all rows have their place.
func fit(panels []Panel) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range panels {
		for _, r := range p.Rows {
			low, high = min(low, r.One, r.Many), max(high, r.One, r.Many)
		}
	}
	a := axis{int(math.Floor(math.Log10(low))), int(math.Ceil(math.Log10(high)))}
	if a.high == a.low {
		a.high++
	}
	return a
}

// Plot draws panels as an SVG. Every figure in them must be more than zero.
func Plot(title, subtitle string, many string, panels []Panel) string {
	var b strings.Builder
	a := fit(panels)
	height := top
	for _, p := range panels {
		height += panelGap + rowHeight*len(p.Rows)
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s\n</style>\n", html.EscapeString(title), style)
	fmt.Fprintf(&b, `<rect class="bg" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>`+"\n", width-1, height-1)
	words(&b, "title", 24, 34, "", title)
	words(&b, "small", 24, 56, "", subtitle)
	legend(&b, many)
	y := top
	for _, p := range panels {
		y = panel(&b, a, p, many, y)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// legend says what the marks are.
func legend(b *strings.Builder, many string) {
	x := 30
	for _, entry := range []struct {
		class, text string
		width       int
	}{{"ours", "databuffer", 108}, {"lib", "libraries", 92}, {"hand", "by hand: less than a buffer", 200}} {
		fmt.Fprintf(b, `<circle class="dot %s" cx="%d" cy="79" r="5"/>`+"\n", entry.class, x)
		words(b, "small", x+11, 83, "", entry.text)
		x += entry.width
	}
	fmt.Fprintf(b, `<circle class="dot one hand" cx="%d" cy="79" r="4"/>`+"\n", x+8)
	words(b, "small", x+18, 83, "", "1 producer")
	fmt.Fprintf(b, `<circle class="dot hand" cx="%d" cy="79" r="5"/>`+"\n", x+108)
	words(b, "small", x+119, 83, "", many)
}

// panel draws one panel below y, and returns where it ends.
func panel(b *strings.Builder, a axis, p Panel, many string, y int) int {
	words(b, "panel", 24, y+8, "", p.Title)
	words(b, "small", columnOne, y+8, "end", "1 producer")
	words(b, "small", columnTwo, y+8, "end", many)
	y += 20
	bottom := y + rowHeight*len(p.Rows)
	for i, r := range p.Rows {
		if r.Class == Ours {
			fmt.Fprintf(b, `<rect class="band" x="14" y="%d" width="%d" height="%d" rx="3"/>`+"\n", y+rowHeight*i+1, width-28, rowHeight-2)
		}
	}
	for power := a.low; power <= a.high; power++ {
		x := a.x(math.Pow10(power))
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", x, y, x, bottom)
		words(b, "tick", int(x), bottom+16, "middle", nanoseconds(power))
		if power == a.high {
			break
		}
		for _, part := range []float64{2, 5} {
			x := a.x(part * math.Pow10(power))
			fmt.Fprintf(b, `<line class="minor" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", x, y, x, bottom)
		}
	}
	for i, r := range p.Rows {
		row(b, a, r, y+rowHeight*i+rowHeight/2)
	}
	return bottom + panelGap - 20
}

func row(b *strings.Builder, a axis, r PlotRow, y int) {
	one, many := a.x(r.One), a.x(r.Many)
	words(b, "name "+string(r.Class), left-14, y+4, "end", r.Name)
	fmt.Fprintf(b, `<line class="line %s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", r.Class, one, y, many, y)
	fmt.Fprintf(b, `<circle class="dot %s" cx="%.1f" cy="%d" r="5"/>`+"\n", r.Class, many, y)
	fmt.Fprintf(b, `<circle class="dot %s one" cx="%.1f" cy="%d" r="4"/>`+"\n", r.Class, one, y)
	words(b, "value "+string(r.Class), columnOne, y+4, "end", Number(r.One))
	words(b, "value "+string(r.Class), columnTwo, y+4, "end", Number(r.Many))
	if r.Lost != "" {
		words(b, "lost", int(max(one, many))+12, y+4, "", "lost "+r.Lost)
	}
}

// words writes text; end is where x is: its start where that is "".
func words(b *strings.Builder, class string, x, y int, end, text string) {
	anchor := ""
	if end != "" {
		anchor = fmt.Sprintf(` text-anchor="%s"`, end)
	}
	fmt.Fprintf(b, `<text class="%s" x="%d" y="%d"%s>%s</text>`+"\n", class, x, y, anchor, html.EscapeString(text))
}

// nanoseconds shows a power of ten of them.
func nanoseconds(power int) string {
	switch {
	case power >= 6:
		return fmt.Sprintf("%.0f ms", math.Pow10(power-6))
	case power >= 3:
		return fmt.Sprintf("%.0f µs", math.Pow10(power-3))
	default:
		return fmt.Sprintf("%g ns", math.Pow10(power))
	}
}
