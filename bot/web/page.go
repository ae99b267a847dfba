package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"pushtrain/bot"
)

//go:embed page
var pages embed.FS

//go:embed static
var static embed.FS

// edition names what browsers have loaded: a page of another one loads anew.
var edition = sync.OnceValue(func() string {
	sum := sha256.New()
	for _, files := range []embed.FS{pages, static} {
		err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := files.ReadFile(path)
			sum.Write(data)
			return err
		})
		if err != nil {
			panic(err) // unreachable: it is embedded
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:6])
})

// page is what a template gets.
type page struct {
	*bot.View
	s     *Server
	Now   time.Time
	Title string
	Here  string // the entry of the menu that this is
	JSON  string // where the same is for programs
	Body  any    // of one page alone

	You     *you   // nil = nobody can press
	Refused string // why what was pressed was not done
}

// Stage is one stage as its template wants it.
type stageOf struct {
	page
	Number int
	Stack  bot.ViewStack
	bot.ViewStage
	Label   string
	Links   []Link
	Diff    string           // of what is live and what comes
	Brings  string           // of what is live and the stack's commits
	Was     string           // the difference to what was live before
	Rollout *bot.ViewRollout // that runs here
	Say     string           // what moves it: "alice says .princess"
}

// lane is the trains that carry a stack.
type lane struct {
	Stack  string
	Trains []bot.ViewTrain
	Held   string
}

// watch is what is worth a look after a stage.
type watch struct {
	bot.ViewTrain
	Stack string
	Last  bool // it was the last stage
	Links []Link
	Since time.Time
}

func (s *Server) page(title, here, json string) page {
	v := s.src.View()
	return page{View: v, s: s, Now: time.Now(), Title: title, Here: here, JSON: json}
}

// Edition is for the templates.
func (p page) Edition() string { return edition() }

// For and Ago are for the templates: how long, and how long ago.
func (p page) For(t time.Time) template.HTML { return since(p.Now, t) }
func (p page) Ago(t time.Time) template.HTML { return ago(p.Now, t) }

// Diff leads to the difference of two releases; "" without one.
func (p page) Diff(stack string, old, new bot.Ship) string { return p.s.diff(stack, old, new) }

// Ways are the stacks with their stages.
func (p page) Ways() [][]stageOf {
	var out [][]stageOf
	for _, st := range p.Stacks {
		var way []stageOf
		for i, g := range st.Stages {
			conf := p.s.stage(st.Name, g.Name)
			o := stageOf{page: p, Number: i + 1, Stack: st, ViewStage: g, Label: p.s.title(st.Name, g), Links: conf.Links, Diff: p.s.diff(st.Name, g.Live, g.Next), Was: p.s.diff(st.Name, g.Before, g.Live), Brings: p.s.brings(st), Say: p.say(st.Name, g.Name)}
			for j, r := range p.Rollouts {
				if r.Stack == st.Name && r.Stage == g.Name {
					o.Rollout = &p.Rollouts[j]
				}
			}
			way = append(way, o)
		}
		out = append(out, way)
	}
	return out
}

// say is what the driver of a stack's head train says to move it to a stage; "" when something else comes first.
func (p page) say(stack, stage string) string {
	for _, l := range p.Lanes() {
		if l.Stack != stack || len(l.Trains) == 0 {
			continue
		}
		if t := l.Trains[0]; t.Place == 0 && t.Next == stage && t.Running == "" && t.Held == "" && len(t.Riders) > 0 {
			if len(t.Waiting) > 0 && t.Stage != "" {
				return "waits for " + and(t.Waiting) + " to say " + p.Prefix + "good"
			}
			return t.Riders[0].Nick + " says " + p.Prefix + stage
		}
	}
	return ""
}

// Lanes are the stacks that somebody queues for, and the default one.
func (p page) Lanes() []lane {
	var out []lane
	for i, st := range p.Stacks {
		l := lane{Stack: st.Name}
		for _, t := range p.Trains {
			for _, name := range t.Stacks {
				if name == st.Name {
					l.Trains = append(l.Trains, t)
				}
			}
		}
		if len(l.Trains) > 0 || i == 0 {
			out = append(out, l)
		}
	}
	return out
}

