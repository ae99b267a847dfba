package irc

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lrstanley/girc"
)

const (
	dialLimit      = 5 * time.Second
	handshakeLimit = 10 * time.Second
	writeLimit     = 10 * time.Second

	// maxLine is far more than any line has: IRCv3 allows 8191 bytes of tags and 512 of text.
	maxLine = 64 << 10
)

// dial opens a link to addr, with TLS when config is not nil.
func dial(ctx context.Context, addr string, config *tls.Config) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialLimit}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil || config == nil {
		return conn, err
	}
	if config.ServerName == "" && !config.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		config = config.Clone()
		config.ServerName = host
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, &handshakeError{err}
	}
	return secure, nil
}

// wire is an open link that the session and girc share. Each line of the server goes
// to heard; girc reads and writes only those that register the link, answer PING or
// end it. What else it does with a line, in a dozen goroutines, would cost a busy
// channel more than the bot itself, and its WHO for every JOIN and its answers to
// CTCP would let anybody spend the bot's allowance of lines.
//
// What girc writes to register the link waits behind a gate in plain text, all but the
// question what the server offers, until the session has seen that it does not want TLS.
type wire struct {
	net.Conn
	heard func(girc.Event)
	part  []byte // of a line that has not come whole; the reader's
	girc  []byte // lines that girc has not read; the reader's
	err   error  // why no more will come; the reader's

	mu     sync.Mutex // one line at a time is written
	gate   bool
	behind [][]byte
}

// Dial gives girc the open link instead of a new one.
func (w *wire) Dial(_, _ string) (net.Conn, error) { return w, nil }

// SetReadDeadline does nothing: girc may have nothing to read for days, and the
// session sees when the server is gone.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// Read is girc's. It returns when there is something for it, and hands on the rest.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.girc) == 0 && w.err == nil {
		w.err = w.receive(p)
	}
	n := copy(p, w.girc)
	w.girc = w.girc[n:]
	if n == 0 {
		return 0, w.err
	}
	return n, nil
}

// receive takes what the server sends next, by way of buf.
func (w *wire) receive(buf []byte) error {
	n, err := w.Conn.Read(buf)
	w.part = append(w.part, buf[:n]...)
	for {
		end := bytes.IndexByte(w.part, '\n')
		if end < 0 {
			break
		}
		if e := girc.ParseEvent(string(w.part[:end])); e != nil {
			w.heard(*e)
			if registers(e.Command) {
				w.girc = append(w.girc, w.part[:end+1]...)
			}
		}
		w.part = w.part[end+1:]
	}
	if len(w.part) > maxLine {
		return fmt.Errorf("the server sent a line of more than %d bytes", maxLine)
	}
	return err
}

// registers reports whether girc needs the lines of a command.
func registers(command string) bool {
	switch command {
	case "CAP", "AUTHENTICATE", "902", "903", "904", "905", "906", "908", "PING", "ERROR":
		return true
	}
	return false
}

func (w *wire) Write(p []byte) (int, error) {
	command, _, _ := bytes.Cut(bytes.TrimRight(p, "\r\n"), []byte(" "))
	w.mu.Lock()
	defer w.mu.Unlock()
	switch string(command) {
	case "PASS", "NICK", "USER", "AUTHENTICATE", "CAP":
		if w.gate && !bytes.HasPrefix(p, []byte("CAP LS")) {
			w.behind = append(w.behind, bytes.Clone(p))
			return len(p), nil
		}
		return w.write(p)
	case "PONG":
		return w.write(p)
	}
	return len(p), nil
}

// open lets pass what waits behind the gate, and what comes.
func (w *wire) open() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gate = false
	for _, line := range w.behind {
		if _, err := w.write(line); err != nil {
			return err
		}
	}
	w.behind = nil
	return nil
}

// send writes one line of the session.
func (w *wire) send(text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.write([]byte(text + "\r\n"))
	return err
}

// write is called by who holds mu.
func (w *wire) write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}
