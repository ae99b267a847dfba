package ircd

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// capabilities returns what CAP LS offers.
func (s *Server) capabilities() []string {
	caps := []string{"multi-prefix", "server-time", "userhost-in-names"}
	if len(s.opts.Accounts) > 0 {
		caps = append(caps, "account-notify", "account-tag", "extended-join", "sasl")
	}
	return caps
}

func (s *Server) cap(c *client, params []string) {
	answer := func(verb string, caps []string) {
		nick := c.nick
		if nick == "" {
			nick = "*"
		}
		c.send(message{command: "CAP", params: []string{nick, verb, strings.Join(caps, " ")}})
	}
	switch verb := strings.ToUpper(params[0]); verb {
	case "LS":
		c.negotiating = !c.registered
		answer("LS", s.capabilities())
	case "LIST":
		var on []string
		for _, name := range s.capabilities() {
			if c.caps[name] {
				on = append(on, name)
			}
		}
		answer("LIST", on)
	case "REQ":
		c.negotiating = !c.registered
		asked := strings.Fields(at(params, 1))
		for _, name := range asked {
			if !slices.Contains(s.capabilities(), strings.TrimPrefix(name, "-")) {
				answer("NAK", asked)
				return
			}
		}
		for _, name := range asked {
			bare, off := strings.CutPrefix(name, "-")
			c.caps[bare] = !off
		}
		answer("ACK", asked)
	case "END":
		c.negotiating = false
		s.welcome(c)
	default:
		s.reply(c, "410", verb, "Invalid CAP command")
	}
}

func (s *Server) pass(c *client, params []string) {
	if c.registered {
		s.reply(c, "462", "You may not reregister")
		return
	}
	c.password = params[0]
}

func (s *Server) user(c *client, params []string) {
	if c.registered {
		s.reply(c, "462", "You may not reregister")
		return
	}
	c.user, c.name = "~"+clip(word(params[0]), 10), params[3]
	s.welcome(c)
}

// word drops what would end or split the source of a line.
func word(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || strings.ContainsRune("!@:*", r) {
			return -1
		}
		return r
	}, text)
}

func (s *Server) nick(c *client, params []string) {
	nick := at(params, 0)
	switch holder := s.nicks[s.fold(nick)]; {
	case nick == "":
		s.reply(c, "431", "No nickname given")
		return
	case !s.validNick(nick):
		s.reply(c, "432", nick, "Erroneous nickname")
		return
	case holder != nil && holder != c:
		s.reply(c, "433", nick, "Nickname is already in use")
		return
	}
	if c.registered {
		m := message{source: c, command: "NICK", params: []string{nick}}
		c.send(m)
		s.toNeighbours(c, m)
	}
	if s.nicks[s.fold(c.nick)] == c {
		delete(s.nicks, s.fold(c.nick))
	}
	c.nick = nick
	s.nicks[s.fold(nick)] = c
	s.welcome(c)
}

func (s *Server) validNick(nick string) bool {
	for i, r := range nick {
		letter := r >= 'A' && r <= '}'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '-') {
			return false
		}
	}
	return len(nick) <= s.opts.NickLen
}

// authenticate logs c in by SASL PLAIN.
func (s *Server) authenticate(c *client, params []string) {
	switch {
	case !c.caps["sasl"]:
		s.reply(c, "904", "SASL authentication failed: ask for the sasl capability first")
	case params[0] == "*":
		c.saslPlain = false
		s.reply(c, "906", "SASL authentication aborted")
	case !c.saslPlain && strings.EqualFold(params[0], "PLAIN"):
		c.saslPlain = true
		c.sendRaw("AUTHENTICATE +")
	case !c.saslPlain:
		s.reply(c, "908", "PLAIN", "are available SASL mechanisms")
		s.reply(c, "904", "SASL authentication failed")
	default:
		c.saslPlain = false
		account, ok := s.credentials(params[0])
		if !ok {
			s.reply(c, "904", "SASL authentication failed")
			return
		}
		s.login(c, account)
		s.reply(c, "900", c.prefix(), account, "You are now logged in as "+account)
		s.reply(c, "903", "SASL authentication successful")
	}
}

// credentials returns the account of a PLAIN secret, and whether its password is right.
func (s *Server) credentials(secret string) (string, bool) {
	raw, err := base64.StdEncoding.DecodeString(secret)
	parts := strings.Split(string(raw), "\x00")
	if err != nil || len(parts) != 3 {
		return "", false
	}
	want, ok := s.opts.Accounts[parts[1]]
	return parts[1], ok && want == parts[2]
}

// login sets c's account ("" logs out) and tells those who asked to know.
func (s *Server) login(c *client, account string) {
	c.account = account
	if !c.registered {
		return
	}
	shown := account
	if shown == "" {
		shown = "*"
	}
	for other := range s.clients {
		if other.caps["account-notify"] && (other == c || s.share(other, c)) {
			other.send(message{source: c, command: "ACCOUNT", params: []string{shown}})
		}
	}
}

// welcome completes the registration of c when nothing is missing any more.
func (s *Server) welcome(c *client) {
	if c.registered || c.negotiating || c.nick == "" || c.user == "" {
		return
	}
	if s.opts.Password != "" && c.password != s.opts.Password {
		s.reply(c, "464", "Password incorrect")
		s.fail(c, "Password incorrect")
		return
	}
	c.registered = true
	s.reply(c, "001", "Welcome to "+s.opts.Network+", "+c.prefix())
	s.reply(c, "002", "Your host is "+s.opts.Name)
	s.reply(c, "003", "This server was started "+s.created.UTC().Format("2006-01-02 15:04:05 MST"))
	s.reply(c, "004", s.opts.Name, "pushtrain", "i", "iklnotv")
	s.reply(c, "005", "CASEMAPPING="+s.opts.Casemap, "CHANTYPES=#", "CHANMODES=b,k,l,int", "PREFIX=(ov)@+",
		fmt.Sprintf("TOPICLEN=%d", s.opts.TopicLen), fmt.Sprintf("NICKLEN=%d", s.opts.NickLen),
		"NETWORK="+s.opts.Network, "WHOX", "are supported by this server")
	s.motd(c)
}

func (s *Server) motd(c *client) {
	if s.opts.MOTD == "" {
		s.reply(c, "422", "There is no message of the day")
		return
	}
	s.reply(c, "375", "- "+s.opts.Name+" message of the day -")
	s.reply(c, "372", "- "+s.opts.MOTD)
	s.reply(c, "376", "End of message of the day")
}
