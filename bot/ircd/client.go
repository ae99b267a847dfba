package ircd

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	lineLimit  = 512  // bytes of a line, with CR LF
	tagLimit   = 8191 // bytes of message tags before it
	queueLimit = 1024 // lines that may wait for a slow client
	writeLimit = 10 * time.Second
)

// client is one link. Everything below conn is owned by the server's loop.
type client struct {
	server *Server
	conn   net.Conn
	queue  chan string // whole lines for the writer; closed by finish
	hangUp func()      // closes conn, once

	nick, user, host, name string
	account                string // "" when not logged in
	password               string // what PASS said
	caps                   map[string]bool
	negotiating            bool // CAP LS or REQ was seen, CAP END was not
	registered             bool
	saslPlain              bool // AUTHENTICATE PLAIN was said, the secret was not
	finished               bool // the queue is closed
}

func newClient(s *Server, conn net.Conn) *client {
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		host = "unknown"
	}
	return &client{
		server: s,
		conn:   conn,
		queue:  make(chan string, queueLimit),
		hangUp: sync.OnceFunc(func() { _ = conn.Close() }),
		host:   strings.ReplaceAll(host, ":", "-"),
		caps:   make(map[string]bool),
	}
}

// read hands the client's lines to the loop until the link ends.
func (c *client) read() {
	s := c.server
	in := bufio.NewReaderSize(c.conn, lineLimit+tagLimit)
	reason := "Connection closed"
	for {
		raw, err := in.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, bufio.ErrBufferFull) {
				s.do(func() { s.fail(c, "Request too long") })
			} else if !errors.Is(err, io.EOF) {
				reason = "Read error"
			}
			break
		}
		line := strings.TrimRight(string(raw), "\r\n")
		if !s.thawed() || !s.do(func() { s.handle(c, line) }) || !s.pause() {
			break
		}
	}
	if !s.do(func() { s.remove(c, reason) }) {
		c.hangUp()
	}
}

// pause waits for the penalty of one line. It reports false when the server
// has been closed.
func (s *Server) pause() bool {
	if s.opts.Penalty <= 0 {
		return true
	}
	select {
	case <-time.After(s.opts.Penalty):
		return true
	case <-s.done:
		return false
	}
}

// write empties the queue until finish closes it or the link ends.
func (c *client) write() {
	defer c.hangUp()
	for {
		select {
		case line, ok := <-c.queue:
			if !ok || !c.server.thawed() {
				return
			}
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeLimit))
			if _, err := io.WriteString(c.conn, line); err != nil {
				return // the reader sees the closed link and tells the loop
			}
		case <-c.server.done:
			return
		}
	}
}

// send queues m. It never waits: a client that does not keep up is dropped.
func (c *client) send(m message) {
	if line := m.line(c); line != "" {
		c.sendRaw(line)
	}
}

func (c *client) sendRaw(line string) {
	if c.finished {
		return
	}
	select {
	case c.queue <- line + "\r\n":
	default:
		c.hangUp() // the reader reports the end, and the loop removes it
	}
}

// finish lets the writer send what is queued and then end the link.
func (c *client) finish() {
	if !c.finished {
		c.finished = true
		close(c.queue)
	}
}

// prefix is the client as others see it.
func (c *client) prefix() string { return c.nick + "!" + c.user + "@" + c.host }

// fail tells c why its link ends and ends it.
func (s *Server) fail(c *client, reason string) {
	c.sendRaw("ERROR :" + reason)
	s.remove(c, reason)
}
