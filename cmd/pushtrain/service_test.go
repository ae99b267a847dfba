package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
)

// served is pushtrain run as systemd runs it.
type served struct {
	t      *testing.T
	config string
	hears  *net.UnixConn // systemd's end
	log    *os.File
	c      *exec.Cmd
	ended  chan error
}

func newServed(t *testing.T, config string) *served {
	t.Helper()
	dir, err := os.MkdirTemp("", "served") // a socket's name must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &served{t: t, config: config}
	if s.hears, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.hears.Close()
		if said, _ := os.ReadFile(s.log.Name()); t.Failed() {
			t.Logf("the bot said: %s", said)
		}
	})
	return s
}

func (s *served) start(more ...string) {
	s.t.Helper()
	s.c = exec.Command(os.Args[0], append([]string{"run", "-c", s.config}, more...)...)
	s.c.Env = append(os.Environ(), "PUSHTRAIN_MAIN=1", "GORACE="+quickRace, "NOTIFY_SOCKET="+s.hears.LocalAddr().String(), "WATCHDOG_USEC=900000")
	s.c.Stdout, s.c.Stderr = s.log, s.log
	s.c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan error, 1)
	go func(c *exec.Cmd) { s.ended <- c.Wait() }(s.c)
	s.t.Cleanup(func() { _ = s.c.Process.Kill() }) // it may have ended by itself
}

// hear waits until systemd is told text.
func (s *served) hear(text string) {
	s.t.Helper()
	if err := s.hears.SetReadDeadline(time.Now().Add(irctest.Patience)); err != nil {
		s.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := s.hears.Read(buf)
		if err != nil {
			s.t.Fatalf("systemd waits for %s: %v", text, err)
		}
		if string(buf[:n]) == text {
			return
		}
	}
}

func (s *served) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.c.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// over waits until the program has ended, well.
func (s *served) over() {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Fatalf("it ended with %v", err)
		}
	case <-time.After(irctest.Patience):
		s.t.Fatal("it does not end")
	}
}

// logged waits until the log has a line with all of these.
func (s *served) logged(parts ...string) {
	s.t.Helper()
	await(s.t, irctest.Patience, fmt.Sprintf("the log to say %q", parts), func() bool {
		said, err := os.ReadFile(s.log.Name())
		for _, line := range strings.Split(string(said), "\n") {
			all := err == nil
			for _, p := range parts {
				all = all && strings.Contains(line, p)
			}
			if all {
				return true
			}
		}
		return false
	})
}

// shell runs pushtrain, and returns its exit code and what it said.
func (s *served) shell(args ...string) (code int, said string) {
	s.t.Helper()
	var out bytes.Buffer
	c := exec.Command(os.Args[0], append([]string{"-c", s.config}, args...)...)
	c.Env = append(os.Environ(), "PUSHTRAIN_MAIN=1", "GORACE="+quickRace)
	c.Stdout, c.Stderr = &out, &out
	_ = c.Run() // the code tells it
	return c.ProcessState.ExitCode(), out.String()
}

