package ircd

import "time"

// Freeze stops all reading and writing, as a stopped process does: links stay
// open and the kernel still accepts new ones. What was being written may still
// arrive. Freezing twice is freezing once.
func (s *Server) Freeze() {
	gate := make(chan struct{})
	s.frozen.CompareAndSwap(nil, &gate)
}

// Thaw ends a Freeze: what was held back is read and written now.
func (s *Server) Thaw() {
	if gate := s.frozen.Swap(nil); gate != nil {
		close(*gate)
	}
}

// thawed waits until the server is not frozen. It reports false when the server
// has been closed.
func (s *Server) thawed() bool {
	for {
		gate := s.frozen.Load()
		if gate == nil {
			return true
		}
		select {
		case <-*gate:
		case <-s.done:
			return false
		}
	}
}

// Kill ends the link of nick as an operator would, with ERROR. It reports
// whether there was one.
func (s *Server) Kill(nick string) bool {
	return s.on(nick, func(c *client) { s.fail(c, "Closing Link: Killed") })
}

// Drop ends every link without a word; new ones are welcome.
func (s *Server) Drop() {
	s.do(func() {
		for c := range s.clients {
			c.hangUp()
			s.remove(c, "Connection reset by peer")
		}
	})
}

// Login sets the account of nick ("" logs it out) as services would. It reports
// whether there is such a nick.
func (s *Server) Login(nick, account string) bool {
	return s.on(nick, func(c *client) { s.login(c, account) })
}

// Inject sends nick a line as it stands, so that a test can be any server. While nick
// has many lines to read it waits, as TCP does. It reports whether there is such a nick.
func (s *Server) Inject(nick, line string) bool {
	for {
		room := false
		found := s.on(nick, func(c *client) {
			if room = len(c.queue) < queueLimit/2; room {
				c.sendRaw(line)
			}
		})
		if room || !found {
			return found
		}
		select {
		case <-time.After(time.Millisecond):
		case <-s.done:
			return false
		}
	}
}

// on runs act on the registered client of that nick.
func (s *Server) on(nick string, act func(*client)) (found bool) {
	s.do(func() {
		if c := s.nicks[s.fold(nick)]; c != nil && c.registered {
			found = true
			act(c)
		}
	})
	return found
}
