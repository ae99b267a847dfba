package web

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushtrain/bot"
)

// rolloutPage is one rollout: under way, ended, or known by its log alone.
type rolloutPage struct {
	ID      uint64
	Entry   *row             // nil = it has not ended
	Running *bot.ViewRollout // nil = it is over
	Diff    string
	Links   []Link
	Phases  []took
	Log     bool // it has one
	Read    int64
}

// took is how long a rollout was in a state.
type took struct {
	Name string
	Took time.Duration
	Now  bool
}

// rollout serves /rollouts/N, /rollouts/N.json and /rollouts/N.log.
func (s *Server) rollout(w http.ResponseWriter, r *http.Request) {
	name, kind, _ := strings.Cut(r.PathValue("id"), ".")
	id, err := strconv.ParseUint(name, 10, 64)
	if err != nil || !slices.Contains([]string{"", "json", "log"}, kind) || name != strconv.FormatUint(id, 10) {
		s.notFound(w, r)
		return
	}
	file, err := s.src.RunLog(id)
	if err == nil {
		defer file.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.fail(w, fmt.Errorf("open a run log: %w", err))
		return
	}
	p, body := s.rolloutOf(id)
	body.Log = file != nil
	if body.Entry == nil && body.Running == nil && file == nil {
		s.notFound(w, r)
		return
	}
	switch kind {
	case "json":
		v := map[string]any{"rollout": id, "log": fmt.Sprintf("/rollouts/%d.log", id)}
		if body.Running != nil {
			v["running"] = body.Running
		}
		if body.Entry != nil {
			v["ended"] = body.Entry.Entry
		}
		answerJSON(w, v)
	case "log":
		if file == nil {
			s.notFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = copySlowly(w, file) // whoever has gone needs no log
	default:
		s.rolloutHTML(w, p, body, file)
	}
}

func (s *Server) rolloutOf(id uint64) (page, *rolloutPage) {
	p := s.page("", "log", fmt.Sprintf("/rollouts/%d.json", id))
	body := &rolloutPage{ID: id}
	p.Body = body
	p.Title = fmt.Sprintf("Rollout %d", id)
	for i, r := range p.Rollouts {
		if r.ID == id {
			body.Running = &p.Rollouts[i]
			body.Diff = s.diff(r.Stack, r.Old, r.New)
			body.Phases = phases(r.Phases, p.Now, true)
			body.Links = s.stage(r.Stack, r.Stage).Links
			p.Title = fmt.Sprintf("%s %s/%s", phase(r.State), r.Stack, r.Stage)
		}
	}
	for _, e := range newest(p.Log, 1, func(e bot.Entry) bool { return e.Rollout == id && id != 0 }) {
		row := p.rows([]bot.Entry{e})[0]
		body.Entry = &row
		if body.Running == nil {
			body.Diff, body.Links = row.Diff, s.stage(e.Stack, e.Stage).Links
			body.Phases = phases(e.Phases, e.At, false)
			p.Title = fmt.Sprintf("%s/%s %s", e.Stack, e.Stage, outcome(e))
		}
	}
	return p, body
}

// phases says how long each state lasted, up to end. What took no time is left out.
func phases(in []bot.Phase, end time.Time, running bool) []took {
	var out []took
	for i, p := range in {
		until := end
		if i+1 < len(in) {
			until = in[i+1].At
		}
		d, last := max(until.Sub(p.At), 0), i == len(in)-1
		if d < time.Millisecond && !(running && last) {
			continue
		}
		out = append(out, took{Name: phase(p.State), Took: d, Now: running && last})
	}
	return out
}

// Strip draws the phases as one bar.
func (r *rolloutPage) Strip() template.HTML {
	const width = 1000.0
	whole := time.Duration(0)
	for _, p := range r.Phases {
		whole += p.Took
	}
	var b strings.Builder
	b.WriteString(`<svg class="strip" viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">`)
	at := 0.0
	for i, p := range r.Phases {
		w := width * float64(p.Took) / float64(max(whole, 1))
		fmt.Fprintf(&b, `<rect class="p%d" x="%.1f" y="0" width="%.1f" height="8"/>`, i, at, max(0, w-2))
		at += w
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // numbers alone
}

// rolloutHTML writes the page in three pieces: the log between its head and its foot
// may be long, and is not held in memory.
func (s *Server) rolloutHTML(w http.ResponseWriter, p page, body *rolloutPage, file *os.File) {
	var size int64
	if file != nil {
		info, err := file.Stat()
		if err != nil {
			s.fail(w, fmt.Errorf("look at a run log: %w", err))
			return
		}
		size = info.Size()
	}
	var head, foot bytes.Buffer
	if err := templates().ExecuteTemplate(&head, "rollout.html", p); err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	out := slowly{w, http.NewResponseController(w)}
	if _, err := out.Write(head.Bytes()); err != nil {
		return
	}
	if file != nil {
		n, err := logHTML(out, io.LimitReader(file, size))
		if err != nil {
			return // the reader has gone, or the disk; the foot is missing then, and the log's end with it
		}
		body.Read = n
	}
	if err := templates().ExecuteTemplate(&foot, "rollout-foot", p); err == nil {
		_, _ = out.Write(foot.Bytes())
	}
}

// slowly gives each write its own time, so that a long log may take long and a
// reader who has stopped may not.
type slowly struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func (s slowly) Write(b []byte) (int, error) {
	_ = s.c.SetWriteDeadline(time.Now().Add(answerTime)) // a recorder in a test has none
	return s.w.Write(b)
}

func copySlowly(w http.ResponseWriter, from io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{slowly{w, http.NewResponseController(w)}}, from)
}

// logHTML writes the whole lines of a run log as HTML and returns how many bytes of it they are.
func logHTML(w io.Writer, log io.Reader) (read int64, err error) {
	in := bufio.NewReaderSize(log, 64<<10)
	var b bytes.Buffer
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			if err != io.EOF {
				return read, err
			}
			_, err = w.Write(b.Bytes()) // the rest is half a line
			return read, err
		}
		read += int64(len(line))
		lineHTML(&b, strings.TrimSuffix(line, "\n"))
		if b.Len() > 64<<10 {
			if _, err := w.Write(b.Bytes()); err != nil {
				return read, err
			}
			b.Reset()
		}
	}
}

