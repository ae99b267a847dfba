package web

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// chart is a picture and, beside it, a table of the same numbers.
type chart struct {
	Title string
	Head  []string // of the table
	Bars  []bar
	Whole bool // the numbers are counts
}

// bar is one value, and at times a larger one behind it.
type bar struct {
	Name     string
	Value    float64
	Text     string
	More     float64 // 0 = none
	MoreText string
	LastText string // in the table alone
	Dim      bool
}

// Any reports whether there is something to draw.
func (c chart) Any() bool {
	for _, b := range c.Bars {
		if b.Value > 0 {
			return true
		}
	}
	return false
}

func (c chart) top() float64 {
	top := 0.0
	for _, b := range c.Bars {
		top = max(top, b.Value, b.More)
	}
	return max(top, 1e-9)
}

// Columns draws the values as columns from left to right, the newest at the right, so
// many pixels wide; on a phone what is wider than that is moved to and fro.
func (c chart) Columns(width float64) template.HTML {
	const height, foot, left = 200.0, 24.0, 26.0
	top := c.top()
	step := niceStep(top)
	top = math.Ceil(top/step) * step
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart columns w%[1]g" viewBox="0 0 %[1]g %[2]g" role="img" aria-label="%[3]s">`, width, height, html.EscapeString(c.Title))
	y := func(v float64) float64 { return 8 + (height-foot-8)*(1-v/top) }
	for v := 0.0; v <= top+step/2; v += step {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="axis" x="%g" y="%.1f" text-anchor="end">%g</text>`, left, width, y(v), y(v), left-6, y(v)+4, v)
	}
	each := (width - left) / float64(len(c.Bars))
	every := max(1, int(math.Ceil(float64(len(c.Bars))/10)))
	for i, x := range c.Bars {
		at := left + float64(i)*each
		class := ""
		if x.Dim {
			class = ` class="dim"`
		}
		fmt.Fprintf(&b, `<g%s><title>%s: %s</title><rect class="hit" x="%.1f" y="8" width="%.1f" height="%g"/><rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2"/></g>`,
			class, html.EscapeString(x.Name), html.EscapeString(x.Text), at, each, height-foot-8, at+each*0.14, y(x.Value), each*0.72, max(0, height-foot-y(x.Value)))
		if back := len(c.Bars) - 1 - i; back%every == 0 {
			fmt.Fprintf(&b, `<text class="axis" x="%.1f" y="%g" text-anchor="end">%s</text>`, at+each*0.86, height-6, html.EscapeString(x.Name))
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // what people wrote is escaped above
}

// Rows draws the values as bars below each other.
func (c chart) Rows() template.HTML {
	const width, line, left, right = 560.0, 30.0, 168.0, 136.0
	top := c.top()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart rows" viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, line*float64(len(c.Bars)), html.EscapeString(c.Title))
	for i, x := range c.Bars {
		y := line * float64(i)
		scale := func(v float64) float64 { return max(2, (width-left-right)*v/top) }
		text, end := x.Text, scale(max(x.Value, x.More))
		if x.MoreText != "" {
			text += " – " + x.MoreText
		}
		fmt.Fprintf(&b, `<text class="name" x="%g" y="%.1f" text-anchor="end">%s</text>`, left-12, y+line/2+4.5, html.EscapeString(x.Name))
		if x.More > 0 {
			fmt.Fprintf(&b, `<rect class="more" x="%g" y="%.1f" width="%.1f" height="16" rx="3"/>`, left, y+9, end)
		}
		fmt.Fprintf(&b, `<rect class="bar" x="%g" y="%.1f" width="%.1f" height="16" rx="3"/><text class="value" x="%.1f" y="%.1f">%s</text>`,
			left, y+9, scale(x.Value), left+end+8, y+line/2+4.5, html.EscapeString(text))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // what people wrote is escaped above
}

// niceStep is the distance of grid lines: 1, 2 or 5 times a power of ten, about four of them.
func niceStep(top float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(max(top/4, 1))))
	for _, m := range []float64{1, 2, 5, 10} {
		if top/(m*unit) <= 5 {
			return m * unit
		}
	}
	return 10 * unit // unreachable: one of them fits
}
