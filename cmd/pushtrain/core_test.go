package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoCore: a bot that has read its secrets leaves no core, however it is told to.
func TestNoCore(t *testing.T) {
	needForTest(t, "rsync", "rsync")
	t.Chdir(t.TempDir())
	t.Setenv("GOTRACEBACK", "crash")
	bot, state := newServed(t, filepath.Join(t.TempDir(), "config.yaml")), t.TempDir()
	bot.write(configText("127.0.0.1:1", "#push", state, "", stackText{name: "web", repo: state, root: "/srv/unused",
		princess: "{name: p1, local: true, root: " + state + "/p1}", prod: "{name: w1, local: true, root: " + state + "/w1}"}))
	bot.start()
	bot.hear("READY=1")
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &own); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		own.Max = unix.RLIM_INFINITY
	}
	if err := unix.Prlimit(bot.c.Process.Pid, unix.RLIMIT_CORE, &unix.Rlimit{Cur: own.Max, Max: own.Max}, nil); err != nil {
		t.Fatal(err)
	}
	bot.signal(syscall.SIGABRT)
	<-bot.ended
	if how := bot.c.ProcessState.String(); !strings.Contains(how, "abort") || strings.Contains(how, "core dumped") {
		t.Errorf("the bot ended so: %s", how)
	}
	if left, err := filepath.Glob("core*"); err != nil || len(left) > 0 {
		t.Errorf("the bot has left %v, %v", left, err)
	}
}

// TestNoDump is the same for what else reads secrets, asked of the kernel.
func TestNoDump(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecrets(Config{}); err != nil {
		t.Fatal(err)
	}
	if may, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || may != 0 {
		t.Errorf("a core may be made: %d, %v", may, err)
	}
}
