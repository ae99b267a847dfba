package ircd

import (
	"strconv"
	"strings"
)

// mode shows or changes the modes of a channel. User modes are accepted and mean nothing.
func (s *Server) mode(c *client, params []string) {
	if !strings.HasPrefix(params[0], "#") {
		if s.fold(params[0]) != s.fold(c.nick) {
			s.reply(c, "502", "Cannot change mode for other users")
		} else if len(params) == 1 {
			s.reply(c, "221", "+")
		}
		return
	}
	ch := s.channels[s.fold(params[0])]
	switch {
	case ch == nil:
		s.reply(c, "403", params[0], "No such channel")
	case len(params) == 1:
		s.reply(c, "324", ch.name, ch.modes())
	case strings.Trim(params[1], "+-") == "b" && len(params) == 2:
		s.reply(c, "368", ch.name, "End of channel ban list")
	case ch.members[c] == nil:
		s.reply(c, "442", ch.name, "You're not on that channel")
	case !ch.members[c].op:
		s.reply(c, "482", ch.name, "You're not channel operator")
	default:
		s.setModes(c, ch, params[1], params[2:])
	}
}

func (ch *channel) modes() string {
	modes := "+"
	for _, m := range []struct {
		on     bool
		letter string
	}{{ch.inviteOnly, "i"}, {ch.key != "", "k"}, {ch.limit > 0, "l"}, {ch.noOutside, "n"}, {ch.topicLock, "t"}} {
		if m.on {
			modes += m.letter
		}
	}
	return modes
}

func (s *Server) setModes(c *client, ch *channel, letters string, args []string) {
	next := func() string {
		if len(args) == 0 {
			return ""
		}
		arg := args[0]
		args = args[1:]
		return arg
	}
	on := true
	for _, letter := range letters {
		var arg string
		switch letter {
		case '+', '-':
			on = letter == '+'
			continue
		case 'i':
			ch.inviteOnly = on
		case 'n':
			ch.noOutside = on
		case 't':
			ch.topicLock = on
		case 'k':
			if arg = next(); arg == "" {
				continue
			}
			ch.key = ""
			if on {
				ch.key = arg
			}
		case 'l':
			ch.limit = 0
			if on {
				arg = next()
				ch.limit, _ = strconv.Atoi(arg) // not a number: no limit
			}
		case 'o', 'v':
			arg = next()
			member := s.nicks[s.fold(arg)]
			if member == nil || ch.members[member] == nil {
				s.reply(c, "441", arg, ch.name, "They aren't on that channel")
				continue
			}
			arg = member.nick
			if letter == 'o' {
				ch.members[member].op = on
			} else {
				ch.members[member].voice = on
			}
		default:
			s.reply(c, "472", string(letter), "is unknown mode char to me")
			continue
		}
		sign := "-"
		if on {
			sign = "+"
		}
		said := []string{ch.name, sign + string(letter)}
		if arg != "" {
			said = append(said, arg)
		}
		ch.send(message{source: c, command: "MODE", params: said})
	}
}
