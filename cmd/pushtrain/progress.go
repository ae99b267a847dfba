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
// one line an event; with json one object an event.
type progress struct {
	out   io.Writer
	json  bool
	quiet bool
	live  bool // a terminal: redraw
	hosts []string
	state map[string]string
	drawn int // lines on the screen that are redrawn
}

func newProgress(out io.Writer, o *options) *progress {
	f, ok := out.(*os.File)
	live := ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
	return &progress{out: out, json: o.json, quiet: o.quiet, live: live && !o.json, state: map[string]string{}}
}

func (p *progress) show(r bot.Reply) {
	switch {
	case p.json:
		_ = json.NewEncoder(p.out).Encode(r) // a closed pipe is the reader's choice
	case r.Over:
		p.drawn = 0
	case p.quiet:
	case r.Host == "":
		p.line(r.Line)
	case !p.live:
		if r.Line != "" {
			p.line(r.Host + ": " + r.Line)
		}
	default:
		p.host(r)
	}
}

// line prints above the hosts' lines.
func (p *progress) line(text string) {
	if text == "" {
		return
	}
	p.up()
	fmt.Fprintln(p.out, text+p.clear())
	p.draw()
}

func (p *progress) host(r bot.Reply) {
	if !slices.Contains(p.hosts, r.Host) {
		p.hosts = append(p.hosts, r.Host)
	}
	text := r.Line
	if r.Percent >= 0 && r.Line == "" {
		n := r.Percent / 5
		text = fmt.Sprintf("%s%s %3d%%", strings.Repeat("#", n), strings.Repeat("-", 20-n), r.Percent)
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

func (p *progress) draw() {
	p.drawn = 0
	if !p.live {
		return
	}
	width := 79
	if f, ok := p.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 10 {
			width = w - 1
		}
	}
	for _, h := range p.hosts {
		text := []rune(fmt.Sprintf("  %-16s %s", h, p.state[h]))
		fmt.Fprintln(p.out, string(text[:min(len(text), width)])+p.clear())
		p.drawn++
	}
}
