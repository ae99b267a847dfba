package irctest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Options of a test server. The zero value is a fast one that lets anybody do anything.
type Options struct {
	Penalty          bool // keep ngircd's own flood penalties
	NickLen          int  // bytes; 31 when 0 (ngircd's own default is 9)
	MaxConnectionsIP int  // links from one address; 0 for no limit
}

// Server is a running ngircd on a port of its own. Its methods are for one
// goroutine.
type Server struct {
	t    testing.TB
	addr string
	conf string
	cmd  *exec.Cmd
	log  sync.WaitGroup // reads the server's output to its end
}

// Ngircd starts a server that ends with the test. Without ngircd the test is
// skipped, or fails where the environment variable CI is set.
func Ngircd(t testing.TB, o Options) *Server {
	t.Helper()
	if _, err := exec.LookPath("ngircd"); err != nil {
		missing := "ngircd is missing: apt-get install ngircd"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	if o.NickLen == 0 {
		o.NickLen = 31
	}
	s := &Server{t: t, conf: filepath.Join(t.TempDir(), "ngircd.conf")}
	var err error
	for range 3 { // a free port may be taken before ngircd has it
		s.addr = freeAddr(t)
		if err = os.WriteFile(s.conf, []byte(s.config(o)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err = s.start(); err == nil {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatalf("start ngircd: %v", err)
	return nil
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

// start runs ngircd and returns when it listens.
func (s *Server) start() error {
	s.cmd = exec.Command("ngircd", "-n", "-f", s.conf)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.cmd.Stderr = s.cmd.Stdout
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ready := make(chan error, 1)
	s.log.Go(func() {
		var said []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if said = append(said, lines.Text()); strings.Contains(lines.Text(), "Now listening on") {
				select {
				case ready <- nil:
				default:
				}
			}
		}
		select {
		case ready <- errors.New(strings.Join(said, "\n")):
		default:
		}
	})
	select {
	case err = <-ready:
	case <-time.After(Patience):
		err = errors.New("ngircd does not listen")
	}
	if err != nil {
		s.Kill()
	}
	return err
}

// Addr returns the address that clients connect to; a Restart keeps it.
func (s *Server) Addr() string { return s.addr }

// Stop ends the server in order: it says goodbye to everybody.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server at once. Links end without a word.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(with syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(with) // it may have ended by itself
	giveUp := time.AfterFunc(Patience, func() { _ = s.cmd.Process.Kill() })
	s.log.Wait()
	_ = s.cmd.Wait() // a signal is how it should end
	giveUp.Stop()
	s.cmd = nil
}

// Freeze stops the process: links stay open and nothing is answered.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signal ngircd: %v", err)
	}
}

// Restart kills the server, if it runs, and starts it on the same port.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		s.t.Fatalf("restart ngircd: %v", err)
	}
}
