package fleet_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
	"pushtrain/deploy/release"
)

// hosts are a stage's hosts by their names.
func hosts(names ...string) fleet.Stage {
	var s fleet.Stage
	for _, name := range names {
		s.Hosts = append(s.Hosts, fleet.Host{Name: name})
	}
	return s
}

// TestLocal ships to two folders of this machine: no ssh, the same code.
func TestLocal(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	for _, dir := range []string{a, b} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "check")
	r := newRig(t, a, "", fleet.Stage{
		Hosts: []fleet.Host{{Name: "a", Local: true}, {Name: "b", Local: true, Root: b}},
		Test:  []string{"grep", "-q", "release", "index.html"},
		Check: []string{"sh", "-c", `echo $PUSHTRAIN_STACK $PUSHTRAIN_STAGE $PUSHTRAIN_HOSTS >` + out},
	})
	var began time.Time
	for _, text := range []string{"release 1", "release 2", "release 3"} {
		if text == "release 2" {
			began = time.Now()
		}
		r.repo.commit(text, 0)
		r.ship(deploy.Done, "")
		serves(t, a, text)
		serves(t, b, text)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "web prod a b\n" {
		t.Errorf("the check was told %q, %v", got, err)
	}
	if took := time.Since(began); !r.said("waiting") && took < r.drain { // else they may have left by themselves
		t.Error("nothing was said of waiting for the last readers")
	}

	// A rollback finds the side as it left it.
	back, ok := r.book.Previous(target)
	if !ok {
		t.Fatal("there is nothing to go back to")
	}
	s := r.start()
	s.Release, s.Back = back, true
	r.expect(r.run(0, s, nil), deploy.Done, "")
	serves(t, a, "release 2")
	if !r.said("holds " + back.ID + " already") {
		t.Error("the rollback sent a release that was there")
	}

	// Failing tests and checks.
	r.repo.commit("no good", 0)
	e := r.ship(deploy.Aborted, "test: grep -q release index.html: exit status 1")
	serves(t, a, "release 2")
	if len(e.Tail) > 5 {
		t.Errorf("tail %q", e.Tail)
	}
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	r.repo.commit("release 4", 0)
	r.ship(deploy.RolledBack, "check: ")
	serves(t, a, "release 2")
	serves(t, b, "release 2")

	if err := r.fleet.Prune("web", r.book.InUse("web")...); err != nil {
		t.Error(err)
	}
	for _, s := range r.fleet.Status(t.Context(), target) {
		if s.Err != nil || s.Standing.Sides[s.Standing.Live].Digest != back.Digest {
			t.Errorf("%s stands at %+v, %v", s.Name, s.Standing, s.Err)
		}
	}

	// What an application has written into what it serves is seen, and gone back to as it was.
	cache := filepath.Join(a, "current", "cache")
	if err := os.WriteFile(cache, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r.repo.commit("release 5", 0)
	r.ship(deploy.RolledBack, "check: ")
	serves(t, a, "release 2")
	serves(t, b, "release 2")
	if _, err := os.Lstat(cache); err != nil {
		t.Error(err)
	}
}

// TestRemote ships to two machines by ssh, from their first release on.
func TestRemote(t *testing.T) {
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	for _, name := range h.Names {
		mkdir(t, h, name, "web")
	}
	for _, text := range []string{"release 1", "release 2", "release 3"} {
		r.repo.commit(text, 0)
		r.ship(deploy.Done, "")
		for _, name := range h.Names {
			serves(t, filepath.Join(h.Srv(name), "web"), text)
		}
	}
	if !slices.ContainsFunc(r.lines, func(l fleet.Line) bool { return l.Host == "host-2" && l.Percent == 100 }) {
		t.Error("no progress was told")
	}
	if list := h.Run("host-1", "ls ~/.cache/pushtrain"); !strings.HasPrefix(list, "pushtrain-") || strings.Count(list, "\n") != 1 {
		t.Errorf("the helper was put there as %q", list)
	}
	back, _ := r.book.Previous(target)
	s := r.start()
	s.Release, s.Back = back, true
	r.expect(r.run(0, s, nil), deploy.Done, "")
	for _, name := range h.Names {
		serves(t, filepath.Join(h.Srv(name), "web"), "release 2")
	}

	// The helper is put there again when it is gone or can't be run.
	for _, harm := range []string{"rm ~/.cache/pushtrain/*", "for f in ~/.cache/pushtrain/*; do chmod 0 $f; done", "for f in ~/.cache/pushtrain/*; do rm $f; echo '#!/none' >$f; chmod 700 $f; done",
		cut(0), cut(2_000_000)} {
		h.Cut("host-1")
		h.Run("host-1", harm)
		for _, s := range r.fleet.Status(t.Context(), target) {
			if s.Err != nil || s.Standing.Live == "" {
				t.Errorf("after %s, %s stands at %+v, %v", harm, s.Name, s.Standing, s.Err)
			}
		}
	}
}

// cut is a script that leaves so many bytes of the helper, as a disk does that lost power.
func cut(bytes int) string {
	return fmt.Sprintf("for f in ~/.cache/pushtrain/*; do head -c %d $f >$f.cut && chmod 700 $f.cut && mv $f.cut $f; done", bytes)
}

func mkdir(t *testing.T, h *fleettest.Hosts, name, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(h.Srv(name), dir), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestDisagree ships to hosts of which one lives on yin and the other on yang.
func TestDisagree(t *testing.T) {
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	mkdir(t, h, "host-1", "web")
	mkdir(t, h, "host-2", "web")
	r.repo.commit("release 1", 0)
	s := r.start()
	s.Hosts = []string{"host-1"}
	r.expect(r.run(0, s, nil), deploy.Done, "")
	for _, text := range []string{"release 2", "release 3"} {
		r.repo.commit(text, 0)
		r.ship(deploy.Done, "")
	}
	var live []deploy.Side
	for _, s := range r.fleet.Status(t.Context(), target) {
		live = append(live, s.Standing.Live)
		serves(t, filepath.Join(h.Srv(s.Name), "web"), "release 3")
	}
	if len(live) != 2 || live[0] == live[1] {
		t.Errorf("the hosts live on %v: they do not disagree", live)
	}
}

// TestTrouble ships to a good host and one in trouble: it aborts with a plain
// reason, and both serve what they did.
func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		name, want string
		harm       func(h *fleettest.Hosts)
	}{
		{"plain current", "current", func(h *fleettest.Hosts) {
			h.Run("host-2", "cd /srv/web && rm current && mkdir current && echo release 1 | tr -d '\\n' >current/index.html")
		}},
		{"too little room", "too full", func(h *fleettest.Hosts) { h.Limit("host-2", 2<<20) }},
		{"full disk", "the disk of /srv/web is full", func(h *fleettest.Hosts) { h.Limit("host-2", 4<<20) }}, // enough for the bytes, not for the blocks
		{"no access", "permission denied", func(h *fleettest.Hosts) {
			config, err := os.ReadFile(h.Config)
			if err != nil {
				t.Fatal(err)
			}
			config = bytes.Replace(config, []byte("HostKeyAlias host-2"), []byte("HostKeyAlias host-2\n\tUser nobody"), 1)
			if err := os.WriteFile(h.Config, config, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"read-only", "read-only", func(h *fleettest.Hosts) { h.ReadOnly("host-2") }},
		{"no rsync", "rsync is missing there: install it", func(h *fleettest.Hosts) { h.Hide("host-2", "rsync") }},
		{"unknown key", "its host key is not in known_hosts: run ssh-keyscan host-2", func(h *fleettest.Hosts) {
			keys, err := os.ReadFile(h.KnownHosts)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(h.KnownHosts, keys[:strings.Index(string(keys), "host-2 ")], 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"changed key", "its host key has changed", func(h *fleettest.Hosts) {
			keys, err := os.ReadFile(h.KnownHosts)
			if err != nil {
				t.Fatal(err)
			}
			one, two, _ := strings.Cut(string(keys), "\n")
			keys = []byte(one + "\nhost-2 " + strings.TrimPrefix(one, "host-1 ") + "\n" + two[:0])
			if err := os.WriteFile(h.KnownHosts, keys, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"unreachable", "unreachable: connection refused", func(h *fleettest.Hosts) { h.Stop("host-2") }},
		{"hung", "unreachable: ", func(h *fleettest.Hosts) { h.Hang("host-2") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := fleettest.Start(t, 2)
			r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
			for _, name := range h.Names {
				mkdir(t, h, name, "web")
			}
			r.repo.commit("release 1", 0)
			r.ship(deploy.Done, "")
			h.Cut("host-2") // it is met anew
			c.harm(h)
			r.repo.commit("release 2", 400)
			e := r.ship(deploy.Aborted, c.want)
			t.Log(e.Reason)
			if !strings.HasPrefix(e.Reason, "host host-2, ") {
				t.Errorf("reason %q does not name the host", e.Reason)
			}
			for _, name := range h.Names {
				serves(t, filepath.Join(h.Srv(name), "web"), "release 1")
			}
		})
	}
}

// TestLocked ships while another bot's rollout stands at its barrier.
func TestLocked(t *testing.T) {
	h := fleettest.Start(t, 1)
	mkdir(t, h, "host-1", "web")
	one := newRig(t, "/srv/web", h.Config, hosts("host-1"))
	two := newRig(t, "/srv/web", h.Config, hosts("host-1"))
	one.repo.commit("release 1", 0)
	two.repo.commit("release 2", 0)
	e := one.run(0, one.start(), func() {
		e := two.ship(deploy.Aborted, "host host-1, fence: ")
		t.Log(e.Reason)
		if !strings.Contains(e.Reason, "alice") {
			t.Errorf("reason %q does not say who holds the lock", e.Reason)
		}
	})
	one.expect(e, deploy.Done, "")
	two.ship(deploy.Done, "")
	serves(t, filepath.Join(h.Srv("host-1"), "web"), "release 2")
}

// TestFlipLost cuts the session at the barrier: the flip opens another one.
func TestFlipLost(t *testing.T) {
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	for _, name := range h.Names {
		mkdir(t, h, name, "web")
	}
	for _, text := range []string{"release 1", "release 2"} {
		r.repo.commit(text, 0)
		r.expect(r.run(0, r.start(), func() { h.Cut("host-2") }), deploy.Done, "")
		for _, name := range h.Names {
			serves(t, filepath.Join(h.Srv(name), "web"), text)
		}
	}
}

// TestFlipHung freezes a host at the barrier: the others go back, it can't be
// asked, and when it is back a person's decision brings it along.
func TestFlipHung(t *testing.T) {
	t.Parallel()
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	for _, name := range h.Names {
		mkdir(t, h, name, "web")
	}
	r.repo.commit("release 1", 0)
	r.ship(deploy.Done, "")
	r.repo.commit("release 2", 0)
	e := r.run(0, r.start(), func() { h.Hang("host-2") })
	r.expect(e, deploy.Stuck, "not back: host host-2: ")
	t.Log(e.Reason)
	serves(t, filepath.Join(h.Srv("host-1"), "web"), "release 1")
	h.Resume("host-2")
	r.expect(r.run(r.book.Last, deploy.Undo{By: "alice"}, nil), deploy.RolledBack, "")
	for _, name := range h.Names {
		serves(t, filepath.Join(h.Srv(name), "web"), "release 1")
	}
	r.ship(deploy.Done, "")
	for _, name := range h.Names {
		serves(t, filepath.Join(h.Srv(name), "web"), "release 2")
	}
}

// TestFlipLate freezes a host at the barrier for longer than a flip may take: it
// is asked again, and nobody goes back.
func TestFlipLate(t *testing.T) {
	t.Parallel()
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	r.repo.commit("release 1", 0)
	r.ship(deploy.Done, "")
	r.repo.commit("release 2", 0)
	r.hear = func(l fleet.Line) {
		if strings.Contains(l.Text, "asking again") {
			h.Resume("host-2")
		}
	}
	r.expect(r.run(0, r.start(), func() { h.Hang("host-2") }), deploy.Done, "")
	for _, name := range h.Names {
		serves(t, filepath.Join(h.Srv(name), "web"), "release 2")
	}
}

// TestRestart loses the bot right after COMMIT is on disk: the next one brings all hosts along.
func TestRestart(t *testing.T) {
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	r.repo.commit("release 1", 0)
	r.ship(deploy.Done, "")
	r.repo.commit("release 2", 0)
	r.crashes()
	if err := r.fleet.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range h.Names {
		serves(t, filepath.Join(h.Srv(name), "web"), "release 1")
	}
	r.goesOn(h, "release 2")
}

// TestAbort stops a rollout that waits for the last readers of a side.
func TestAbort(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root, "", fleet.Stage{Hosts: []fleet.Host{{Name: "a", Local: true}}})
	r.drain = time.Hour
	r.fleet = r.open(t.TempDir(), root, "")
	for _, text := range []string{"release 1", "release 2"} {
		r.repo.commit(text, 0)
		r.ship(deploy.Done, "")
	}
	r.repo.commit("release 3", 0)
	r.abort = "waiting"
	began := time.Now()
	r.ship(deploy.Aborted, "stopped by bob")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the abort took %s", took)
	}
	serves(t, root, "release 2")
}

// TestHostGrammar: what ssh, rsync or a login shell could read as anything else is no host and no root.
func TestHostGrammar(t *testing.T) {
	for _, good := range []string{"web1", "web1.example.net", "deploy@web1", "10.0.0.1", "::1", "[fe80::1%eth0]", "user.name+x@host_2"} {
		if err := fleet.CheckHost(good); err != nil {
			t.Error(err)
		}
	}
	for _, good := range []string{"/srv/web", "/srv/a root", "/srv/größe/日本", "/srv/web-1.2_x,y+z:@=~%#"} {
		if err := fleet.CheckRoot(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "-", "-oProxyCommand=id", "a@-oProxyCommand=id", "-l@a", "a b", "a\nb", "a\x00b", "a\xffb", "a$(id)", "a`id`", "a;id", "a|id", "a'b", `a"b`, `a\b`,
		"a/b", "a@b@c", "ünï", "a\u202eb", "a\x1b[31m", "ssh://a", strings.Repeat("a", 10_000)} {
		if err := fleet.CheckHost(bad); err == nil || len(err.Error()) > 300 {
			t.Errorf("CheckHost(%.60q) = %.400v", bad, err)
		}
	}
	for _, bad := range []string{"", "/", "srv", "-/srv", "/srv/", "/srv/../x", "/srv//x", "/srv/a\nb", "/srv/a\x00b", "/srv/a\xffb", "/srv/$(id)", "/srv/`id`", "/srv/a;b", "/srv/a|b", "/srv/a&b",
		"/srv/it's", `/srv/a"b`, `/srv/a\b`, "/srv/a!b", "/srv/*", "/srv/a\u202eb", "/srv/a\x1b[31m", "/" + strings.Repeat("a", 10_000)} {
		if err := fleet.CheckRoot(bad); err == nil || len(err.Error()) > 300 {
			t.Errorf("CheckRoot(%.60q) = %.400v", bad, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for want, h := range map[string]fleet.Host{
		"no ssh destination": {Name: "x", Addr: "-oProxyCommand=id"},
		"without a name":     {},
		"other than /":       {Name: "x", Root: "/"},
		"absolute, clean":    {Name: "x", Root: "srv/web"},
		"must be an":         {Name: "x", Root: "/srv/it's"},
	} {
		_, err := fleet.Open(fleet.Config{Dir: t.TempDir(), Stacks: []fleet.Stack{{
			Name: "web", Root: "/srv/web", Source: release.Source{Repo: "/srv/git", Branch: "main"},
			Stages: []fleet.Stage{{Name: "prod", Hosts: []fleet.Host{h}}},
		}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", h, err, want)
		}
	}
}
