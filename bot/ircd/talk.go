package ircd

import (
	"strings"
)

// talk passes on a PRIVMSG or NOTICE. A NOTICE is never answered.
func (s *Server) talk(c *client, command string, params []string) {
	refuse := func(code string, params ...string) {
		if command != "NOTICE" {
			s.reply(c, code, params...)
		}
	}
	switch {
	case len(params) == 0:
		refuse("411", "No recipient given ("+command+")")
		return
	case len(params) == 1 || params[1] == "":
		refuse("412", "No text to send")
		return
	}
	for _, target := range strings.Split(params[0], ",") {
		m := message{source: c, command: command, params: []string{target, params[1]}}
		if !strings.HasPrefix(target, "#") {
			if to := s.nicks[s.fold(target)]; to != nil && to.registered {
				to.send(m)
			} else {
				refuse("401", target, "No such nick/channel")
			}
			continue
		}
		ch := s.channels[s.fold(target)]
		switch {
		case ch == nil:
			refuse("403", target, "No such channel")
		case ch.noOutside && ch.members[c] == nil:
			refuse("404", target, "Cannot send to channel")
		default:
			for member := range ch.members {
				if member != c {
					member.send(m)
				}
			}
		}
	}
}

// who answers WHO by channel or nick, in the plain form or as WHOX asks.
func (s *Server) who(c *client, params []string) {
	mask := at(params, 0)
	fields, token, whox := "", "", false
	if fields, whox = strings.CutPrefix(at(params, 1), "%"); whox {
		fields, token, _ = strings.Cut(fields, ",")
	}
	tell := func(ch string, member *client, signs string) {
		if whox {
			s.reply(c, "354", whoxParams(fields, token, ch, signs, member)...)
		} else {
			s.reply(c, "352", ch, member.user, member.host, s.opts.Name, member.nick, "H"+signs, "0 "+member.name)
		}
	}
	if ch := s.channels[s.fold(mask)]; ch != nil {
		for _, member := range ch.ordered() {
			tell(ch.name, member, ch.members[member].signs(c.caps["multi-prefix"]))
		}
	} else if other := s.nicks[s.fold(mask)]; other != nil && other.registered {
		tell("*", other, "")
	}
	if mask == "" {
		mask = "*"
	}
	s.reply(c, "315", mask, "End of WHO list")
}

// whoxParams returns the asked fields in the order that WHOX fixes.
func whoxParams(fields, token, ch, signs string, member *client) []string {
	account := member.account
	if account == "" {
		account = "0"
	}
	var params []string
	for _, f := range []struct{ letter, value string }{
		{"t", token}, {"c", ch}, {"u", member.user}, {"i", member.host}, {"h", member.host}, {"s", member.server.opts.Name},
		{"n", member.nick}, {"f", "H" + signs}, {"d", "0"}, {"l", "0"}, {"a", account}, {"o", "n/a"}, {"r", member.name},
	} {
		if strings.Contains(fields, f.letter) {
			params = append(params, f.value)
		}
	}
	return params
}

func (s *Server) whois(c *client, params []string) {
	nick := params[len(params)-1]
	if other := s.nicks[s.fold(nick)]; other == nil || !other.registered {
		s.reply(c, "401", nick, "No such nick/channel")
	} else {
		s.reply(c, "311", other.nick, other.user, other.host, "*", other.name)
		s.reply(c, "312", other.nick, s.opts.Name, s.opts.Network)
		if other.account != "" {
			s.reply(c, "330", other.nick, other.account, "is logged in as")
		}
	}
	s.reply(c, "318", nick, "End of WHOIS list")
}

func (s *Server) userhost(c *client, params []string) {
	var found []string
	for _, nick := range params {
		if other := s.nicks[s.fold(nick)]; other != nil && other.registered {
			found = append(found, other.nick+"=+"+other.user+"@"+other.host)
		}
	}
	s.reply(c, "302", strings.Join(found, " "))
}

func (s *Server) ison(c *client, params []string) {
	var on []string
	for _, nick := range strings.Fields(strings.Join(params, " ")) {
		if other := s.nicks[s.fold(nick)]; other != nil && other.registered {
			on = append(on, other.nick)
		}
	}
	s.reply(c, "303", strings.Join(on, " "))
}

// away answers like a server that keeps the mark; nobody here ever asks for it.
func (s *Server) away(c *client, params []string) {
	if at(params, 0) == "" {
		s.reply(c, "305", "You are no longer marked as being away")
	} else {
		s.reply(c, "306", "You have been marked as being away")
	}
}
