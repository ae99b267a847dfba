package fleet_test

import (
	"os"
	"path/filepath"
	"testing"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
	"pushtrain/deploy/release"
)

// TestOddNames ships names that only a careful program survives, to a machine
// and to a folder: the hosts hold the very tree that was built.
func TestOddNames(t *testing.T) {
	h := fleettest.Start(t, 1)
	here := filepath.Join(t.TempDir(), "a root")
	stage := hosts(h.Names...)
	stage.Hosts = append(stage.Hosts, fleet.Host{Name: "here", Local: true, Root: here})
	r := newRig(t, "/srv/a root", h.Config, stage)
	names := []string{"two\nlines", "-rf", "--delete", "bad\xff\xfeutf8", " blanks ", "*", "$(id)", "`id`", `back\slash`, `q"uote's`, "ünï/cödé", "\x01\x7f", "a:b", "#x#"}
	for _, text := range []string{"release 1", "release 2", "release 3"} { // the third goes where the first was
		for _, name := range names {
			path := filepath.Join(r.repo.dir, "odd", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text+name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if text == "release 2" {
			if err := os.Symlink("two\nlines", filepath.Join(r.repo.dir, "odd", "link\xff")); err != nil {
				t.Fatal(err)
			}
		}
		r.repo.commit(text, 0)
		r.ship(deploy.Done, "")
		for _, root := range []string{here, filepath.Join(h.Srv("host-1"), "a root")} {
			m, err := release.Scan(t.Context(), filepath.Join(root, "current"))
			live, _ := r.book.Live(target)
			if err != nil || m.Digest() != live.Release.Digest {
				t.Errorf("%s serves another tree: %v", root, err)
			}
		}
		for _, name := range names {
			got, err := os.ReadFile(filepath.Join(h.Srv("host-1"), "a root", "current", "odd", name))
			if err != nil || string(got) != text+name {
				t.Errorf("host-1 serves %q as %q, %v", name, got, err)
			}
		}
	}
}

// TestSameLook has a hand spoil the side that a rollback goes to, with a file of
// the same size and time: neither the seal nor rsync's quick look may pass it.
func TestSameLook(t *testing.T) {
	h := fleettest.Start(t, 1)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	root := filepath.Join(h.Srv("host-1"), "web")
	for _, text := range []string{"release 1", "release 2"} {
		r.repo.commit(text, 0)
		r.ship(deploy.Done, "")
	}
	path := filepath.Join(root, "yin", "index.html")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("release X"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	back, _ := r.book.Previous(target)
	s := r.start()
	s.Release, s.Back = back, true
	r.expect(r.run(0, s, nil), deploy.Done, "")
	serves(t, root, "release 1")
	if !r.said("comparing all contents") {
		t.Error("nothing was said of it")
	}
}

// TestMovedByHand moves the link of a host that serves the release already while
// the rollout stands at its barrier: it is not DONE, and not back either.
func TestMovedByHand(t *testing.T) {
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	r.repo.commit("release 1", 0)
	r.ship(deploy.Done, "")
	r.repo.commit("release 2", 0)
	s := r.start()
	s.Hosts = []string{"host-1"}
	r.expect(r.run(0, s, nil), deploy.Done, "")
	e := r.run(0, r.start(), func() { h.Run("host-1", "ln -sfn yin /srv/web/current") })
	r.expect(e, deploy.Stuck, "not back: host host-1: it serves yin with release ")
	serves(t, filepath.Join(h.Srv("host-2"), "web"), "release 1")
	h.Run("host-1", "ln -sfn yang /srv/web/current")
	r.expect(r.run(r.book.Last, deploy.Forward{By: "alice"}, nil), deploy.Done, "")
	for _, name := range h.Names {
		serves(t, filepath.Join(h.Srv(name), "web"), "release 2")
	}
}
