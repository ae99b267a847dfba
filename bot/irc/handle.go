package irc

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lrstanley/girc"
)

// handle takes one line of the server. Its error ends the session.
func (s *session) handle(e girc.Event) error {
	if e.Command == "ERROR" {
		s.goodbye = e.Last() // girc ends the link
		return nil
	}
	s.heard = time.Now()
	switch e.Command {
	case "CAP":
		return s.negotiated(e)
	case "901":
		if s.link.cfg.SASL != nil {
			return errLoggedOut
		}
	case "421", "451":
		if s.asks { // so answer servers that know no CAP
			return s.heardOffer()
		}
	case "PONG":
		for _, n := range s.window.answered(e.Last(), s.heard) {
			s.post(Delivered{Receipt: n})
		}
		return nil
	}
	switch {
	case s.asks:
		return nil // the server has not heard of the bot
	case s.phase == registering:
		return s.register(e)
	}
	switch e.Command {
	case "005":
		for _, token := range e.Params[min(1, len(e.Params)):] {
			s.server.read(token)
		}
		return nil
	case "376", "422":
		if s.phase == greeting {
			s.enter(outside)
			s.joinAt = s.heard
			if s.server.botMode != "" {
				return s.wire.send("MODE " + s.own.Nick + " +" + s.server.botMode)
			}
		}
		return nil
	}
	if s.phase == greeting && e.Command != "NICK" || s.list(e) || s.refused(e) {
		return nil
	}
	if e.Source == nil || e.Source.Name == "" || len(e.Params) == 0 || e.Command == "NICK" && e.Last() == "" {
		return nil
	}
	return s.happened(e)
}

// happened handles what people, or the server in their name, did.
func (s *session) happened(e girc.Event) error {
	own := s.server.casemap.Same(e.Source.Name, s.own.Nick)
	switch e.Command {
	case "JOIN":
		if own && s.here(e.Params[0]) && !s.inside() {
			return s.joined(e)
		}
	case "NICK":
		s.renamed(e, own)
		return nil
	case "CHGHOST":
		if own && len(e.Params) >= 2 {
			s.own.User, s.own.Host = e.Params[0], e.Params[1]
		}
	}
	if !s.inside() {
		return nil
	}
	switch e.Command {
	case "PRIVMSG":
		s.said(e, own)
	case "TOPIC":
		if s.here(e.Params[0]) && !s.replayed(e) {
			if !own || e.Last() == s.unheard {
				s.unheard = ""
			}
			by := s.who(e)
			if isServer(by.Nick) {
				by = Who{}
			}
			s.saw(Topic{Text: e.Last(), By: by, Own: own, Exists: len(e.Params) > 1 && e.Last() != ""})
		}
	case "JOIN":
		if s.here(e.Params[0]) && !own {
			w := s.who(e)
			s.roster.remove(w.Nick) // a namesake that the server forgot
			s.roster.add(w)
			s.post(Joined{Who: w})
		}
	case "PART", "KICK", "QUIT":
		s.left(e, own)
	case "MODE":
		if s.here(e.Params[0]) {
			s.changeModes(e.Params[1:])
		}
	case "ACCOUNT":
		account := e.Params[0]
		if account == "*" {
			account = ""
		}
		s.identified(e, func(w *Who) { w.Account = account })
	case "CHGHOST":
		if len(e.Params) >= 2 {
			s.identified(e, func(w *Who) { w.User, w.Host = e.Params[0], e.Params[1] })
		}
	}
	return nil
}

// isServer reports whether a line's source is a server: no nick has a dot.
func isServer(name string) bool { return strings.Contains(name, ".") }

// who returns the person behind e, with the account that e itself, or else what
// was heard of them before, gives.
func (s *session) who(e girc.Event) Who {
	w := Who{Nick: e.Source.Name, User: e.Source.Ident, Host: e.Source.Host}
	known := s.roster.get(w.Nick)
	tag, tagged := e.Tags.Get("account")
	switch {
	case s.caps["account-tag"] && tagged:
		w.Account = tag
	case e.Command == "PRIVMSG" && s.caps["account-tag"]:
		// What is said counts for the account on the line, and there is none.
	case e.Command == "JOIN":
		if s.caps["extended-join"] && len(e.Params) > 1 && e.Params[1] != "*" {
			w.Account = e.Params[1]
		}
	case known != nil:
		w.Account = known.Account
	}
	if known != nil {
		w.User, w.Host = cmp.Or(w.User, known.User), cmp.Or(w.Host, known.Host)
	}
	return w
}

func (s *session) said(e girc.Event, own bool) {
	text := e.Last()
	private := s.server.casemap.Same(e.Params[0], s.own.Nick)
	switch {
	case own, len(e.Params) < 2, !private && !s.here(e.Params[0]), strings.HasPrefix(text, "\x01"):
		return
	case e.Source.Name == playback:
		s.playback = text == playbackBegins
		return
	case s.playback, s.replayed(e), relayed(e), byBot(e):
		return
	}
	s.post(Said{From: s.who(e), Private: private, Text: text})
}

