package ircd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// channel lives as long as somebody is in it.
type channel struct {
	name    string
	members map[*client]*rank
	topic   string
	topicBy string
	topicAt time.Time

	inviteOnly, noOutside, topicLock bool   // +i +n +t
	key                              string // +k
	limit                            int    // +l; 0 for none
}

// rank is what a member may do.
type rank struct {
	op, voice bool
	joined    time.Time
}

// signs returns the marks before a member's nick: all of them, or only the highest.
func (r *rank) signs(all bool) string {
	var signs string
	if r.op {
		signs = "@"
	}
	if r.voice && (all || signs == "") {
		signs += "+"
	}
	return signs
}

// find returns the channel of that name if c is in it, and otherwise says why not.
func (s *Server) find(c *client, name string) *channel {
	ch := s.channels[s.fold(name)]
	switch {
	case ch == nil:
		s.reply(c, "403", name, "No such channel")
		return nil
	case ch.members[c] == nil:
		s.reply(c, "442", name, "You're not on that channel")
		return nil
	}
	return ch
}

// share reports whether a and b are in one channel.
func (s *Server) share(a, b *client) bool {
	for _, ch := range s.channels {
		if ch.members[a] != nil && ch.members[b] != nil {
			return true
		}
	}
	return false
}

// leave takes c out of ch; the last one out ends the channel.
func (s *Server) leave(ch *channel, c *client) {
	delete(ch.members, c)
	if len(ch.members) == 0 {
		delete(s.channels, s.fold(ch.name))
	}
}

// ordered returns the members, first come first.
func (ch *channel) ordered() []*client {
	members := make([]*client, 0, len(ch.members))
	for c := range ch.members {
		members = append(members, c)
	}
	slices.SortFunc(members, func(a, b *client) int {
		if order := ch.members[a].joined.Compare(ch.members[b].joined); order != 0 {
			return order
		}
		return strings.Compare(a.nick, b.nick)
	})
	return members
}

func (ch *channel) send(m message) {
	for c := range ch.members {
		c.send(m)
	}
}

func (s *Server) join(c *client, params []string) {
	if params[0] == "0" {
		for _, ch := range s.channels {
			if ch.members[c] != nil {
				ch.send(message{source: c, command: "PART", params: []string{ch.name}})
				s.leave(ch, c)
			}
		}
		return
	}
	keys := strings.Split(at(params, 1), ",")
	for i, name := range strings.Split(params[0], ",") {
		s.joinOne(c, name, at(keys, i))
	}
}

func (s *Server) joinOne(c *client, name, key string) {
	if !strings.HasPrefix(name, "#") || len(name) > 50 || strings.ContainsAny(name, "\x07\x00") {
		s.reply(c, "403", name, "No such channel")
		return
	}
	ch := s.channels[s.fold(name)]
	switch {
	case ch == nil:
		ch = &channel{name: name, members: make(map[*client]*rank)}
		s.channels[s.fold(name)] = ch
	case ch.members[c] != nil:
		return
	case ch.inviteOnly:
		s.reply(c, "473", ch.name, "Cannot join channel (+i)")
		return
	case ch.key != "" && ch.key != key:
		s.reply(c, "475", ch.name, "Cannot join channel (+k)")
		return
	case ch.limit > 0 && len(ch.members) >= ch.limit:
		s.reply(c, "471", ch.name, "Cannot join channel (+l)")
		return
	}
	ch.members[c] = &rank{op: len(ch.members) == 0, joined: time.Now()}
	account := c.account
	if account == "" {
		account = "*"
	}
	for other := range ch.members {
		if other.caps["extended-join"] {
			other.send(message{source: c, command: "JOIN", params: []string{ch.name, account, c.name}})
		} else {
			other.send(message{source: c, command: "JOIN", params: []string{ch.name}})
		}
	}
	if ch.topic != "" {
		s.tellTopic(c, ch)
	}
	s.tellNames(c, ch)
}

func (s *Server) part(c *client, params []string) {
	for _, name := range strings.Split(params[0], ",") {
		if ch := s.find(c, name); ch != nil {
			said := []string{ch.name}
			if len(params) > 1 {
				said = append(said, params[1])
			}
			ch.send(message{source: c, command: "PART", params: said})
			s.leave(ch, c)
		}
	}
}

func (s *Server) kick(c *client, params []string) {
	ch := s.find(c, params[0])
	if ch == nil {
		return
	}
	victim := s.nicks[s.fold(params[1])]
	switch {
	case !ch.members[c].op:
		s.reply(c, "482", ch.name, "You're not channel operator")
	case victim == nil || ch.members[victim] == nil:
		s.reply(c, "441", params[1], ch.name, "They aren't on that channel")
	default:
		reason := at(params, 2)
		if reason == "" {
			reason = c.nick
		}
		ch.send(message{source: c, command: "KICK", params: []string{ch.name, victim.nick, reason}})
		s.leave(ch, victim)
	}
}

func (s *Server) topic(c *client, params []string) {
	ch := s.find(c, params[0])
	switch {
	case ch == nil:
	case len(params) == 1 && ch.topic == "":
		s.reply(c, "331", ch.name, "No topic is set")
	case len(params) == 1:
		s.tellTopic(c, ch)
	case ch.topicLock && !ch.members[c].op:
		s.reply(c, "482", ch.name, "You're not channel operator")
	default:
		ch.topic, ch.topicBy, ch.topicAt = clip(params[1], s.opts.TopicLen), c.nick, time.Now()
		ch.send(message{source: c, command: "TOPIC", params: []string{ch.name, ch.topic}})
	}
}

func (s *Server) tellTopic(c *client, ch *channel) {
	s.reply(c, "332", ch.name, ch.topic)
	s.reply(c, "333", ch.name, ch.topicBy, strconv.FormatInt(ch.topicAt.Unix(), 10))
}

func (s *Server) names(c *client, params []string) {
	for _, name := range strings.Split(at(params, 0), ",") {
		if ch := s.channels[s.fold(name)]; ch != nil {
			s.tellNames(c, ch)
		} else {
			s.reply(c, "366", "*", "End of NAMES list")
		}
	}
}

func (s *Server) tellNames(c *client, ch *channel) {
	const perLine = 300 // bytes: leaves room for the numeric, the channel and the nick
	var line string
	flush := func() {
		if line != "" {
			s.reply(c, "353", "=", ch.name, line[1:])
			line = ""
		}
	}
	for _, member := range ch.ordered() {
		shown := member.nick
		if c.caps["userhost-in-names"] {
			shown = member.prefix()
		}
		line += " " + ch.members[member].signs(c.caps["multi-prefix"]) + shown
		if len(line) > perLine {
			flush()
		}
	}
	flush()
	s.reply(c, "366", ch.name, "End of NAMES list")
}

func (s *Server) list(c *client, _ []string) {
	s.reply(c, "321", "Channel", "Users  Name")
	for _, ch := range s.channels {
		s.reply(c, "322", ch.name, fmt.Sprint(len(ch.members)), ch.topic)
	}
	s.reply(c, "323", "End of LIST")
}
