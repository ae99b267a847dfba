package web

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushtrain/bot"
)

// Auth says how the page learns who asks. The zero Auth asks nobody, and then nothing can be pressed.
type Auth struct {
	Passwords string // an htpasswd file: the page asks for a password; see readPasswords

	Header  string         // or: the header in which one of Proxies says who asks
	Proxies []netip.Prefix // whoever else comes is turned away, whatever they say

	People []bot.Person // who is who in the channel; one who is not listed has the same name there
}

func (a Auth) on() bool { return a.Passwords != "" || a.Header != "" }

// person is who a user is in the channel.
func (a Auth) person(user string) bot.Person {
	for _, p := range a.People {
		if p.User == user {
			return p
		}
	}
	return bot.Person{User: user, Nick: user, Account: user}
}

// whoKey is where a request's context has its bot.Person.
type whoKey struct{}

// who asks; ok is false where nobody is asked for a name.
func who(r *http.Request) (p bot.Person, ok bool) {
	p, ok = r.Context().Value(whoKey{}).(bot.Person)
	return p, ok
}

// maxUser is how long a name may be, in bytes.
const maxUser = 64

// login finds out who asks and hands the request on with that; else it answers.
func (s *Server) login(w http.ResponseWriter, r *http.Request, next http.Handler) {
	var user string
	switch {
	case s.cfg.Auth.Passwords != "":
		name, password, given := r.BasicAuth()
		if !given {
			askPassword(w)
			return
		}
		wait, err := s.logins.check(from(r), name, password)
		switch {
		case errors.Is(err, errWrong):
			askPassword(w)
			return
		case errors.Is(err, errTooMany):
			w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
			http.Error(w, "too many wrong passwords: wait a minute", http.StatusTooManyRequests)
			return
		case err != nil:
			s.logf("read the passwords: %v", err)
			http.Error(w, "the passwords can't be read; the bot's log says why", http.StatusInternalServerError)
			return
		}
		user = name
	default:
		addr := from(r)
		if !slices.ContainsFunc(s.cfg.Auth.Proxies, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			http.Error(w, "this page is reached through its proxy alone", http.StatusForbidden)
			return
		}
		said := r.Header.Values(s.cfg.Auth.Header)
		if len(said) != 1 || said[0] == "" || len(said[0]) > maxUser || clean(said[0]) != said[0] { // two: one of them is not the proxy's
			http.Error(w, "the proxy does not say who asks", http.StatusForbidden)
			return
		}
		user = strings.TrimSpace(said[0])
	}
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), whoKey{}, s.cfg.Auth.person(user))))
}

// mayStill reports whether somebody who was let in is not struck off the file since.
// Whom a proxy lets in is the proxy's to end.
func (s *Server) mayStill(r *http.Request) bool {
	name, password, given := r.BasicAuth()
	if s.cfg.Auth.Passwords == "" || !given {
		return true
	}
	_, err := s.logins.check(from(r), name, password)
	return !errors.Is(err, errWrong) && !errors.Is(err, errTooMany)
}

func askPassword(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="pushtrain", charset="UTF-8"`)
	http.Error(w, "who are you?", http.StatusUnauthorized)
}

// from is the address that a request came from; the zero Addr when there is none.
func from(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
