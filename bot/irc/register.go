package irc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lrstanley/girc"
)

// nickAttempts is how many nicks are tried before the link is given up.
const nickAttempts = 8

// shortestNickLen is the NICKLEN of RFC 1459, which every server allows.
const shortestNickLen = 9

var errNoLogin = errors.New("the server skipped the SASL login; it has no accounts, or services are down")

// register handles what comes before 001.
func (s *session) register(e girc.Event) error {
	switch e.Command {
	case "900", "903":
		s.loggedIn = true
	case "001":
		if s.link.cfg.SASL != nil && !s.loggedIn {
			return errNoLogin
		}
		if len(e.Params) > 0 {
			s.own.Nick = e.Params[0]
		}
		now := time.Now()
		s.enter(greeting)
		s.joinAt = now.Add(greetingLimit)
		s.regainAt = now.Add(regainPause)
	case "432": // too long, as a rule
		if s.shortNick {
			return fmt.Errorf("the server refuses the nick %s: %s", s.link.cfg.Nick, e.Last())
		}
		s.shortNick = true
		return s.tryNick()
	case "433", "436", "437":
		if s.nickTries++; s.nickTries == nickAttempts {
			return fmt.Errorf("no free nick: %s to %s are taken", s.link.cfg.Nick, s.nextNick())
		}
		return s.tryNick()
	}
	return nil
}

// nextNick returns the nick with as many underscores as there were collisions.
func (s *session) nextNick() string {
	nick := s.link.cfg.Nick
	if s.shortNick {
		nick = clip(nick, shortestNickLen-s.nickTries)
	}
	return nick + strings.Repeat("_", s.nickTries)
}

func (s *session) tryNick() error { return s.wire.send("NICK " + s.nextNick()) }

// wantsNick reports whether the bot has another nick than the configured one
// and the server would let it have that.
func (s *session) wantsNick() bool {
	want := s.link.cfg.Nick
	return s.own.Nick != want && (s.server.nickLen == 0 || len(want) <= s.server.nickLen)
}

// freed is called when nobody in the channel has nick any more.
func (s *session) freed(nick string) {
	if s.wantsNick() && s.server.casemap.Same(nick, s.link.cfg.Nick) {
		s.regainAt = time.Now()
	}
}

// negotiated keeps the capabilities that the server granted or withdrew.
func (s *session) negotiated(e girc.Event) {
	if len(e.Params) < 3 || !slices.Contains([]string{"ACK", "DEL"}, e.Params[1]) {
		return
	}
	for _, name := range strings.Fields(e.Last()) {
		name, off := strings.CutPrefix(name, "-")
		s.caps[name] = e.Params[1] == "ACK" && !off
	}
}

// knowsAccounts reports whether everybody's account is known: from a tag on
// each line, or from JOIN, ACCOUNT and WHO together.
func (s *session) knowsAccounts() bool {
	return s.caps["account-tag"] ||
		s.caps["extended-join"] && s.caps["account-notify"] && s.server.whox
}
