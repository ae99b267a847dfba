package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// twoBots has a second bot, on a state of its own, ship to the same hosts: while the
// first one ships, and while the first one is frozen in the middle of it. Whoever is
// refused is told so, and the hosts serve one release.
func (r *faultRig) twoBots(t *testing.T) {
	other := r.second()
	defer other.bot.stop()
	for _, point := range []string{"", "deed/prepare/host-2/before#1", "deed/flip/host-2/before#1", "deed/flip/host-2/done#1"} {
		r.commit("")
		r.bot.arm(point)
		first := make(chan reply, 1)
		go func() { first <- r.deploy() }()
		if point != "" {
			if _, err := r.reach(r.bot, point, nil); err != nil {
				t.Fatal(err)
			}
			if err := r.bot.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		b := other.deploy()
		if point != "" {
			if err := r.bot.cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			r.bot.tell("go")
		}
		a := <-first
		t.Logf("at %q the first was told %d, the second %d: %s", point, a.exit, b.exit, last(b.lines))
		r.uniform(t, point)
		if a, b := r.shipped(""), other.shipped(""); a != nil || b != nil {
			t.Errorf("alone, one after the other, they end with %v and %v", a, b)
		}
		r.uniform(t, point)
	}
	if err := r.shipped(""); err != nil { // so that its own journal says what the hosts serve
		t.Error(err)
	}
}

// oldState puts an old journal in the place of the bot's, as a snapshot of its
// machine would: the hosts know more than it does, and it ships all the same.
func (r *faultRig) oldState(t *testing.T) {
	path := filepath.Join(r.state, "journal.db")
	r.bot.stop()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r.start("")
	for range 3 {
		r.ship("")
	}
	before, err := r.look()
	if err != nil {
		t.Fatal(err)
	}
	r.bot.kill()
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	r.start("")
	if err := r.shipped(""); err != nil {
		t.Error(err)
	}
	if _, err := r.outcome(before); err != nil {
		t.Error(err)
	}
	if err := r.witness.said(); err != nil {
		t.Error(err)
	}
}

// uniform waits for rollouts that still go on, and fails unless all hosts serve one release.
func (r *faultRig) uniform(t *testing.T, point string) {
	t.Helper()
	stuck, err := r.settled(patience)
	if err == nil && stuck {
		err = r.named()
		t.Logf("at %q the first is STUCK", point)
	}
	now, lookErr := r.look()
	if err != nil || lookErr != nil {
		t.Fatal(err, lookErr)
	}
	if _, err := now.uniform(); err != nil && !stuck {
		t.Errorf("at %q: %v", point, err)
	}
	if err := r.witness.said(); err != nil {
		t.Errorf("at %q: %v", point, err)
	}
}

// second is another bot for the same hosts, on a state of its own.
func (r *faultRig) second() *faultRig {
	r.t.Helper()
	text, err := os.ReadFile(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	other := *r
	other.state, other.config = filepath.Join(filepath.Dir(r.config), "other"), r.config+".other"
	if err := os.WriteFile(other.config, []byte(strings.Replace(string(text), r.state, other.state, 1)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	other.start("")
	return &other
}

func last(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}
