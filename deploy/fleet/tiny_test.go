package fleet_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
)

// TestTiny ships a release that has lost most of its files: nothing is touched,
// not even the idle side, unless people say that it is right.
func TestTiny(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	r := newRig(t, root, "", fleet.Stage{Hosts: []fleet.Host{{Name: "a", Local: true}, {Name: "b", Local: true, Root: other}}})
	r.drain = time.Millisecond
	r.fleet = r.open(t.TempDir(), root, "")
	r.repo.commit("release 1", 40)
	r.ship(deploy.Done, "")
	r.repo.commit("release 2", 40)
	r.ship(deploy.Done, "")
	before := r.fleet.Status(t.Context(), target)
	r.repo.git("rm", "-q", "-r", "more")
	r.repo.commit("tiny", 0)
	e := r.ship(deploy.Aborted, `, prepare: the release has 3 files, `)
	t.Log(e.Reason)
	r.expect(e, deploy.Aborted, ` serves 43: 94 % would be deleted; if that is right: pushtrain deploy web prod --override "why"`)
	for i, s := range r.fleet.Status(t.Context(), target) {
		was := before[i].Standing
		if s.Err != nil || len(s.Standing.Sides) != 2 || s.Standing.Live != was.Live || s.Standing.Sides["yin"] != was.Sides["yin"] || s.Standing.Sides["yang"] != was.Sides["yang"] {
			t.Errorf("%s stood at %+v, and does at %+v, %v", s.Name, was, s.Standing, s.Err)
		}
	}
	serves(t, root, "release 2")

	force := r.start()
	force.Force = true
	r.expect(r.run(0, force, nil), deploy.Done, "")
	serves(t, root, "tiny")
	serves(t, other, "tiny")
}

// TestTinyUnknown: a host that serves what the archive has no more is not
// compared with anything, and the log says so.
func TestTinyUnknown(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root, "", fleet.Stage{Hosts: []fleet.Host{{Name: "a", Local: true}}})
	r.repo.commit("release 1", 40)
	r.ship(deploy.Done, "")
	live, _ := r.book.Live(target)
	dir := t.TempDir()
	r.fleet = r.open(dir, root, "")
	r.repo.git("rm", "-q", "-r", "more")
	r.repo.commit("tiny", 0)
	r.ship(deploy.Done, "")
	serves(t, root, "tiny")
	if _, err := os.Stat(filepath.Join(dir, "web", "releases", live.Release.ID)); err == nil {
		t.Fatal("the archive has the release")
	}
	if !r.said("the release is not compared with " + live.Release.ID + ", which is live: ") {
		t.Error("nothing was said of it")
	}
}
