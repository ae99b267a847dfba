package fleet_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet/fleettest"
	"pushtrain/deploy/host"
)

// TestForced ships to a host whose key can do nothing but that: its forced command
// is pushtrain itself. Everything else is refused, also while a rollout is under way.
func TestForced(t *testing.T) {
	t.Parallel()
	h := fleettest.Start(t, 1)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	forced := func(program string) string {
		return fmt.Sprintf(`restrict,command="%s host --root /srv/web --root /srv/config"`, program)
	}
	h.Admit("host-1", forced(self))
	r := newRig(t, "/srv/web", h.Config, hosts("host-1"))
	r.repo.commit("release 1", 20)
	r.ship(deploy.Done, "")
	r.repo.commit("release 2", 30)
	began := time.Now()
	r.expect(r.run(0, r.start(), func() { refusals(t, h, "the session that holds the lock of /srv/web came another way") }), deploy.Done, "")
	t.Logf("took %s, refusals included", time.Since(began))
	// Where the host does not know its side, or a hand was in it, rsync must get in.
	web := filepath.Join(h.Srv("host-1"), "web")
	if err := os.Remove(filepath.Join(web, ".pushtrain", "yin.stamps")); err != nil {
		t.Fatal(err)
	}
	r.repo.commit("release 3", 10)
	r.ship(deploy.Done, "")
	serves(t, filepath.Join(h.Srv("host-1"), "web"), "release 3")
	if list := h.Run("host-1", "ls -A ~"); list != "" {
		t.Errorf("the bot has put there %q", list)
	}
	if err := r.fleet.Close(); err != nil {
		t.Fatal(err)
	}
	refusals(t, h, "no session holds the lock of /srv/web")
	serves(t, filepath.Join(h.Srv("host-1"), "web"), "release 3")

	// A host's own pushtrain may be of another build, and that is said; not of another protocol.
	other := filepath.Join(t.TempDir(), "pushtrain")
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, append(program, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	h.Admit("host-1", forced(other))
	r.fleet = r.open(t.TempDir(), "/srv/web", h.Config)
	r.repo.commit("release 4", 10)
	if err := os.WriteFile(filepath.Join(web, "yang", "stray"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r.ship(deploy.Done, "")
	if !r.said("comparing all contents") {
		t.Error("rsync was not at work")
	}
	if !r.said("of another build than this one") {
		t.Error("nothing was said of another build")
	}
	if err := r.fleet.Close(); err != nil {
		t.Fatal(err)
	}

	// It runs no command that its owner has not named, and that is seen before anything is live.
	stage := hosts("host-1")
	stage.AfterFlip = []string{"touch", "reloaded"}
	hooked := newRig(t, "/srv/config", h.Config, stage)
	hooked.repo.commit("one", 0)
	if c := hooked.fleet.Checkup(t.Context(), target)[0]; c.Err != nil || len(c.Health.Shut) != 1 || !strings.Contains(c.Health.Shut[0], "--hook 'touch reloaded'") {
		t.Errorf("doctor is told %+v", c)
	}
	hooked.ship(deploy.Aborted, `does not allow it to run touch reloaded: add --hook 'touch reloaded' there`)
	h.Admit("host-1", fmt.Sprintf(`restrict,command="%s host --root /srv/config --hook 'touch reloaded'"`, self))
	if err := hooked.fleet.Close(); err != nil {
		t.Fatal(err)
	}
	hooked.fleet = hooked.open(t.TempDir(), "/srv/config", h.Config)
	if c := hooked.fleet.Checkup(t.Context(), target)[0]; c.Err != nil || len(c.Health.Shut) != 0 {
		t.Errorf("doctor is told %+v", c)
	}
	hooked.ship(deploy.Done, "")
	if _, err := os.Stat(filepath.Join(h.Srv("host-1"), "config", "reloaded")); err != nil {
		t.Error(err)
	}

	h.Admit("host-1", `restrict,command="echo ready; read x; echo '{\"N\":1,\"Version\":1}'; read x"`)
	r.fleet = r.open(t.TempDir(), "/srv/web", h.Config)
	r.ship(deploy.Aborted, fmt.Sprintf("speaks protocol 1, and this one %d: install this version there", host.Version))
}

// refusals asks host-1 for everything that the key of a bot must not open.
func refusals(t *testing.T, h *fleettest.Hosts, fill string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	ssh := func(args ...string) []string { return append([]string{"ssh", "-n", "-F", h.Config, "host-1"}, args...) }
	rsync := func(args ...string) []string {
		return append([]string{"rsync", "-rlpt", "--delete", "--no-protect-args", "-e", "ssh -F " + h.Config}, args...)
	}
	for what, c := range map[string]struct {
		argv []string
		says string
	}{
		"shell":            {ssh(), "refused: this key opens no shell"},
		"command":          {ssh("id"), "not id"},
		"another root":     {ssh(host.SessionCommand("pushtrain-0123456789ab", 1, "/srv/other")), "refused: root /srv/other is none of this key's"},
		"session and more": {ssh(host.SessionCommand("pushtrain-0123456789ab", 1, "/srv/web") + "; id"), "refused: "},
		"other verb":       {ssh("pushtrain status"), "not pushtrain status"},
		"sftp":             {[]string{"sftp", "-F", h.Config, "-b", "/dev/null", "host-1"}, ""},
		"scp":              {[]string{"scp", "-F", h.Config, file, "host-1:/srv/web/yin/file"}, ""},
		"old scp":          {[]string{"scp", "-O", "-F", h.Config, file, "host-1:/srv/web/yin/file"}, "not scp -t /srv/web/yin/file"},
		"forward":          {[]string{"ssh", "-n", "-F", h.Config, "-W", l.Addr().String(), "host-1"}, "administratively prohibited"},
		"rsync elsewhere":  {rsync(dir+"/", "host-1:/srv/"), "not /srv/"},
		"rsync to current": {rsync(dir+"/", "host-1:/srv/web/current/"), "not /srv/web/current/"},
		"rsync of owners":  {rsync("-og", dir+"/", "host-1:/srv/web/yin/"), "not with -"},
		"rsync hidden":     {rsync("--protect-args", dir+"/", "host-1:/srv/web/yin/"), "refused: "},
		"rsync from there": {rsync("host-1:/srv/web/yin/", dir+"/"), "not with --sender"},
		"rsync to yin":     {rsync(dir+"/", "host-1:/srv/web/yin/"), fill},
		"rsync to yang":    {rsync(dir+"/", "host-1:/srv/web/yang/"), fill},
	} {
		out, err := exec.Command(c.argv[0], c.argv[1:]...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.says) || strings.Contains(string(out), "uid=") {
			t.Errorf("%s: %v: %s, want %q", what, err, out, c.says)
		}
	}
}
