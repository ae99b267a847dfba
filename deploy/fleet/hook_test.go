package fleet_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
)

// TestAfterFlip: it runs on the host after each flip, also one back, with what it says in
// the log; a failing one turns the rollout back.
func TestAfterFlip(t *testing.T) {
	h := fleettest.Start(t, 1)
	stage := hosts("host-1")
	stage.AfterFlip = []string{"sh", "-c", `cat current/index.html; hostname; grep -qv broken current/index.html; code=$?; echo "$PUSHTRAIN_SIDE $code" >>log; exit $code`}
	r := newRig(t, "/srv/web", h.Config, stage)
	root := filepath.Join(h.Srv("host-1"), "web")
	log := func(want string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(root, "log"))
		if text := strings.Join(strings.Fields(string(got)), " "); err != nil || text != want {
			t.Errorf("after_flip ran as %q, %v; want %q", text, err, want)
		}
	}
	r.repo.commit("one\n", 0)
	r.ship(deploy.Done, "")
	log("yin 0")
	if !r.said("after_flip: one") || !r.said("after_flip: host-1") {
		t.Error("what after_flip says is not in the log")
	}
	r.repo.commit("broken\n", 0)
	e := r.ship(deploy.RolledBack, "host host-1, confirm: after_flip: sh -c")
	if len(e.Tail) != 2 || e.Tail[0] != "broken" {
		t.Errorf("the tail is %q", e.Tail)
	}
	log("yin 0 yang 1 yin 0")
	serves(t, root, "one\n")

	r.repo.commit("two\n", 0)
	r.ship(deploy.Done, "")
	back, ok := r.book.Previous(target)
	if !ok {
		t.Fatal("there is nothing to go back to")
	}
	s := r.start()
	s.Release, s.Back = back, true
	r.expect(r.run(0, s, nil), deploy.Done, "")
	log("yin 0 yang 1 yin 0 yang 0 yin 0")
}

// TestBeforeFlip: it runs when the side is verified; a failing one stops the rollout, and nothing live is touched.
func TestBeforeFlip(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root, "", fleet.Stage{
		Hosts:      []fleet.Host{{Name: "a", Local: true}},
		BeforeFlip: []string{"sh", "-c", `cat $PUSHTRAIN_SIDE/index.html; ! grep -q broken $PUSHTRAIN_SIDE/index.html`},
	})
	r.repo.commit("one", 0)
	r.ship(deploy.Done, "")
	if !r.said("before_flip: one") {
		t.Error("what before_flip says is not in the log")
	}
	r.repo.commit("broken", 0)
	r.ship(deploy.Aborted, "host a, verify: before_flip: sh -c")
	serves(t, root, "one")
}

// TestAfterFlipFails where there is no way back: the host is left to a person.
func TestAfterFlipFails(t *testing.T) {
	r := newRig(t, t.TempDir(), "", fleet.Stage{
		Hosts:     []fleet.Host{{Name: "a", Local: true}},
		AfterFlip: []string{"false"},
	})
	r.repo.commit("one", 0)
	r.ship(deploy.Stuck, "after_flip: false: exit status 1")
}

// A bot that dies while after_flip runs, and is started again at once, goes on: the command's session gives
// its lock back before the command would have ended.
func TestDiesInAfterFlip(t *testing.T) {
	t.Parallel()
	h := fleettest.Start(t, 2)
	stage := hosts(h.Names...)
	stage.AfterFlip = []string{"sh", "-c", "if test -p begun; then echo >begun; sleep 25; fi"}
	r := newRig(t, "/srv/web", h.Config, stage)
	r.repo.commit("release 1", 0)
	r.ship(deploy.Done, "")
	begun := filepath.Join(h.Srv("host-2"), "web", "begun")
	if err := syscall.Mkfifo(begun, 0o644); err != nil {
		t.Fatal(err)
	}
	r.repo.commit("release 2", 0)
	dies := make(chan struct{})
	r.dies = dies
	go func() {
		_, err := os.ReadFile(begun) // when the command has begun
		if err := errors.Join(err, os.Remove(begun)); err != nil {
			t.Error(err)
		}
		close(dies)
	}()
	if e := r.run(0, r.start(), nil); e.Outcome != "" {
		t.Fatalf("it ended %s %s before it could die", e.Outcome, e.Reason)
	}
	r.dies = nil
	if err := r.fleet.Close(); err != nil {
		t.Fatal(err)
	}
	r.goesOn(h, "release 2")
}