// lineTime is how a line of a run log begins.
var lineTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)Z `)

// hostName is what may stand before the first colon and be the host that spoke.
var hostName = regexp.MustCompile(`^([\w.-]+): `)

// stateLine is one in which the rollout comes into a state.
var stateLine = regexp.MustCompile(`^[A-Z_]{4,} ?$|^[A-Z_]{4,} `)

// stepLine is the answer to one step of a host.
var stepLine = regexp.MustCompile(`^(build|test|fence|prepare|verify|flip|confirm|check|pull|unlock) (done|failed)\b`)

// lineHTML writes a line of a run log: its time, its host, and whether a command said it on stderr.
func lineHTML(b *bytes.Buffer, line string) {
	m := lineTime.FindStringSubmatch(line)
	if m == nil {
		fmt.Fprintf(b, "<span>%s\n</span>", html.EscapeString(line))
		return
	}
	const mark = "STDERR: "
	text, host, class := line[len(m[0]):], "", ""
	if h := hostName.FindStringSubmatch(text); h != nil && h[0] != mark {
		host, text = "<b>"+html.EscapeString(h[1])+":</b> ", text[len(h[0]):]
	}
	switch {
	case strings.HasPrefix(text, mark):
		class = ` class="err"`
	case stepLine.MatchString(text):
		class = ` class="step"`
	case host == "" && stateLine.MatchString(text):
		class = ` class="state"`
	}
	fmt.Fprintf(b, "<span%s><i>%s</i> %s%s\n</span>", class, m[1], host, html.EscapeString(text))
}

// Tail is the last lines of a rollout under way, for the template.
func (p page) Tail(r bot.ViewRollout) template.HTML {
	var b bytes.Buffer
	for _, l := range r.Tail {
		lineHTML(&b, l)
	}
	return template.HTML(b.String()) // lineHTML escapes
}

// rolloutEvents follows a rollout: its log from byte ?from= on, and its state. An
// event's id is how much of the log has come, so a browser that comes back misses
// and repeats nothing. It ends when the rollout has.
func (s *Server) rolloutEvents(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		s.notFound(w, r)
		return
	}
	from := position(r)
	pokes, stop := s.src.Watch()
	defer stop()
	if _, body := s.rolloutOf(id); body.Entry == nil && body.Running == nil {
		s.notFound(w, r)
		return
	}
	st, done, ok := s.open(w, r)
	if !ok {
		return
	}
	defer done()
	tick := time.NewTicker(s.quiet)
	defer tick.Stop()
	var file *os.File
	defer func() {
		if file != nil {
			file.Close()
		}
	}()
	sent := ""
	for {
		p, body := s.rolloutOf(id)
		p.Now = p.At
		var state bytes.Buffer
		if err := templates().ExecuteTemplate(&state, "rollout-state", p); err != nil {
			return
		}
		if file == nil {
			if file, err = s.src.RunLog(id); err != nil {
				file = nil // there is none yet
			}
		}
		if file != nil {
			if from, err = st.lines(file, from); err != nil {
				return
			}
		}
		if text := state.String(); text != sent {
			sent = text
			n := news{Edition: edition(), Now: p.At, Online: p.Online, Title: p.Title, Parts: map[string]string{"state": text}}
			if st.send("now", strconv.FormatInt(from, 10), n) != nil {
				return
			}
		}
		if body.Running == nil {
			_ = st.send("end", strconv.FormatInt(from, 10), nil) // whoever has gone knows
			return
		}
		if !s.wait(r, pokes, tick.C, st) {
			return
		}
	}
}

// position is from where on a browser wants the log.
func position(r *http.Request) int64 {
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.URL.Query().Get("from")} {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
			return n
		}
	}
	return 0
}

// lines sends the whole lines of a log from a position on and returns the one behind them.
func (st *stream) lines(file *os.File, from int64) (int64, error) {
	const piece = 256 << 10
	for {
		if _, err := file.Seek(from, io.SeekStart); err != nil {
			return from, err
		}
		var b bytes.Buffer
		n, err := logHTML(&b, io.LimitReader(file, piece))
		if err != nil || n == 0 {
			return from, err
		}
		from += n
		if err := st.send("log", strconv.FormatInt(from, 10), b.String()); err != nil {
			return from, err
		}
	}
}
