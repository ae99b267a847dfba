package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"pushtrain/bot"
)

// progress shows a rollout: on a terminal one line a host that is redrawn, else
// one line an event; with json one object an event; when quiet only what went wrong.
type progress struct {
	out, errs io.Writer
	json      bool
	quiet     bool
	live      bool // out is a terminal: redraw
	hosts     []string
	state     map[string]string
	drawn     int    // lines on the screen that are redrawn
	last      string // the line before this one
}

func newProgress(out, errs io.Writer, o *options) *progress {
	f, ok := out.(*os.File)
	live := ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
	return &progress{out: out, errs: errs, json: o.json, quiet: o.quiet, live: live, state: map[string]string{}}
}

func (p *progress) show(r bot.Reply) {
	switch {
	case p.json:
		_ = json.NewEncoder(p.out).Encode(r) // a closed pipe is the reader's choice
	case r.Over && p.quiet && r.Exit != 0:
		fmt.Fprintln(p.errs, "pushtrain:", p.last)
	case r.Host == "" && r.Line != "":
		p.last = r.Line
		p.line(r.Line)
	case r.Over || p.quiet || r.Host == "":
	case p.live:
		p.host(r)
	case r.Line != "":
		p.line(r.Host + ": " + r.Line)
	}
}

// line prints above the hosts' lines.
func (p *progress) line(text string) {
	if p.quiet {
		return
	}
	p.up()
	fmt.Fprintln(p.out, strings.ReplaceAll(text, "\n", p.clear()+"\n")+p.clear())
	p.draw()
}

func (p *progress) host(r bot.Reply) {
	if !slices.Contains(p.hosts, r.Host) {
		p.hosts = append(p.hosts, r.Host)
	}
	text := r.Line
	if text == "" {
		done := min(max(r.Percent, 0), 100)
		text = fmt.Sprintf("%3d%% %s%s", done, strings.Repeat("#", done/5), strings.Repeat("-", 20-done/5))
	}
	p.state[r.Host] = text
	p.up()
	p.draw()
}

func (p *progress) up() {
	if p.drawn > 0 {
		fmt.Fprintf(p.out, "\x1b[%dA", p.drawn)
	}
}

func (p *progress) clear() string {
	if p.live {
		return "\x1b[K"
	}
	return ""
}

// draw writes the hosts' lines. No line is wider than the terminal, and there are
// fewer than it has rows: the way up counts rows.
func (p *progress) draw() {
	p.drawn = 0
	if !p.live {
		return
	}
	width, height := 80, 24
	if w, h, err := term.GetSize(int(p.out.(*os.File).Fd())); err == nil && w > 10 && h > 3 {
		width, height = w, h
	}
	shown := p.hosts
	if len(shown) > height-1 {
		shown = shown[:height-2]
	}
	column := 16
	for _, h := range shown {
		column = max(column, len(h))
	}
	for _, h := range shown {
		p.row(fmt.Sprintf("  %-*s %s", column, h, p.state[h]), width)
	}
	if rest := len(p.hosts) - len(shown); rest > 0 {
		p.row(fmt.Sprintf("  and %d more hosts", rest), width)
	}
}

func (p *progress) row(text string, width int) {
	fmt.Fprintln(p.out, cut(text, width-1)+p.clear())
	p.drawn++
}

// cut shortens a line to columns of a terminal, where a sign from U+1100 on may take two.
func cut(text string, columns int) string {
	for i, r := range text {
		columns--
		if r >= 0x1100 {
			columns--
		}
		if columns < 0 {
			return text[:i]
		}
	}
	return text
}
