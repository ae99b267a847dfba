package irc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lrstanley/girc"
)

// nickAttempts is how many nicks are tried before the link is given up.
const nickAttempts = 8

// shortestNickLen is the NICKLEN of RFC 1459, which every server allows.
const shortestNickLen = 9

// maxOffered is many more capabilities than there are.
const maxOffered = 1000

// register handles what comes before 001.
func (s *session) register(e girc.Event) error {
	switch e.Command {
	case "900", "903":
		s.loggedIn = true
	case "001":
		if s.link.cfg.SASL != nil && !s.loggedIn {
			return errNoSASL
		}
		if len(e.Params) > 0 {
			s.own.Nick = e.Params[0]
		}
		now := time.Now()
		s.enter(greeting)
		s.joinAt = now.Add(greetingLimit)
		s.regainAt = now.Add(regainPause)
	case "902", "904", "905", "906", "908":
		if s.link.cfg.SASL != nil {
			return &loginError{strings.Join(e.Params[min(1, len(e.Params)):], " ")}
		}
	case "464":
		return &passwordError{e.Last()}
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

// negotiated keeps the capabilities that the server offers, granted or withdrew.
func (s *session) negotiated(e girc.Event) error {
	if len(e.Params) < 3 {
		return nil
	}
	names := strings.Fields(e.Last())
	switch e.Params[1] {
	case "ACK", "DEL":
		for _, name := range names {
			name, off := strings.CutPrefix(name, "-")
			s.caps[name] = e.Params[1] == "ACK" && !off
		}
	case "LS", "NEW":
		return s.offer(names, e.Params[1] == "LS" && len(e.Params) == 3)
	}
	return nil
}

// offer takes what the server offers, and its list's end. In plain text the link
// ends, before it has told who the bot is, where the server wants TLS; and any link does
// where the server has no login for a bot that has to log in.
func (s *session) offer(names []string, last bool) error {
	for _, name := range names {
		if policy, ok := strings.CutPrefix(name, "sts="); ok && s.link.cfg.TLS == nil {
			return &WantsTLS{Port: port(policy)}
		}
	}
	if s.phase != registering {
		return nil
	}
	if s.offered = append(s.offered, names...); len(s.offered) > maxOffered {
		return errors.New("the server's list of capabilities has no end")
	}
	if !last {
		return nil
	}
	if how := s.link.cfg.SASL; how != nil && !s.loggedIn {
		if err := offersLogin(s.offered, strings.ToUpper(how.Mechanism)); err != nil {
			return err
		}
	}
	return s.heardOffer()
}

// heardOffer lets the bot register: the server does not want TLS, or does not know the question.
func (s *session) heardOffer() error {
	s.asks = false
	return s.wire.open()
}

// offersLogin returns why a server with these capabilities does not log anybody in by mechanism.
func offersLogin(offered []string, mechanism string) error {
	for _, name := range offered {
		name, list, listed := strings.Cut(name, "=")
		if name != "sasl" {
			continue
		}
		if listed && list != "" && !slices.Contains(strings.Split(strings.ToUpper(list), ","), mechanism) {
			return &loginError{"it logs in by " + list + ", not by " + mechanism}
		}
		return nil
	}
	return errNoSASL
}

// port is where a policy of STS wants the link to go; 0 = nowhere.
func port(policy string) int {
	for key := range strings.SplitSeq(policy, ",") {
		if text, ok := strings.CutPrefix(key, "port="); ok {
			if n, err := strconv.Atoi(text); err == nil && n > 0 && n < 1<<16 {
				return n
			}
		}
	}
	return 0
}

// knowsAccounts reports whether everybody's account is known: from a tag on
// each line, or from JOIN, ACCOUNT and WHO together.
func (s *session) knowsAccounts() bool {
	return s.caps["account-tag"] ||
		s.caps["extended-join"] && s.caps["account-notify"] && s.server.whox
}
