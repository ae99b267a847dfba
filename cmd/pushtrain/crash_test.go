package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
)

// spawn runs this test program as pushtrain, as a process of its own.
func spawn(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "PUSHTRAIN_MAIN=1")
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() }) // it may have ended by itself
	return c
}

// TestKilledBeforeCommit: a bot that is killed while its rollout waits for the
// tests finds the queue, the stage and the rollout again, and says what became of it.
func TestKilledBeforeCommit(t *testing.T) {
	needForTest(t, "rsync", "rsync")
	server := irctest.Ngircd(t, irctest.Options{})
	hosts, code := t.TempDir(), newRepo(t)
	gate := filepath.Join(t.TempDir(), "gate") // the stage's test waits for somebody to write into it
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	code.write("test", 0o755, "#!/bin/sh\ncat "+gate+"\n")
	code.commit("r1")
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := configText(server.Addr(), "#push", t.TempDir(), "", stackText{name: "web", repo: code.dir, root: "/srv/unused",
		princess: "{name: p1, local: true, root: " + hosts + "/p1}", prod: "{name: w1, local: true, root: " + hosts + "/w1}"})
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	alice := joined(t, server.Addr(), "alice")
	pushtrain := spawn(t, "run", "-q", "-c", path)
	alice.Expect(`JOIN :?#push`)
	alice.Say("#push", ".join")
	topic(alice, "alice")
	alice.Say("#push", `.message "slush"`)
	topic(alice, `alice !! "slush"`)
	alice.Say("#push", ".princess")
	alice.Expect(`web/princess: copying`)
	sealed := filepath.Join(hosts, "p1", ".pushtrain", "yin.seal")
	await(t, irctest.Patience, "the host to hold the verified release", func() bool { _, err := os.Stat(sealed); return err == nil })
	if err := pushtrain.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = pushtrain.Wait() // it was killed
	if _, err := os.Lstat(filepath.Join(hosts, "p1", "current")); err == nil {
		t.Error("the link was there before COMMIT")
	}

	start := time.Now()
	spawn(t, "run", "-q", "-c", path)
	alice.Expect(`JOIN :?#push`)
	alice.Expect(`alice: web/princess stopped, nothing live was touched`)
	t.Logf("said so %.1f s after the restart", time.Since(start).Seconds())
	topic(alice, `alice !! "slush"`)
	code.write("test", 0o755, "#!/bin/sh\nexit 0\n")
	code.commit("r2")
	alice.Say("#push", ".princess")
	alice.Expect(`web is on princess`)
	live, err := os.ReadFile(filepath.Join(hosts, "p1", "current", "parts", "1"))
	if err != nil || strings.TrimSpace(string(live)) != "r2" {
		t.Errorf("p1 serves %q, %v", live, err)
	}
}