// ToWatch are the trains that have arrived somewhere.
func (p page) ToWatch() []watch {
	var out []watch
	for _, t := range p.Trains {
		for _, st := range p.Stacks {
			for i, g := range st.Stages {
				for _, name := range t.Stacks {
					if name == st.Name && t.Stage == g.Name && t.Running == "" {
						out = append(out, watch{ViewTrain: t, Stack: st.Name, Last: i == len(st.Stages)-1, Links: p.s.stage(st.Name, g.Name).Links, Since: g.Since})
					}
				}
			}
		}
	}
	return out
}

// Of is p with what one of its parts is about.
func (p page) Of(body any) page {
	p.Body = body
	return p
}

// Strays are rollouts to where nothing is configured any more.
func (p page) Strays() []*bot.ViewRollout {
	var out []*bot.ViewRollout
	for i, r := range p.Rollouts {
		known := false
		for _, st := range p.Stacks {
			for _, g := range st.Stages {
				known = known || st.Name == r.Stack && g.Name == r.Stage
			}
		}
		if !known {
			out = append(out, &p.Rollouts[i])
		}
	}
	return out
}

var topicMarks = regexp.MustCompile(`&lt;[^\s&]+&gt;| \| `)

// Shown is the topic with its stages and the ends of its trains marked.
func (p page) Shown() template.HTML {
	text := topicMarks.ReplaceAllStringFunc(html.EscapeString(p.Topic), func(m string) string {
		if m == " | " {
			return " <i>|</i> "
		}
		return "<b>" + m + "</b>"
	})
	return template.HTML(text) // escaped above
}

// Recent are the newest entries of the deploy log.
func (p page) Recent() []row { return p.rows(newest(p.Log, 8, nil)) }

// Head is what the title shows: the head train, and what runs.
func (p page) Head() string {
	text := "clear"
	for _, t := range p.Trains {
		if t.Place == 0 {
			text = ""
			if t.Stage != "" {
				text = "<" + t.Stage + "> "
			}
			var nicks []string
			for _, r := range t.Riders {
				nicks = append(nicks, r.Nick)
			}
			text += strings.Join(nicks, " + ")
			break
		}
	}
	for _, r := range p.Rollouts {
		return fmt.Sprintf("%s %s: %s", phase(r.State), r.Stage, text)
	}
	return text
}

// Spoken is what a screen reader is told when it changes.
func (p page) Spoken() string {
	text := "Topic: " + p.Topic + "."
	for _, r := range p.Rollouts {
		text += fmt.Sprintf(" %s %s: %s.", r.Stack, r.Stage, phase(r.State))
	}
	return text
}

var templates = sync.OnceValue(func() *template.Template {
	words := template.FuncMap{
		"clock": clock, "iso": iso, "stamp": stamp, "day": day, "short": short, "span": span, "names": and, "phase": phase,
		"tone": tone, "outcome": outcome, "plural": plural, "lower": strings.ToLower, "join": strings.Join, "count": count, "percent": percent, "megabytes": megabytes,
		"seconds": func(s float64) string { return span(time.Duration(s * float64(time.Second))) },
	}
	return template.Must(template.New("").Funcs(words).ParseFS(pages, "page/*.html"))
})

// show writes a page as a whole.
func (s *Server) show(w http.ResponseWriter, status int, name string, p page) {
	var b bytes.Buffer
	if err := templates().ExecuteTemplate(&b, name, p); err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // whoever has gone needs no page
}

// fail is for what must not happen.
func (s *Server) fail(w http.ResponseWriter, err error) {
	s.logf("%v", err)
	http.Error(w, "the page could not be drawn; the bot's log says why", http.StatusInternalServerError)
}

func (s *Server) logf(format string, args ...any) {
	if s.cfg.Errors != nil {
		s.cfg.Errors.Printf(format, args...)
	}
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.show(w, http.StatusNotFound, "lost.html", s.page("Not here", "", ""))
}

func (s *Server) index(w http.ResponseWriter, r *http.Request) { s.now(w, r, http.StatusOK, "") }

// now shows what is now, to the one who asks.
func (s *Server) now(w http.ResponseWriter, r *http.Request, status int, refusal string) {
	p := s.page("", "now", "/index.json")
	p.Title = p.Head()
	p.Refused = refusal
	if me, ok := who(r); ok {
		p.You = s.youOf(me, p.View)
	}
	s.show(w, status, "index.html", p)
}

func (s *Server) indexJSON(w http.ResponseWriter, r *http.Request) { answerJSON(w, s.src.View()) }

// answerJSON is for programs; they read it from anywhere on this machine.
func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // whoever has gone needs no answer
}
