package ircd

import (
	"strings"
)

// command is a row of the table: what a client must send for it, and what it does.
type command struct {
	params int  // fewer are answered with 461
	early  bool // allowed before registration is complete
	run    func(s *Server, c *client, params []string)
}

// lookup returns the row of a command.
func lookup(name string) (command, bool) {
	switch name {
	case "CAP":
		return command{1, true, (*Server).cap}, true
	case "PASS":
		return command{1, true, (*Server).pass}, true
	case "NICK":
		return command{0, true, (*Server).nick}, true
	case "USER":
		return command{4, true, (*Server).user}, true
	case "AUTHENTICATE":
		return command{1, true, (*Server).authenticate}, true
	case "PING":
		return command{1, true, (*Server).ping}, true
	case "PONG":
		return command{0, true, func(*Server, *client, []string) {}}, true
	case "QUIT":
		return command{0, true, (*Server).quit}, true
	case "JOIN":
		return command{1, false, (*Server).join}, true
	case "PART":
		return command{1, false, (*Server).part}, true
	case "KICK":
		return command{2, false, (*Server).kick}, true
	case "TOPIC":
		return command{1, false, (*Server).topic}, true
	case "MODE":
		return command{1, false, (*Server).mode}, true
	case "NAMES":
		return command{0, false, (*Server).names}, true
	case "LIST":
		return command{0, false, (*Server).list}, true
	case "PRIVMSG", "NOTICE":
		return command{0, false, func(s *Server, c *client, params []string) { s.talk(c, name, params) }}, true
	case "WHO":
		return command{0, false, (*Server).who}, true
	case "WHOIS":
		return command{1, false, (*Server).whois}, true
	case "USERHOST":
		return command{1, false, (*Server).userhost}, true
	case "ISON":
		return command{1, false, (*Server).ison}, true
	case "AWAY":
		return command{0, false, (*Server).away}, true
	case "MOTD":
		return command{0, false, func(s *Server, c *client, _ []string) { s.motd(c) }}, true
	}
	return command{}, false
}

// handle does what a client's line says.
func (s *Server) handle(c *client, line string) {
	if _, ok := s.clients[c]; !ok {
		return
	}
	untagged := line
	if strings.HasPrefix(line, "@") {
		_, untagged, _ = strings.Cut(line, " ")
	}
	if len(untagged)+2 > lineLimit {
		s.fail(c, "Request too long")
		return
	}
	name, params := parse(line)
	if name == "" {
		return
	}
	cmd, ok := lookup(name)
	switch {
	case !ok:
		s.reply(c, "421", name, "Unknown command")
	case !c.registered && !cmd.early:
		s.reply(c, "451", "You have not registered")
	case len(params) < cmd.params:
		s.reply(c, "461", name, "Not enough parameters")
	default:
		cmd.run(s, c, params)
	}
}

// at returns the i-th param, or "".
func at(params []string, i int) string {
	if i < len(params) {
		return params[i]
	}
	return ""
}

func (s *Server) ping(c *client, params []string) {
	c.send(message{command: "PONG", params: []string{s.opts.Name, params[0]}})
}

func (s *Server) quit(c *client, params []string) {
	reason := "Quit: " + at(params, 0)
	c.sendRaw("ERROR :Closing Link: " + reason)
	s.remove(c, reason)
}
