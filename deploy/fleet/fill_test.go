package fleet_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
	"pushtrain/deploy/release"
)

// TestFill ships three releases to a machine and a folder of this one, without
// rsync: what is sent the third time goes over the first, which nobody touched.
func TestFill(t *testing.T) {
	h := fleettest.Start(t, 1)
	here := filepath.Join(t.TempDir(), "here")
	stage := hosts(h.Names...)
	stage.Hosts = append(stage.Hosts, fleet.Host{Name: "here", Local: true, Root: here})
	r := newRig(t, "/srv/web", h.Config, stage)
	roots := []string{here, filepath.Join(h.Srv("host-1"), "web")}
	for i, text := range []string{"release 1", "release 2", "release 3"} {
		if err := os.RemoveAll(filepath.Join(r.repo.dir, "turns")); err != nil {
			t.Fatal(err)
		}
		turn := []string{"turns", "turns/into", "turns/into/folders"}[i]
		if err := os.MkdirAll(filepath.Join(r.repo.dir, filepath.Dir(turn)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.repo.dir, turn), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		r.repo.commit(text, 0)
		r.ship(deploy.Done, "")
		live, _ := r.book.Live(target)
		for _, root := range roots {
			m, err := release.Scan(t.Context(), filepath.Join(root, "current"))
			if err != nil || m.Digest() != live.Release.Digest {
				t.Errorf("%s serves another tree: %v", root, err)
			}
		}
	}
	if r.said("rsync") {
		t.Errorf("rsync was at work: %+v", r.lines)
	}
	for _, root := range roots {
		stays, err := os.Stat(filepath.Join(root, "yin", "-dash"))
		if err != nil {
			t.Fatal(err)
		}
		changed, err := os.Stat(filepath.Join(root, "yin", "index.html"))
		if err != nil || !changed.ModTime().After(stays.ModTime()) {
			t.Errorf("%s: what was changed has the time %v, what was not %v, %v", root, changed.ModTime(), stays.ModTime(), err)
		}
	}
}

// TestFillHand ships over a side that a hand has been in, with a file of the same
// size and time: the host does not seal it, and rsync makes it right.
func TestFillHand(t *testing.T) {
	h := fleettest.Start(t, 1)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	r.drain = time.Millisecond
	r.fleet = r.open(t.TempDir(), "/srv/web", h.Config)
	root := filepath.Join(h.Srv("host-1"), "web")
	for i, text := range []string{"release 1", "release 2", "release 3"} {
		if i == 2 {
			h.Run("host-1", "cd /srv/web/yin && echo x >stray && touch -r ./-dash ../time && printf x >./-dash && touch -r ../time ./-dash")
		}
		r.repo.commit(text, 0)
		r.ship(deploy.Done, "")
	}
	m, err := release.Scan(t.Context(), filepath.Join(root, "current"))
	if live, _ := r.book.Live(target); err != nil || m.Digest() != live.Release.Digest {
		t.Errorf("it serves another tree: %v", err)
	}
	if !r.said("comparing all contents") {
		t.Error("nothing was said of it")
	}
}

// TestFillCut loses the session while a side is filled: rsync takes over in the
// same rollout, from a side that nobody knows.
func TestFillCut(t *testing.T) {
	h := fleettest.Start(t, 1)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	mkdir(t, h, "host-1", "web")
	r.repo.commit("release 1", 2000)
	cut := false
	r.hear = func(l fleet.Line) {
		if l.Host == "host-1" && l.Text == "" && !cut { // the first word of progress
			cut = true
			h.Cut("host-1")
		}
	}
	r.ship(deploy.Done, "")
	serves(t, filepath.Join(h.Srv("host-1"), "web"), "release 1")
	if !cut || !r.said("sending it by rsync") {
		t.Errorf("cut %v, said %+v", cut, r.lines)
	}
}

// TestFillGone ships where what the archive has is not what the host is told of:
// nothing is sealed.
func TestFillGone(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	r := newRig(t, root, "", fleet.Stage{Hosts: []fleet.Host{{Name: "a", Local: true}}})
	r.fleet = r.open(dir, root, "")
	r.repo.commit("release 1", 0)
	r.built = func() {
		all, err := filepath.Glob(filepath.Join(dir, "*/releases/*/tree/index.html"))
		if err != nil || len(all) != 1 {
			t.Fatalf("in the archive: %q, %v", all, err)
		}
		info, err := os.Stat(all[0])
		if err == nil {
			err = errors.Join(os.WriteFile(all[0], []byte("release X"), 0o644), os.Chtimes(all[0], info.ModTime(), info.ModTime()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	e := r.run(0, r.start(), nil)
	if e.Outcome != deploy.Aborted || !strings.Contains(e.Reason, "index.html: content differs") {
		t.Errorf("%+v", e)
	}
}
