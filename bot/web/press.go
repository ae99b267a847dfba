package web

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"pushtrain/bot"
)

// maxForm is how long what is pressed may be, in bytes.
const maxForm = 4 << 10

// you is what the page says to one person, who may press.
type you struct {
	bot.Person
	Token   string
	Buttons []button
	Careful []button // behind one more click
}

// button says a command.
type button struct {
	Do    string // the command without its prefix
	Label string
}

// token proves that a form came from this page, of this process, for this person: a
// page elsewhere can send a browser here, with its password, but can't read this.
func (s *Server) token(p bot.Person) string {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(p.User))
	return hex.EncodeToString(mac.Sum(nil))
}

// Buttons reports whether anything can be pressed.
func (p page) Buttons() bool { return p.s.cfg.Auth.on() }

// youOf is what p may want to press now; the rules decide when they do.
func (s *Server) youOf(p bot.Person, v *bot.View) *you {
	y := &you{Person: p, Token: s.token(p)}
	me := func(nick string) bool { return strings.EqualFold(nick, p.Nick) }
	op := slices.ContainsFunc(v.Ops, func(o string) bool {
		return strings.EqualFold(o, p.Nick) && !v.Accounts || strings.EqualFold(o, p.Account) && v.Accounts
	})
	in := func(t bot.ViewTrain) bool {
		return slices.ContainsFunc(t.Riders, func(r bot.ViewRider) bool { return me(r.Nick) })
	}
	words := map[string]bool{}
	add := func(to *[]button, do, label, stack string) {
		if len(v.Stacks) > 1 {
			do, label = do+" "+stack, label+" "+stack
		}
		if !words[do] {
			*to = append(*to, button{do, label})
		}
		words[do] = true
	}
	rides := false
	for _, t := range v.Trains {
		if !in(t) || len(t.Stacks) == 0 {
			continue
		}
		rides = true
		stack, drives := t.Stacks[0], me(t.Riders[0].Nick)
		if t.Stage != "" {
			add(&y.Buttons, "good", "Good", stack)
			add(&y.Buttons, "uhoh", "Uh-oh", stack)
			if drives && t.Running == "" {
				add(&y.Buttons, "done", "Done", stack)
			}
		}
		if t.Pending(v.At) && !drives {
			add(&y.Buttons, "confirm", "Confirm "+t.Asks.Stage, stack)
		}
		if t.Running != "" {
			add(&y.Careful, "abort", "Abort", stack)
		}
	}
	for _, r := range v.Rollouts {
		if op {
			add(&y.Careful, "abort", "Abort", r.Stack)
		}
	}
	for _, st := range v.Stacks {
		waits := slices.ContainsFunc(v.Trains, func(t bot.ViewTrain) bool {
			return t.Stage == "" && in(t) && slices.Contains(t.Stacks, st.Name)
		})
		if !waits {
			add(&y.Buttons, "join", "Join", st.Name)
		}
		if mayGoBack(st, v, me, op) {
			add(&y.Careful, "rollback", "Roll back", st.Name)
		}
	}
	if rides {
		y.Buttons = append(y.Buttons, button{"leave", "Leave"})
	}
	return y
}

// mayGoBack reports whether the rules may let somebody flip a stack back: an op, a rider
// of what is live anywhere, or of the lane's head.
func mayGoBack(st bot.ViewStack, v *bot.View, me func(nick string) bool, op bool) bool {
	live := false
	for _, g := range st.Stages {
		live = live || g.Live.Release != ""
		if slices.ContainsFunc(g.Riders, me) {
			return true
		}
	}
	if op {
		return live
	}
	for _, t := range v.Trains {
		if slices.Contains(t.Stacks, st.Name) { // the first is the head
			return live && slices.ContainsFunc(t.Riders, func(r bot.ViewRider) bool { return me(r.Nick) })
		}
	}
	return false
}

// drawYou is the part of the page that is p's own.
func (s *Server) drawYou(p bot.Person) (string, error) {
	v := s.src.View()
	var b bytes.Buffer
	err := templates().ExecuteTemplate(&b, "you", page{View: v, s: s, Now: v.At, You: s.youOf(p, v)})
	return b.String(), err
}

// press does what a button says, as the person who pressed it, and shows the page
// again; where it was refused, with the channel's words for it.
func (s *Server) press(w http.ResponseWriter, r *http.Request) {
	p, ok := who(r)
	if !ok {
		http.Error(w, "nobody can press here", http.StatusForbidden) // unreachable: guard answers before
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "this was pressed on a page elsewhere", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "this is no form of this page", http.StatusBadRequest)
		return
	}
	if !hmac.Equal([]byte(r.PostForm.Get("token")), []byte(s.token(p))) {
		http.Error(w, "this was not pressed on your page, or the bot has started anew since: load the page again", http.StatusForbidden)
		return
	}
	do := r.PostForm.Get("do")
	if !isButton(do, s.src.View()) {
		http.Error(w, "there is no such button: say it in the channel", http.StatusBadRequest)
		return
	}
	refusal, err := s.src.Press(r.Context(), p, do)
	switch {
	case err != nil:
		http.Error(w, "the bot has ended; nobody knows whether it came to that", http.StatusServiceUnavailable)
	case refusal != "":
		s.now(w, r, http.StatusConflict, refusal)
	default:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// isButton reports whether do is a command that the page offers: one of its words,
// or a stage, and at most a stack behind it.
func isButton(do string, v *bot.View) bool {
	word, stack, more := strings.Cut(do, " ")
	known := slices.Contains([]string{"join", "leave", "good", "uhoh", "done", "confirm", "abort", "rollback"}, word)
	of := !more
	for _, st := range v.Stacks {
		of = of || st.Name == stack
		known = known || slices.ContainsFunc(st.Stages, func(g bot.ViewStage) bool { return g.Name == word })
	}
	return known && of
}
