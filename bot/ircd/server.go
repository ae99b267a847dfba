package ircd

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a server differs from the plain one. The zero value is a
// server without accounts, limits or penalties beyond the defaults named here.
type Options struct {
	Name     string            // the server's own name; "irc.local" when empty
	Network  string            // 005 NETWORK; "pushtrain" when empty
	Casemap  string            // 005 CASEMAPPING: "ascii" (when empty) or "rfc1459"
	TopicLen int               // bytes of a topic that are kept; 390 when 0
	NickLen  int               // bytes of a nick that are allowed; 30 when 0
	Password string            // PASS that clients owe; none when empty
	Accounts map[string]string // password by account; SASL and the account capabilities exist only when there are any
	Penalty  time.Duration     // how long each line of a client holds back its next one; 0 for no limit
	MOTD     string            // one line of greeting; 422 when empty
}

// Server is a running IRC server. Its methods may be called from any goroutine.
type Server struct {
	opts     Options
	listener net.Listener
	created  time.Time

	calls chan func() // run by the loop, in order
	done  chan struct{}
	ended sync.WaitGroup
	close func()

	frozen atomic.Pointer[chan struct{}] // closed by Thaw; nil while the server runs

	// Owned by the loop.
	clients  map[*client]struct{} // every link, registered or not
	nicks    map[string]*client   // by folded nick
	channels map[string]*channel  // by folded name
}

// Listen starts a server on addr ("127.0.0.1:0" for any free port).
func Listen(addr string, opts Options) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start IRC server: %w", err)
	}
	setDefault(&opts.Name, "irc.local")
	setDefault(&opts.Network, "pushtrain")
	setDefault(&opts.Casemap, "ascii")
	setDefault(&opts.TopicLen, 390)
	setDefault(&opts.NickLen, 30)
	s := &Server{
		opts:     opts,
		listener: listener,
		created:  time.Now(),
		calls:    make(chan func()),
		done:     make(chan struct{}),
		clients:  make(map[*client]struct{}),
		nicks:    make(map[string]*client),
		channels: make(map[string]*channel),
	}
	s.close = sync.OnceFunc(func() {
		close(s.done)
		_ = s.listener.Close()
	})
	s.ended.Go(s.loop)
	s.ended.Go(s.accept)
	return s, nil
}

func setDefault[T comparable](value *T, to T) {
	var zero T
	if *value == zero {
		*value = to
	}
}

// Addr returns the address that clients connect to.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends every link without a word, as a server that dies, and returns when
// all goroutines have ended. A second Close does nothing.
func (s *Server) Close() error {
	s.close()
	s.ended.Wait()
	return nil
}

func (s *Server) loop() {
	for {
		select {
		case call := <-s.calls:
			call()
		case <-s.done:
			for c := range s.clients {
				c.hangUp()
			}
			return
		}
	}
}

// do runs call in the loop and waits for it. It reports false when the server
// has been closed and call never ran.
func (s *Server) do(call func()) bool {
	ran := make(chan struct{})
	select {
	case s.calls <- func() { call(); close(ran) }:
		<-ran
		return true
	case <-s.done:
		return false
	}
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			select {
			case <-s.done:
				return
			case <-time.After(50 * time.Millisecond): // out of descriptors: the next one may fare better
				continue
			}
		}
		c := newClient(s, conn)
		if !s.do(func() { s.clients[c] = struct{}{} }) {
			_ = conn.Close()
			return
		}
		s.ended.Go(c.read)
		s.ended.Go(c.write)
	}
}

// fold returns the form of a nick or channel that is equal for all spellings.
func (s *Server) fold(name string) string {
	name = strings.ToLower(name)
	if s.opts.Casemap == "rfc1459" {
		name = strings.NewReplacer("[", "{", "]", "}", "\\", "|", "^", "~").Replace(name)
	}
	return name
}

// remove takes c out of everything and tells those who shared a channel with it.
// The second removal of a client does nothing.
func (s *Server) remove(c *client, reason string) {
	if _, ok := s.clients[c]; !ok {
		return
	}
	delete(s.clients, c)
	if s.nicks[s.fold(c.nick)] == c {
		delete(s.nicks, s.fold(c.nick))
	}
	if c.registered {
		s.toNeighbours(c, message{source: c, command: "QUIT", params: []string{reason}})
	}
	for _, ch := range s.channels {
		s.leave(ch, c)
	}
	c.finish()
}

// toNeighbours sends m once to everyone who shares a channel with c, not to c.
func (s *Server) toNeighbours(c *client, m message) {
	told := map[*client]bool{c: true}
	for _, ch := range s.channels {
		if ch.members[c] == nil {
			continue
		}
		for other := range ch.members {
			if !told[other] {
				told[other] = true
				other.send(m)
			}
		}
	}
}
