// Package web is the page: the queue, what each stage serves, rollouts as they run,
// the deploy log and the stats, for people and for programs. It shows
// what its [Source] last published, so nothing here can slow or stop the train: a
// viewer who is slow misses some states and then gets the newest one, and one who
// does not read at all is dropped.
//
//	/                  what is now, live
//	/log               the deploy log, newest first, by stack, stage, person and day
//	/rollouts/N        one rollout with its whole run log, followed live while it runs
//	/rollouts/N.log    that log as it is in the file
//	/stats             pictures, each with its numbers in a table
//	/index.json, /log.json, /rollouts/N.json, /stats.json   the same for programs
//	/events, /rollouts/N/events   the same as it changes (server-sent events)
//	/deploys.json?from=&to=       what went live, as annotations for graphs
//	/log.txt           the deploy log in Deployinator's format
//	/metrics           for Prometheus
//	POST /do           says a command, where people log in
//
// Without a login ([Auth]) nothing can be pressed, and who reaches the page may read it: so the
// owner listens on this machine alone and leaves the rest of the world to a proxy that asks who it is.
// With one, each request has a person, who may press what they could say in the channel
// too; the rules are the bot's, the page knows none. That it was them, and on this page, is
// proved twice: by what browsers say of where a form stood, and by a token in it.
// A page elsewhere that has a name of its own lead here (DNS rebinding) is refused
// by the Host header. All is embedded: the page asks no other server for anything, and
// its policy forbids browsers to.
package web

import (
	"context"
	"crypto/rand"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"pushtrain/bot"
	"pushtrain/train"
)

// Source is what the page shows, and whom it tells what was pressed. *bot.Bot is one. All methods may be called by any goroutine.
type Source interface {
	// View is the newest state; never nil.
	View() *bot.View
	// Watch pokes when there is a new View, until stop is called.
	Watch() (news <-chan struct{}, stop func())
	// RunLog opens the log of a rollout; fs.ErrNotExist when there is none.
	RunLog(id uint64) (*os.File, error)
	// Stats sums up the last days of a stack, or with "" of all.
	Stats(ctx context.Context, days int, stack string) (train.Stats, error)
	// Press does what p would by saying text in the channel, and returns why not.
	Press(ctx context.Context, p bot.Person, text string) (refusal string, err error)
}

// Config is what the page needs to know that is not in a View.
type Config struct {
	Names  []string // hosts, beside this machine's own, under which the page may be asked for
	Stacks []Stack  // what people want to see of them; those without an entry are shown too
	Auth   Auth     // who may press
	Live   int      // streams that may be open at once; 0 = 200
	Errors *log.Logger
}

// Stack is how a stack is shown.
type Stack struct {
	Name    string
	DiffURL string // with {old}, {new} and {stack} in it; "" = no link
	Stages  []Stage
}

// Stage is how a stage is shown.
type Stage struct {
	Name  string
	Title string // "" = made of the name
	Links []Link
}

// Link leads to what is worth a look.
type Link struct{ Name, URL string }

// Server is the page. It is ready for requests when New returns.
type Server struct {
	cfg    Config
	src    Source
	routes http.Handler
	quiet  time.Duration // of a stream, before it shows that it lives
	places chan struct{} // one entry a stream
	drawn  drawn
	stats  statsCache
	logins *logins
	secret []byte                 // of the tokens
	next   atomic.Pointer[Server] // answers in place of this one; nil = none
	over   chan struct{}          // closed when another one answers: streams end, and come again there
}

// New returns the page of src.
func New(cfg Config, src Source) *Server {
	if cfg.Live == 0 {
		cfg.Live = 200
	}
	s := &Server{cfg: cfg, src: src, places: make(chan struct{}, cfg.Live), logins: newLogins(cfg.Auth.Passwords), secret: make([]byte, 32), quiet: quietTime, over: make(chan struct{})}
	_, _ = rand.Read(s.secret) // it never fails, says crypto/rand
	s.routes = s.guard(s.mux())
	return s
}

// Replace has s answer by another configuration from the next request on. Streams
// that are open end: who may read them is asked anew. One goroutine calls it.
func (s *Server) Replace(cfg Config) {
	next := New(cfg, s.src)
	next.secret, next.places = s.secret, s.places
	was := s.next.Swap(next)
	if was == nil {
		was = s
	}
	close(was.over)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if next := s.next.Load(); next != nil {
		s = next
	}
	s.routes.ServeHTTP(w, r)
}

// How long requests and answers may take. A stream has answerTime for each of its events.
const (
	requestTime = 10 * time.Second
	answerTime  = 20 * time.Second
	idleTime    = 2 * time.Minute
	closeTime   = 2 * time.Second
)

// Serve answers requests on l, which it closes, until ctx ends; streams end at once
// then. It returns when nothing is under way any more.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler: s, ErrorLog: s.cfg.Errors, BaseContext: func(net.Listener) context.Context { return ctx },
		ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: 32 << 10,
	}
	var closing sync.WaitGroup
	defer closing.Wait()
	ended := make(chan struct{})
	defer close(ended)
	closing.Go(func() {
		select {
		case <-ctx.Done():
		case <-ended:
		}
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if h.Shutdown(patience) != nil {
			_ = h.Close() // those who are left read nothing
		}
	})
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) mux() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", s.index)
	m.HandleFunc("GET /index.json", s.indexJSON)
	m.HandleFunc("GET /events", s.events)
	m.HandleFunc("POST /do", s.press)
	m.HandleFunc("GET /log", s.log)
	m.HandleFunc("GET /log.json", s.logJSON)
	m.HandleFunc("GET /log.txt", s.logText)
	m.HandleFunc("GET /rollouts/{id}", s.rollout)
	m.HandleFunc("GET /rollouts/{id}/events", s.rolloutEvents)
	m.HandleFunc("GET /stats", s.statsPage)
	m.HandleFunc("GET /stats.json", s.statsJSON)
	m.HandleFunc("GET /deploys.json", s.deploysJSON)
	m.HandleFunc("GET /metrics", s.metrics)
	m.Handle("GET /static/", http.FileServerFS(static))
	m.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/static/icon.svg", http.StatusMovedPermanently)
	})
	m.HandleFunc("GET /", s.notFound)
	return m
}
