package irc

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	dialLimit      = 5 * time.Second
	handshakeLimit = 10 * time.Second
	writeLimit     = 10 * time.Second
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
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secure, nil
}

// wire is an open link that the session and girc share. girc writes through
// Write, whole lines, and only those pass that register the link or answer PING:
// its WHO for every JOIN and its answers to CTCP would let anybody spend the
// bot's allowance of lines.
type wire struct {
	net.Conn
	mu sync.Mutex // one line at a time
}

// Dial gives girc the open link instead of a new one.
func (w *wire) Dial(_, _ string) (net.Conn, error) { return w, nil }

func (w *wire) Write(p []byte) (int, error) {
	command, _, _ := bytes.Cut(bytes.TrimRight(p, "\r\n"), []byte(" "))
	switch string(command) {
	case "PASS", "CAP", "NICK", "USER", "AUTHENTICATE", "PONG":
		return w.write(p)
	}
	return len(p), nil
}

// send writes one line of the session.
func (w *wire) send(text string) error {
	_, err := w.write([]byte(text + "\r\n"))
	return err
}

func (w *wire) write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}
