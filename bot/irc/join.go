package irc

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/lrstanley/girc"
)

// whoToken marks the answers to our own WHO.
const whoToken = "77"

func (s *session) join(now time.Time) error {
	s.enter(joining)
	s.joinAt = now.Add(joinLimit)
	return s.wire.send(strings.TrimSpace("JOIN " + s.link.cfg.Channel + " " + s.link.cfg.ChannelKey))
}

// joined is our own JOIN: from here on the channel's lines are ours to report.
func (s *session) joined(e girc.Event) error {
	s.own = cmp.Or(s.who(e), s.own)
	s.joinAt = time.Time{}
	s.joinedAt, s.playback = serverTime(e), false
	s.roster = newRoster(s.server.casemap)
	s.roster.add(s.own)
	s.topicLock = false
	s.found = Topic{OnJoin: true}
	s.held = nil
	s.enter(listing)
	if err := s.wire.send("MODE " + s.link.cfg.Channel); err != nil {
		return err
	}
	who := "WHO " + s.link.cfg.Channel
	if s.server.whox {
		who += " %tuhna," + whoToken
	}
	return s.wire.send(who)
}

// list handles what the server answers to a JOIN, MODE and WHO. It reports
// whether e was of that kind.
func (s *session) list(e girc.Event) bool {
	p := e.Params
	switch e.Command {
	case "332":
		if len(p) >= 3 && s.here(p[1]) && s.phase == listing {
			s.found.Text, s.found.Exists = p[2], true
		}
	case "333":
		if len(p) >= 3 && s.here(p[1]) && s.phase == listing {
			if nick, _, _ := strings.Cut(p[2], "!"); !isServer(nick) {
				s.found.By.Nick = nick
			}
		}
	case "353":
		if len(p) >= 4 && s.here(p[2]) {
			s.named(p[3])
		}
	case "352":
		if len(p) >= 7 && s.here(p[1]) {
			s.known(Who{Nick: p[5], User: p[2], Host: p[3]})
		}
	case "354":
		if len(p) >= 6 && p[1] == whoToken {
			account := p[5]
			if account == "0" {
				account = ""
			}
			s.known(Who{Nick: p[4], User: p[2], Host: p[3], Account: account})
		}
	case "324":
		if len(p) >= 3 && s.here(p[1]) {
			s.modes(p[2:])
		}
	case "315":
		if len(p) >= 2 && s.here(p[1]) && s.phase == listing {
			s.listed()
		}
	case "471", "473", "474", "475", "476", "477", "405", "489", "520":
		if len(p) >= 2 && s.here(p[1]) && s.phase == joining {
			s.shutOut(fmt.Errorf("join %s: %s (%s)", s.link.cfg.Channel, e.Last(), e.Command))
		}
	case "403", "437":
		if len(p) >= 2 && s.here(p[1]) && s.phase == joining {
			s.shutOut(fmt.Errorf("join %s: %s (%s)", s.link.cfg.Channel, e.Last(), e.Command))
			return true
		}
		return false
	default:
		return false
	}
	return true
}

// named adds the members of one 353: marks, nick and, where the server shows
// them, user and host.
func (s *session) named(names string) {
	for _, name := range strings.Fields(names) {
		modes, name := s.server.splitSigns(name)
		nick, rest, _ := strings.Cut(name, "!")
		user, host, _ := strings.Cut(rest, "@")
		if nick != "" {
			s.roster.add(Who{Nick: nick, User: user, Host: host}).modes = modes
		}
	}
}

// known completes a member from WHO; WHO adds nobody. The reader may have been told of them
// before, by a server that takes longer than listLimit to say it.
func (s *session) known(w Who) {
	m := s.roster.get(w.Nick)
	if !s.inside() || m == nil {
		return
	}
	old := m.Who
	if m = s.roster.add(w); s.phase == online && m.Who != old {
		s.post(Identified{Old: old, New: m.Who})
	}
}

// listed ends the listing: the reader learns that the bot is in the channel.
func (s *session) listed() {
	s.enter(online)
	s.link.cfg.Log.Info().Str("channel", s.link.cfg.Channel).Str("nick", s.own.Nick).Int("after", s.link.trouble.tries).Msg("in the channel")
	op, lock := s.rights()
	s.post(Online{
		Nick:      s.own.Nick,
		Prefix:    s.prefix(),
		Casemap:   s.server.casemap,
		TopicLen:  s.server.topicLen,
		Accounts:  s.knowsAccounts(),
		Op:        op,
		TopicLock: lock,
		Members:   s.roster.list(),
	})
	person := s.found.Exists && s.found.Text != s.link.seen && s.found.Text != s.link.wrote
	if person && s.link.outbox.dropTopic() {
		s.link.cfg.Log.Info().Msg("the topic was changed while the bot was away; the one that waited is dropped")
	}
	s.saw(s.found)
	for _, e := range s.held {
		s.post(e)
	}
	s.held = nil
}

// saw reports a topic and remembers it.
func (s *session) saw(t Topic) {
	if t.Exists || !t.OnJoin {
		s.link.seen = t.Text
	}
	s.post(t)
}

// shutOut is called when the bot is not in the channel and must try again.
func (s *session) shutOut(err error) {
	if s.phase == online && time.Since(s.since) >= stable {
		s.joinWait.reset()
		s.link.trouble = trouble{}
	}
	retry := s.joinWait.next()
	s.link.trouble.log(s.link.cfg.Log, err, retry)
	s.enter(outside)
	s.held = nil
	s.joinAt = time.Now().Add(retry)
	s.link.pending = append(s.link.pending, Offline{Err: err, Retry: retry})
}

// inside reports whether the bot is in the channel.
func (s *session) inside() bool { return s.phase == listing || s.phase == online }

// here reports whether name is our channel.
func (s *session) here(name string) bool {
	return s.server.casemap.Same(name, s.link.cfg.Channel)
}

// rights returns whether the bot may set the topic under +t, and whether that is on.
func (s *session) rights() (op, lock bool) {
	if e := s.roster.get(s.own.Nick); e != nil {
		op = maySetTopic(e.modes)
	}
	return op, s.topicLock
}
