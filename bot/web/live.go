package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"pushtrain/bot"
)

// quietTime is how long a stream says nothing before it shows that it lives, less than
// what proxies cut off; and how often it is asked who still may follow.
const quietTime = 15 * time.Second

// parts are the templates that a stream sends when they change; each fills the
// element of its name with the prefix "part-".
var parts = []string{"hold", "topic", "ways", "queue", "watch", "recent"}

// drawn keeps the parts of the newest View, so that each is drawn once for all who look.
type drawn struct {
	mu   sync.Mutex
	view *bot.View
	news news
}

// news is one event of a stream.
type news struct {
	Edition string            `json:"edition"`
	Now     time.Time         `json:"now"`
	Online  bool              `json:"online"`
	Title   string            `json:"title"`
	Spoken  string            `json:"spoken"`
	Parts   map[string]string `json:"parts"` // those that have changed
}

// draw returns the page's parts as they are now.
func (s *Server) draw() (news, error) {
	d := &s.drawn
	d.mu.Lock()
	defer d.mu.Unlock()
	v := s.src.View()
	if d.view == v {
		return d.news, nil
	}
	p := page{View: v, s: s, Now: v.At}
	n := news{Edition: edition(), Now: v.At, Online: v.Online, Title: p.Head(), Spoken: p.Spoken(), Parts: map[string]string{}}
	for _, name := range parts {
		var b bytes.Buffer
		if err := templates().ExecuteTemplate(&b, name, p); err != nil {
			return news{}, err
		}
		n.Parts[name] = b.String()
	}
	d.view, d.news = v, n
	return n, nil
}

// stream is one browser that follows.
type stream struct {
	w http.ResponseWriter
	c *http.ResponseController
}

// open begins a stream; ok is false where there is none to write: no place, or HEAD.
// close gives the place back.
func (s *Server) open(w http.ResponseWriter, r *http.Request) (st *stream, close func(), ok bool) {
	select {
	case s.places <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many follow the page live; it can be read without", http.StatusServiceUnavailable)
		return nil, nil, false
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead { // that is all there is to it
		<-s.places
		return nil, nil, false
	}
	return &stream{w, http.NewResponseController(w)}, func() { <-s.places }, true
}

// send writes one event. An error says that nobody reads any more.
func (st *stream) send(event, id string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return st.write(fmt.Sprintf("event: %s\n%sdata: %s\n\n", event, id, text))
}

// alive shows that the stream is there, and finds out whether anybody reads.
func (st *stream) alive() error { return st.write(": \n\n") }

func (st *stream) write(text string) error {
	if err := st.c.SetWriteDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	if _, err := st.w.Write([]byte(text)); err != nil {
		return err
	}
	return st.c.Flush()
}

// events follows the front page: first all of it, then what changes.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	st, done, ok := s.open(w, r)
	if !ok {
		return
	}
	defer done()
	pokes, stop := s.src.Watch()
	defer stop()
	tick := time.NewTicker(s.quiet)
	defer tick.Stop()
	sent := map[string]string{}
	for {
		n, err := s.draw()
		if err != nil {
			return // the whole page says it
		}
		all := n.Parts
		if me, ok := who(r); ok {
			all = maps.Clone(all) // it is everybody's
			if all["you"], err = s.drawYou(me); err != nil {
				return
			}
		}
		changed := map[string]string{}
		for name, html := range all {
			if was, ok := sent[name]; !ok || was != html { // an empty one too: the browser may show an older one
				changed[name], sent[name] = html, html
			}
		}
		n.Parts = changed
		if st.send("now", "", n) != nil {
			return
		}
		if !s.wait(r, pokes, tick.C, st) {
			return
		}
	}
}

// wait returns true when there is news, false when nobody reads, who reads may not any
// more, or the bot ends.
func (s *Server) wait(r *http.Request, pokes <-chan struct{}, tick <-chan time.Time, st *stream) bool {
	for {
		select {
		case <-pokes:
			return true
		case <-tick:
			if !s.mayStill(r) || st.alive() != nil {
				return false
			}
		case <-s.over:
			return false
		case <-r.Context().Done():
			return false
		}
	}
}
