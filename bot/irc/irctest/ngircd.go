package irctest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Options of a test server. The zero value is a fast one that lets anybody do anything.
type Options struct {
	Penalty          bool // keep ngircd's own flood penalties
	NickLen          int  // bytes; 31 when 0 (ngircd's own default is 9)
	MaxConnectionsIP int  // links from one address; 0 for no limit
}

// Server is a running ngircd or ircd-hybrid on a port of its own. Its methods are for
// one goroutine.
type Server struct {
	daemon
	addr string
	run  func() error // starts it, and returns when it listens
}

// Ngircd starts a server that ends with the test. Without ngircd the test is
// skipped, or fails where the environment variable CI is set.
func Ngircd(t testing.TB, o Options) *Server {
	t.Helper()
	need(t, "ngircd", "ngircd")
	if o.NickLen == 0 {
		o.NickLen = 31
	}
	s := &Server{daemon: daemon{t: t}}
	conf := filepath.Join(t.TempDir(), "ngircd.conf")
	s.run = func() error {
		if err := os.WriteFile(conf, []byte(s.config(o)), 0o600); err != nil {
			return err
		}
		return s.start(exec.Command("ngircd", "-n", "-f", conf), "Now listening on")
	}
	s.begin()
	return s
}

// begin runs the server until the test ends.
func (s *Server) begin() {
	s.t.Helper()
	var err error
	for range 3 { // a free port may be taken before the server has it
		s.addr = freeAddr(s.t)
		if err = s.run(); err == nil {
			s.t.Cleanup(s.Kill)
			return
		}
	}
	s.t.Fatalf("start the IRC server: %v", err)
}

func freeAddr(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (s *Server) config(o Options) string {
	_, port, _ := net.SplitHostPort(s.addr) // it comes from a listener
	var b strings.Builder
	fmt.Fprintf(&b, "[Global]\nName = irc.test\nInfo = test\nListen = 127.0.0.1\nPorts = %s\n", port)
	fmt.Fprintf(&b, "ServerUID = %d\nServerGID = %d\nMotdPhrase = hello\n", os.Getuid(), os.Getgid())
	fmt.Fprintf(&b, "[Limits]\nMaxNickLength = %d\nMaxConnectionsIP = %d\nMaxJoins = 0\n", o.NickLen, o.MaxConnectionsIP)
	if !o.Penalty {
		b.WriteString("MaxPenaltyTime = 0\n")
	}
	b.WriteString("[Options]\nDNS = no\nIdent = no\nPAM = no\n")
	return b.String()
}

// Addr returns the address that clients connect to; a Restart keeps it.
func (s *Server) Addr() string { return s.addr }

// Restart kills the server, if it runs, and starts it on the same port.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.run(); err != nil {
		s.t.Fatalf("restart the IRC server: %v", err)
	}
}