// ZNC says in between what, to clients that it can't tell it otherwise, that it repeats
// what was said. Nobody can have its nick.
const (
	playback       = "***"
	playbackBegins = "Buffer Playback..."
)

// replayed reports whether e comes out of a history, not from a person just now: in a
// batch, or from before the bot came.
func (s *session) replayed(e girc.Event) bool {
	_, batched := e.Tags.Get("batch")
	at := serverTime(e)
	return batched || !at.IsZero() && at.Before(s.joinedAt)
}

// relayed reports whether e is of somebody elsewhere, by the word of a bridge.
func relayed(e girc.Event) bool {
	_, bridge := e.Tags.Get("draft/relaymsg")
	return bridge
}

// byBot reports whether the server says that a bot speaks: two that answer each other never end.
func byBot(e girc.Event) bool {
	_, bot := e.Tags.Get("bot")
	_, inspircd := e.Tags.Get("inspircd.org/bot")
	return bot || inspircd
}

// serverTime returns when the server says that e happened; the zero time when it
// does not say.
func serverTime(e girc.Event) time.Time {
	tag, _ := e.Tags.Get("time")
	at, err := time.Parse(time.RFC3339Nano, tag)
	if err != nil {
		return time.Time{}
	}
	return at
}

func (s *session) renamed(e girc.Event, own bool) {
	w, to := s.who(e), e.Last()
	if own {
		s.own.Nick = to
	}
	if s.inside() && s.roster.get(w.Nick) != nil {
		s.roster.rename(w.Nick, to)
		s.post(Renamed{Who: w, To: to, Own: own})
	}
	s.freed(w.Nick)
}

func (s *session) left(e girc.Event, own bool) {
	gone := Left{Who: s.who(e), How: Parted}
	switch e.Command {
	case "QUIT":
		gone.How, gone.Reason = Quit, e.Last()
	case "PART":
		if len(e.Params) > 1 {
			gone.Reason = e.Last()
		}
	case "KICK":
		if len(e.Params) < 2 {
			return
		}
		victim := Who{Nick: e.Params[1]}
		if known := s.roster.get(e.Params[1]); known != nil {
			victim = known.Who
		}
		gone = Left{Who: victim, How: Kicked, Reason: e.Last()}
		own = s.server.casemap.Same(e.Params[1], s.own.Nick)
	}
	if gone.How != Quit && !s.here(e.Params[0]) {
		return
	}
	switch {
	case own && gone.How == Kicked:
		s.shutOut(fmt.Errorf("kicked from %s by %s: %s", s.link.cfg.Channel, e.Source.Name, gone.Reason))
	case own && gone.How == Parted:
		s.shutOut(fmt.Errorf("made to leave %s: %s", s.link.cfg.Channel, gone.Reason))
	case !own && s.roster.get(gone.Who.Nick) != nil:
		s.roster.remove(gone.Who.Nick)
		s.post(gone)
		s.freed(gone.Who.Nick)
	}
}

// identified changes what is known of the member behind e.
func (s *session) identified(e girc.Event, change func(*Who)) {
	known := s.roster.get(e.Source.Name)
	if known == nil {
		return
	}
	old := known.Who
	if change(&known.Who); known.Who != old {
		s.post(Identified{Old: old, New: known.Who})
	}
}

// changeModes takes a MODE of the channel and reports what it changed for the bot.
func (s *session) changeModes(params []string) {
	op, lock := s.rights()
	s.modes(params)
	if nowOp, nowLock := s.rights(); nowOp != op || nowLock != lock {
		s.post(Rights{Op: nowOp, TopicLock: nowLock})
	}
}

// modes applies mode letters and their parameters to the roster.
func (s *session) modes(params []string) {
	if len(params) == 0 {
		return
	}
	letters, args := params[0], params[1:]
	on := true
	for i := range len(letters) {
		letter := letters[i]
		var arg string
		switch {
		case letter == '+' || letter == '-':
			on = letter == '+'
			continue
		case s.server.takesParam(letter, on) && len(args) > 0:
			arg, args = args[0], args[1:]
		}
		if letter == 't' {
			s.topicLock = on
		} else if strings.IndexByte(s.server.ranks, letter) >= 0 {
			s.roster.setRank(arg, letters[i:i+1], on)
		}
	}
}

// refused reports the numerics that answer our own lines. It reports whether e
// was one.
func (s *session) refused(e girc.Event) bool {
	var command string
	switch e.Command {
	case "482", "442":
		command = "TOPIC"
	case "404":
		command = "PRIVMSG"
	case "401":
		command = "NOTICE"
	case "437":
		if len(e.Params) >= 2 && s.here(e.Params[1]) {
			s.topicLater()
			return true
		}
	case "403", "407", "412", "461", "531":
	default:
		return false
	}
	code, _ := strconv.Atoi(e.Command) // always one of the above
	s.post(Refused{Command: command, Code: code, Text: e.Last()})
	return true
}
