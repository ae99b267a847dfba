package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushtrain/bot"
)

// perPage is how many entries of the deploy log one page shows.
const perPage = 50

// row is an entry as the templates show it.
type row struct {
	bot.Entry
	Diff string
	p    page
}

// Ago is for the templates.
func (r row) Ago() any { return r.p.Ago(r.At) }

func (p page) rows(entries []bot.Entry) []row {
	var out []row
	for _, e := range entries {
		out = append(out, row{Entry: e, Diff: p.s.diff(e.Stack, e.Old, e.New), p: p})
	}
	return out
}

// newest returns the newest n entries that keep lets through, newest first; nil = all.
func newest(all []bot.Entry, n int, keep func(bot.Entry) bool) []bot.Entry {
	var out []bot.Entry
	for _, e := range slices.Backward(all) {
		if len(out) == n {
			break
		}
		if keep == nil || keep(e) {
			out = append(out, e)
		}
	}
	return out
}

// filter is what the deploy log is narrowed to. Empty fields let all through.
type filter struct {
	Stack, Stage, Who, Day string
	Page                   int // from 1
}

func filterOf(q url.Values) filter {
	f := filter{Stack: q.Get("stack"), Stage: q.Get("stage"), Who: strings.TrimSpace(q.Get("who")), Day: q.Get("day"), Page: 1}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 1 {
		f.Page = min(n, 1<<20)
	}
	return f
}

func (f filter) keeps(e *bot.Entry) bool {
	return (f.Stack == "" || e.Stack == f.Stack) && (f.Stage == "" || e.Stage == f.Stage) && (f.Day == "" || day(e.At) == f.Day) &&
		(f.Who == "" || strings.EqualFold(e.By, f.Who) || slices.ContainsFunc(e.Riders, func(r string) bool { return strings.EqualFold(r, f.Who) }))
}

// at is the address of another page of the same entries.
func (f filter) at(path string, page int) string {
	q := url.Values{}
	for k, v := range map[string]string{"stack": f.Stack, "stage": f.Stage, "who": f.Who, "day": f.Day} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// logPage is one page of the deploy log.
type logPage struct {
	filter
	Rows         []row
	Days         []logDay
	Newer, Older string // "" = there is none
	Stages       []string
	All          int // entries that the filter lets through
	First, Last  int
}

// logDay is the rows of one day.
type logDay struct {
	Day  string
	Rows []row
}

func (s *Server) logOf(r *http.Request) (page, logPage) {
	p := s.page("Deploy log", "log", "")
	f := filterOf(r.URL.Query())
	all, from := 0, (f.Page-1)*perPage
	var shown []bot.Entry
	for i := len(p.Log) - 1; i >= 0; i-- { // by index: entries are large, and there may be many
		if !f.keeps(&p.Log[i]) {
			continue
		}
		if all >= from && len(shown) < perPage {
			shown = append(shown, p.Log[i])
		}
		all++
	}
	from = min(from, all)
	to := from + len(shown)
	l := logPage{filter: f, Rows: p.rows(shown), All: all, First: from + 1, Last: to}
	if f.Page > 1 {
		l.Newer = f.at("/log", f.Page-1)
	}
	if to < all {
		l.Older = f.at("/log", f.Page+1)
	}
	for _, st := range p.Stacks {
		for _, g := range st.Stages {
			if !slices.Contains(l.Stages, g.Name) {
				l.Stages = append(l.Stages, g.Name)
			}
		}
	}
	for _, row := range l.Rows {
		if d := row.At.UTC().Format("Monday 2 January 2006"); len(l.Days) == 0 || l.Days[len(l.Days)-1].Day != d {
			l.Days = append(l.Days, logDay{Day: d})
		}
		last := &l.Days[len(l.Days)-1]
		last.Rows = append(last.Rows, row)
	}
	p.JSON = f.at("/log.json", f.Page)
	p.Body = l
	return p, l
}

func (s *Server) log(w http.ResponseWriter, r *http.Request) {
	p, _ := s.logOf(r)
	s.show(w, http.StatusOK, "log.html", p)
}

func (s *Server) logJSON(w http.ResponseWriter, r *http.Request) {
	_, l := s.logOf(r)
	entries := []bot.Entry{}
	for _, row := range l.Rows {
		entries = append(entries, row.Entry)
	}
	answerJSON(w, map[string]any{"all": l.All, "page": l.Page, "entries": entries})
}

// logText is the deploy log as Deployinator wrote it: UTC time|ENV|who|message|stack|run
// log, newest first. It has what went live, and what people wrote.
func (s *Server) logText(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	var b strings.Builder
	f := filterOf(r.URL.Query())
	log := s.src.View().Log
	for i := len(log) - 1; i >= 0; i-- {
		e := &log[i]
		if !f.keeps(e) {
			continue
		}
		env, stack, file := strings.ToUpper(e.Stage), e.Stack, strconv.FormatUint(e.Rollout, 10)+".log"
		message := e.Stack + " " + e.Stage + " deploy: old " + orNone(e.Old.Release) + ", new: " + e.New.Release
		switch {
		case e.Text != "":
			env, stack, file, message = "GLOBAL", "GLOBAL", "", e.Text
		case !e.Live():
			continue
		}
		for i, field := range []string{e.At.UTC().Format(time.DateTime), env, e.By, message, stack, file} {
			if i > 0 {
				b.WriteByte('|')
			}
			b.WriteString(pipeSafe.Replace(field))
		}
		b.WriteByte('\n')
	}
	_, _ = w.Write([]byte(b.String())) // whoever has gone needs no answer
}

// pipeSafe is what Deployinator did to its fields.
var pipeSafe = strings.NewReplacer("|", "/", `"`, "&quot;", "'", "&apos;", "\n", " ", "\r", " ")

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
