package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/ircd"
)

// localRig is a repository, a configuration in a file with three hosts that are
// folders, and an IRC server. A build waits while the file slow is there.
type localRig struct {
	t      *testing.T
	repo   *repo
	dir    string
	slow   string
	config string
	server *ircd.Server
	cfg    Config
}

func newLocalRig(t *testing.T) *localRig {
	needForTest(t, "rsync", "rsync")
	server, err := ircd.Listen("127.0.0.1:0", ircd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	r := &localRig{t: t, repo: newRepo(t), dir: t.TempDir(), server: server}
	r.slow, r.config = filepath.Join(r.dir, "slow"), filepath.Join(r.dir, "config.yaml")
	r.repo.write("build", 0o755, fmt.Sprintf(`#!/bin/sh
touch %[1]s.began
for i in $(seq 300); do
	[ -e %[1]s ] || break
	sleep 0.1
done
mkdir -p dist/parts
git log -1 --format=%%s >dist/parts/1
`, r.slow))
	r.repo.commit("r1")
	host := func(name string) string {
		return fmt.Sprintf("{name: %s, local: true, root: %q}", name, filepath.Join(r.dir, name))
	}
	text := configText(server.Addr(), "#push", filepath.Join(r.dir, "state"), "",
		stackText{name: "web", repo: r.repo.dir, root: "/srv/web", princess: host("p1"), prod: host("w1") + ", " + host("w2")})
	write(t, r.config, text, 0o644)
	r.cfg = mustConfig(t, text)
	return r
}

// serves returns what a host serves, "" for nothing.
func (r *localRig) serves(host string) string {
	text, err := os.ReadFile(filepath.Join(r.dir, host, "current", "parts", "1"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// shell is pushtrain in a process of its own.
type shell struct {
	t   *testing.T
	cmd *exec.Cmd

	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
}

// Write takes what the process says.
func (s *shell) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *shell) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// command is a program that is killed with its test, or after a minute.
func command(t *testing.T, program string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, program, args...)
	c.WaitDelay = time.Second // for what a child of it keeps open
	return c
}

func (r *localRig) shell(args ...string) *shell {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	s := &shell{t: r.t, cmd: command(r.t, self)}
	s.cmd.Args = append([]string{"pushtrain", "-c", r.config}, args...)
	s.cmd.Stdout, s.cmd.Stderr = s, s
	s.cmd.Env = append(os.Environ(), "GORACE="+quickRace)
	if err := s.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// await waits until the shell says text.
func (s *shell) await(text string) {
	s.t.Helper()
	await(s.t, irctest.Patience, text, func() bool { return strings.Contains(s.said(), text) })
}

// ends waits for the end and its code.
func (s *shell) ends(code int) {
	s.t.Helper()
	if err := s.cmd.Wait(); err != nil && s.cmd.ProcessState.ExitCode() < 0 {
		s.t.Fatal(err)
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("%v ended with %d, want %d:\n%s", s.cmd.Args[3:], got, code, s.said())
	}
}

func (s *shell) says(texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if !strings.Contains(s.said(), text) {
			s.t.Errorf("%v does not say %q:\n%s", s.cmd.Args[3:], text, s.said())
		}
	}
}

// TestShellWithBot has the verbs of the shell go through the socket of a bot that runs.
func TestShellWithBot(t *testing.T) {
	t.Parallel()
	r := newLocalRig(t)
	startBot(t, r.cfg)
	alice := joined(t, r.server.Addr(), "alice")

	info, err := os.Stat(bot.SocketPath(r.cfg.StateDir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is open to others: %v, %v", info, err)
	}

	// The one who asked and another one see it through, and the channel hears who it was.
	write(t, r.slow, "", 0o644)
	deploy := r.shell("deploy", "web", "princess", "--yes")
	deploy.await("rollout 1")
	alice.Expect(`deploys web/princess from the shell`)
	busy := r.shell("deploy", "web", "princess", "--yes")
	busy.ends(exitNotNow)
	busy.says("web is busy")
	status := r.shell("status")
	status.ends(0)
	status.says("(BUILD by ", "irc: in #push as pushbot")
	if err := os.Remove(r.slow); err != nil {
		t.Fatal(err)
	}
	deploy.ends(0)
	deploy.says("web/princess: FLIP", "web/princess serves ", " on 1 host")
	alice.Expect(`web/princess serves`)

	// Who kills the asker stops nothing.
	r.repo.commit("r2")
	write(t, r.slow, "", 0o644)
	killed := r.shell("deploy", "web", "princess", "--yes")
	killed.await("rollout 2")
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.cmd.Wait() // by that signal
	if err := os.Remove(r.slow); err != nil {
		t.Fatal(err)
	}
	alice.Expect(`web/princess serves`)
	if got := r.serves("p1"); got != "r2" {
		t.Errorf("p1 serves %q after its rollout lost its asker", got)
	}

	// An interrupted asker hears how to go on; a second shell stops the rollout.
	r.repo.commit("r3")
	write(t, r.slow, "", 0o644)
	left := r.shell("deploy", "web", "princess", "--yes")
	left.await("rollout 3")
	signalTo(t, left.cmd.Process, os.Interrupt)
	left.ends(exitInterrupted)
	left.says("the bot goes on with it: `pushtrain abort web` stops it")
	r.shell("abort", "web").ends(0)
	alice.Expect(`web/princess stopped, nothing live was touched`)
	if err := os.Remove(r.slow); err != nil {
		t.Fatal(err)
	}
	if got := r.serves("p1"); got != "r2" {
		t.Errorf("p1 serves %q after an abort", got)
	}

	r.shell("deploy", "web", "prod", "--yes").ends(0)
	alice.Expect(`web/prod serves`)
	r.shell("hold", "db is down").ends(0)
	topic(alice, `HOLD "db is down" | clear`)
	held := r.shell("deploy", "web", "prod", "--yes")
	held.ends(exitNotNow)
	held.says("(db is down)")
	r.shell("unhold").ends(0)
	topic(alice, "clear")
	r.shell("log", "cache flushed").ends(0)
	alice.Expect(`says: cache flushed`)
	alice.Say("#push", ".join")
	topic(alice, "alice")
	queue := r.shell("queue")
	queue.ends(0)
	queue.says("alice\n")
}

func signalTo(t *testing.T, p *os.Process, s os.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// TestInterruptAlone: an interrupt of a shell that has no bot stops the rollout
// before its flip, and the next one finds all in order.
func TestInterruptAlone(t *testing.T) {
	t.Parallel()
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // or the tests' own nohup(1) would be the shells' too
	defer signal.Stop(heard)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			r := newLocalRig(t)
			r.shell("deploy", "web", "princess", "--yes").ends(0)
			r.repo.commit("r2")
			write(t, r.slow, "", 0o644)
			if err := os.Remove(r.slow + ".began"); err != nil {
				t.Fatal(err)
			}
			deploy := r.shell("deploy", "web", "princess", "--yes")
			await(t, irctest.Patience, "the build", func() bool { _, err := os.Stat(r.slow + ".began"); return err == nil })
			signalTo(t, deploy.cmd.Process, s)
			deploy.ends(exitInterrupted)
			deploy.says("web/princess: ABORTED", "nothing live was touched: stopped by ")
			if got := r.serves("p1"); got != "r1" {
				t.Errorf("p1 serves %q after an interrupt", got)
			}
			if err := os.Remove(r.slow); err != nil {
				t.Fatal(err)
			}
			r.shell("deploy", "web", "princess", "--yes").ends(0)
			if got := r.serves("p1"); got != "r2" {
				t.Errorf("p1 serves %q after the next rollout", got)
			}
		})
	}
}

// TestReaderGoesAway: a rollout outlives the reader of its output.
func TestReaderGoesAway(t *testing.T) {
	t.Parallel()
	r := newLocalRig(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out.Close()
	c := command(t, self)
	c.Env = append(os.Environ(), "GORACE="+quickRace)
	c.Args, c.Stdout = []string{"pushtrain", "-c", r.config, "deploy", "web", "princess", "--yes"}, in
	if err := c.Run(); err != nil {
		t.Errorf("a deploy without a reader: %v", err)
	}
	in.Close()
	if got := r.serves("p1"); got != "r1" {
		t.Errorf("p1 serves %q", got)
	}
}

// TestStaleSocket: what a killed bot leaves keeps neither the shell nor the next bot out.
func TestStaleSocket(t *testing.T) {
	r := newLocalRig(t)
	if err := os.Mkdir(r.cfg.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: bot.SocketPath(r.cfg.StateDir), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	alone := r.shell("status")
	alone.ends(0)
	alone.says("irc: not in the channel")
	startBot(t, r.cfg)
	answer := ""
	code, err := bot.Call(t.Context(), r.cfg.StateDir, bot.Request{Do: "status"}, func(r bot.Reply) { answer += r.Line })
	if err != nil || code != 0 || !strings.Contains(answer, "irc: in #push as pushbot") {
		t.Errorf("the new bot's answer: %q, %d, %v", answer, code, err)
	}
}

// TestBotEndsInARollout: a bot that is told to end during a rollout tells the asker
// to have a look, and the next bot is free for the next rollout.
func TestBotEndsInARollout(t *testing.T) {
	t.Parallel()
	r := newLocalRig(t)
	write(t, r.slow, "", 0o644)
	stop := startBot(t, r.cfg)
	deploy := r.shell("deploy", "web", "princess", "--yes")
	deploy.await("rollout 1")
	stop()
	deploy.ends(bot.ExitLook)
	deploy.says("`pushtrain status` shows how things stand")
	if err := os.Remove(r.slow); err != nil {
		t.Fatal(err)
	}
	startBot(t, r.cfg)
	await(t, irctest.Patience, "the rollout's end", func() bool {
		running := false
		_, err := bot.Call(t.Context(), r.cfg.StateDir, bot.Request{Do: "status"}, func(r bot.Reply) {
			running = running || strings.Contains(r.Line, " by ")
		})
		if err != nil {
			t.Fatal(err)
		}
		return !running
	})
	r.shell("deploy", "web", "princess", "--yes").ends(0)
	if got := r.serves("p1"); got != "r1" {
		t.Errorf("p1 serves %q", got)
	}
}