func (s *served) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// TestService: the bot under an init system. A reload with a mistake changes
// nothing; one in the middle of a rollout waits for its end; a host goes only when it
// is named. A SIGTERM before COMMIT leaves all as it was, one in the middle of a flip
// ends it, and the next start goes on.
func TestService(t *testing.T) {
	needForTest(t, "rsync", "rsync")
	t.Parallel()
	server := irctest.Ngircd(t, irctest.Options{})
	hosts, code, test, flip := t.TempDir(), newRepo(t), newGate(t), newGate(t)
	code.write("test", 0o755, "#!/bin/sh\nexec head -n1 "+test.path+"\n")
	code.commit("r1")
	state := t.TempDir()
	text := func(prod string) string {
		return configText(server.Addr(), "#push", state, "", stackText{name: "web", repo: code.dir, root: "/srv/unused",
			princess: "{name: p1, local: true, root: " + hosts + "/p1}", prod: prod})
	}
	w1, w2 := "{name: w1, local: true, root: "+hosts+"/w1}", "{name: w2, local: true, root: "+hosts+"/w2}"
	bot := newServed(t, filepath.Join(t.TempDir(), "config.yaml"))
	bot.write(text(w1 + ", " + w2))
	alice := joined(t, server.Addr(), "alice")
	bot.start()
	bot.hear("READY=1")
	bot.hear("WATCHDOG=1")
	alice.Expect(`JOIN :?#push`)

	// All mistakes are told, and nothing is taken up.
	bot.write(text(w1) + "train: {cap: 0, idle: soon}\n")
	bot.signal(syscall.SIGHUP)
	bot.hear("RELOADING=1")
	bot.hear("READY=1")
	bot.logged("train.cap: must be at least 1", "train.idle", "the configuration of before stays")
	bot.write(text(w1) + "train: {cap: 9}\n")
	if code, said := bot.shell("reload"); code != exitNotNow || !strings.Contains(said, "web/prod w2 would be removed: `pushtrain reload --remove w2`") {
		t.Errorf("a reload without a host ended with %d: %s", code, said)
	}
	if code, said := bot.shell("reload", "--remove", "w1"); code != exitUsage || !strings.Contains(said, "no stage has lost a host of that name") {
		t.Errorf("a reload that may lose another host ended with %d: %s", code, said)
	}

	// A rollout that runs does not hear of it.
	alice.Say("#push", ".join")
	topic(alice, "alice")
	alice.Say("#push", ".princess")
	sealed := filepath.Join(hosts, "p1", ".pushtrain", "yin.seal")
	await(t, irctest.Patience, "the host to hold the verified release", func() bool { _, err := os.Stat(sealed); return err == nil })
	code0, said := bot.shell("reload", "--remove", "w2")
	if code0 != 0 || !strings.Contains(said, "train.cap is 9, was 8") || !strings.Contains(said, "stacks[web].stages[prod].hosts[w2] is removed") || !strings.Contains(said, "it holds when") {
		t.Errorf("a reload in the middle of a rollout ended with %d: %s", code0, said)
	}
	bot.signal(syscall.SIGTERM)
	bot.hear("STOPPING=1")
	alice.Expect(`:pushbot!\S* QUIT :.*back soon; the queue is kept`)
	bot.over()
	if _, err := os.Lstat(filepath.Join(hosts, "p1", "current")); err == nil {
		t.Error("the link was there before COMMIT")
	}

	// The start takes up the queue, and the rollout that was cut off. Then the flip waits in its hook.
	bot.write(text(w1+", "+w2) + "train: {cap: 8}\n")
	bot.start()
	bot.hear("READY=1")
	alice.Expect(`alice: web/princess stopped, nothing live was touched`)
	topic(alice, "alice")
	code.write("test", 0o755, "#!/bin/sh\nexit 0\n")
	code.commit("r2")
	hook := strings.Replace(text(w1)+"train: {cap: 9}\n", "test: [./test]", fmt.Sprintf("after_flip: [sh, -c, 'touch %[1]s.flipped; head -n1 %[1]s; touch %[1]s.ended']", flip.path), 1)
	bot.write(strings.Replace(hook, server.Addr(), "127.0.0.1:1", 1))
	if code, said := bot.shell("reload", "--remove", "w2"); code != 0 || !strings.Contains(said, "irc.server is another: restart to have it") || strings.Contains(said, "holds when") {
		t.Errorf("a reload with no rollout ended with %d: %s", code, said)
	}
	alice.Expect(`says: reloaded: train.cap is 9, was 8; stacks\[web\].stages\[princess\].test is another; stacks\[web\].stages\[princess\].after_flip is another; stacks\[web\].stages\[prod\].hosts\[w2\] is removed`)
	bot.logged("the configuration holds")
	if code, said := bot.shell("reload"); code != 0 || !strings.Contains(said, "irc.server is another: restart to have it") || strings.Contains(said, "train.cap") {
		t.Errorf("a second reload ended with %d: %s", code, said)
	}
	bot.write(hook)
	alice.Say("#push", ".princess")
	await(t, irctest.Patience, "the flip", func() bool { _, err := os.Stat(flip.path + ".flipped"); return err == nil })
	bot.signal(syscall.SIGTERM)
	bot.hear("STOPPING=1")
	flip.open()
	bot.over()
	if _, err := os.Stat(flip.path + ".ended"); err != nil {
		t.Errorf("it cut off a flip: %v", err)
	}
	bot.write(strings.Replace(hook, "head -n1 "+flip.path, "true", 1))
	bot.start()
	alice.Expect(`web is on princess`)
	live, err := os.ReadFile(filepath.Join(hosts, "p1", "current", "parts", "1"))
	if err != nil || strings.TrimSpace(string(live)) != "r2" {
		t.Errorf("p1 serves %q, %v", live, err)
	}
	if code, said := bot.shell("log", "verify"); code != 0 {
		t.Errorf("log verify ended with %d: %s", code, said)
	}
	if _, said := bot.shell("log"); !strings.Contains(said, "hosts[w2] is removed") {
		t.Errorf("the deploy log does not say who removed a host:\n%s", said)
	}
}

// TestUnit: what the unit takes for an end that a person has to look at. A bot that
// systemd ends because it hangs is none of those.
func TestUnit(t *testing.T) {
	needForTest(t, "rsync", "rsync")
	t.Parallel()
	unit, err := os.ReadFile("deb/pushtrain.service")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^RestartPreventExitStatus=(.*)$`).FindSubmatch(unit)
	if list == nil {
		t.Fatal("the unit has no RestartPreventExitStatus")
	}
	stays := strings.Fields(string(list[1]))
	bot := newServed(t, filepath.Join(t.TempDir(), "config.yaml"))
	state := t.TempDir()
	bot.write(configText("127.0.0.1:1", "#push", state, "", stackText{name: "web", repo: state, root: "/srv/unused",
		princess: "{name: p1, local: true, root: " + state + "/p1}", prod: "{name: w1, local: true, root: " + state + "/w1}"}))
	bot.start()
	bot.hear("READY=1")
	if code, said := bot.shell("run"); !slices.Contains(stays, fmt.Sprint(code)) {
		t.Errorf("a second bot ended with %d, and would be started again: %s", code, said)
	}
	bot.signal(syscall.SIGABRT) // as the watchdog does
	<-bot.ended
	if code := bot.c.ProcessState.ExitCode(); slices.Contains(stays, fmt.Sprint(code)) {
		t.Errorf("a bot that hung ended with %d, and would not be started again", code)
	}
	bot.write("irc: {}\n")
	if code, said := bot.shell("run"); !slices.Contains(stays, fmt.Sprint(code)) {
		t.Errorf("a bot without a configuration ended with %d, and would be started again: %s", code, said)
	}
}
