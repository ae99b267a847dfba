package irc

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
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

// wire is an open link that the session and girc share.
//
// girc reads through Read, and each line goes to heard before girc has it: what
// girc does with it, in a dozen goroutines, is nothing that a person should wait for.
//
// girc writes through Write, whole lines, and only those pass that register the
// link or answer PING: its WHO for every JOIN and its answers to CTCP would let
// anybody spend the bot's allowance of lines. Those that register it wait behind a
// gate in plain text, until the server has said whether it wants TLS.
type wire struct {
	net.Conn
	heard func(girc.Event)
	part  []byte // of a line that has not come whole; the reader's

	mu     sync.Mutex // one line at a time is written
	gate   bool
	behind [][]byte
}

// Dial gives girc the open link instead of a new one.
func (w *wire) Dial(_, _ string) (net.Conn, error) { return w, nil }

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.part = append(w.part, p[:n]...)
	for {
		end := bytes.IndexByte(w.part, '\n')
		if end < 0 {
			break
		}
		if e := girc.ParseEvent(string(w.part[:end])); e != nil {
			w.heard(*e)
		}
		w.part = w.part[end+1:]
	}
	runtime.Gosched() // the session first: it waits for the processor behind girc's goroutines else
	if len(w.part) > maxLine {
		return 0, fmt.Errorf("the server sent a line of more than %d bytes", maxLine)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	command, _, _ := bytes.Cut(bytes.TrimRight(p, "\r\n"), []byte(" "))
	w.mu.Lock()
	defer w.mu.Unlock()
	switch string(command) {
	case "PASS", "NICK", "USER", "AUTHENTICATE":
		if w.gate {
			w.behind = append(w.behind, bytes.Clone(p))
			return len(p), nil
		}
		return w.write(p)
	case "CAP", "PONG":
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
