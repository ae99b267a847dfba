package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pushtrain/bot/irc/irctest"
)

var debTest = flag.Bool("deb", false, "install, upgrade and remove the Debian package in a root of its own")

// mostExposed is what systemd-analyze may say of the unit, of 10.
const mostExposed = 2.0

// systemctl does with the unit what systemd would, in a root without systemd. A stop
// waits for the lock, which all that the unit has started holds.
const systemctl = `#!/bin/sh
unit=/usr/lib/systemd/system/pushtrain.service
verb=
for a; do case $a in -* | pushtrain.service) ;; *) verb=${verb:-$a} ;; esac; done
active() { ! flock -n /run/pushtrain.lock true; }
stop() {
	active || return 0
	kill -TERM "$(cat /run/pushtrain.pid)"
	flock /run/pushtrain.lock true
}
start() {
	active && return
	[ -e "$(sed -n 's/^ConditionPathExists=//p' $unit)" ] || return 0
	exec 9>/run/pushtrain.lock
	flock 9
	setsid sh -c 'echo $$ >/run/pushtrain.pid; exec setpriv --reuid pushtrain --regid pushtrain --init-groups --reset-env '"$(sed -n 's/^ExecStart=//p' $unit)" >>/run/pushtrain.log 2>&1 </dev/null &
	exec 9>&-
}
case $verb in
start) start ;;
stop) stop ;;
restart) stop; start ;;
is-enabled) echo enabled ;;
is-active) active ;;
esac
`

// jail is a fresh Debian.
type jail struct {
	t    *testing.T
	root string
}

func newJail(t *testing.T) jail {
	t.Helper()
	j := jail{t, t.TempDir()}
	c := exec.Command("debootstrap", "--variant=minbase", "--include=adduser,git,rsync,openssh-client", "bookworm", j.root)
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, said)
	}
	if err := unix.Mount("proc", filepath.Join(j.root, "proc"), "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pid, err := strconv.Atoi(strings.TrimSpace(j.read("run/pushtrain.pid"))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		if t.Failed() {
			t.Logf("the bots said: %s", j.read("run/pushtrain.log"))
		}
		if err := unix.Unmount(filepath.Join(j.root, "proc"), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return j
}

// try runs a shell command in the jail.
func (j jail) try(command string) (string, error) {
	c := exec.Command("chroot", j.root, "sh", "-c", command)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	said, err := c.CombinedOutput()
	return strings.TrimSpace(string(said)), err
}

func (j jail) run(command string) string {
	j.t.Helper()
	said, err := j.try(command)
	if err != nil {
		j.t.Fatalf("%s: %v\n%s", command, err, said)
	}
	return said
}

func (j jail) read(path string) string {
	text, _ := os.ReadFile(filepath.Join(j.root, path)) // "" says enough
	return string(text)
}

func (j jail) write(path, text string, mode os.FileMode) {
	j.t.Helper()
	path = filepath.Join(j.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		j.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		j.t.Fatal(err)
	}
}

// makeDeb packs what is in this folder as a version, and puts it into the jail.
func (j jail) makeDeb(version string) (path string) {
	j.t.Helper()
	out := j.t.TempDir()
	c := exec.Command("make", "-s", "-C", "../..", "deb", "VERSION="+version, "DEB_DIR="+out)
	if said, err := c.CombinedOutput(); err != nil {
		j.t.Fatalf("make deb: %v\n%s", err, said)
	}
	made, err := filepath.Glob(filepath.Join(out, "*.deb"))
	if err != nil || len(made) != 1 {
		j.t.Fatalf("make deb has made %q, %v", made, err)
	}
	deb, err := os.ReadFile(made[0])
	if err != nil {
		j.t.Fatal(err)
	}
	j.write(version+".deb", string(deb), 0o644)
	return "/" + version + ".deb"
}

// TestDeb: the package in a fresh Debian. It installs where there is no systemd;
// an upgrade in the middle of a rollout stops the bot as its unit does, and the new
// one takes the rollout and the queue up; remove keeps the state, purge leaves nothing.
func TestDeb(t *testing.T) {
	if !*debTest {
		t.Skip("make soak PART=deb runs it")
	}
	unit, err := os.ReadFile("deb/pushtrain.service")
	if err != nil {
		t.Fatal(err)
	}
	here := filepath.Join(t.TempDir(), "pushtrain.service") // with a program that there is
	if err := os.WriteFile(here, bytes.ReplaceAll(unit, []byte("/usr/bin/pushtrain"), []byte("/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("systemd-analyze", "verify", "--man=no", here).CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, said)
	}
	exposed, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "deb/pushtrain.service").Output()
	level := regexp.MustCompile(`exposure level for pushtrain.service: ([0-9.]+)`).FindSubmatch(exposed)
	if err != nil || level == nil {
		t.Fatalf("systemd-analyze: %v\n%s", err, exposed)
	}
	if n, err := strconv.ParseFloat(string(level[1]), 64); err != nil || n > mostExposed {
		t.Errorf("the unit's exposure is %s, more than %v", level[1], mostExposed)
	}
	j := newJail(t)
	old, next := j.makeDeb("1~old"), j.makeDeb("1~new")

	// No systemd.
	j.run("dpkg -i " + old)
	if said := j.run("pushtrain version; stat -c '%a %U' /var/lib/pushtrain; readlink /etc/systemd/system/multi-user.target.wants/pushtrain.service"); said != "pushtrain 1~old\n700 pushtrain\n/lib/systemd/system/pushtrain.service" &&
		said != "pushtrain 1~old\n700 pushtrain\n/usr/lib/systemd/system/pushtrain.service" {
		t.Errorf("after the installation: %s", said)
	}
	j.run("pushtrain -c /etc/pushtrain/config.example.yaml check")
	j.run("gzip -t /usr/share/man/man1/pushtrain.1.gz && bash -n /usr/share/bash-completion/completions/pushtrain && grep -q CycloneDX /usr/share/doc/pushtrain/sbom.cdx.json")

	// A bot with a train in the middle of a rollout.
	server := irctest.Ngircd(t, irctest.Options{})
	alice := joined(t, server.Addr(), "alice")
	code := newRepo(t)
	code.write("test", 0o755, "#!/bin/sh\nexec head -n1 /srv/gate\n")
	code.commit("r1")
	if err := os.CopyFS(filepath.Join(j.root, "srv/web"), os.DirFS(code.dir)); err != nil {
		t.Fatal(err)
	}
	j.run("mkfifo /srv/gate; mkdir /srv/www; chown -R pushtrain: /srv")
	j.write("usr/bin/systemctl", systemctl, 0o755)
	j.write("run/systemd/system/.keep", "", 0o644)
	j.write("etc/pushtrain/config.yaml", configText(server.Addr(), "#push", "/var/lib/pushtrain", "", stackText{name: "web", repo: "/srv/web", root: "/srv/unused",
		princess: "{name: p1, local: true, root: /srv/www/p1}", prod: "{name: w1, local: true, root: /srv/www/w1}"}), 0o644)
	j.run("systemctl start pushtrain.service")
	alice.Expect(`JOIN :?#push`)
	alice.Say("#push", ".join")
	topic(alice, "alice")
	alice.Say("#push", ".princess")
	await(t, irctest.Patience, "the host to hold the verified release", func() bool { return j.read("srv/www/p1/.pushtrain/yin.seal") != "" })

	j.run("dpkg -i " + next)
	alice.Expect(`:pushbot!\S* QUIT :.*back soon; the queue is kept`)
	alice.Expect(`JOIN :?#push`)
	alice.Expect(`alice: web/princess stopped, nothing live was touched`)
	topic(alice, "alice")
	alice.Say("#push", ".version")
	alice.Expect(`pushtrain 1~new`)
	gateOf := gate{t, filepath.Join(j.root, "srv/gate")}
	alice.Say("#push", ".princess")
	alice.Expect(`web/princess: copying`)
	gateOf.open()
	alice.Expect(`web is on princess`)
	topic(alice, "<princess> alice")

	// Removed, it leaves the state; installed again, it goes on from it.
	j.run("dpkg -r pushtrain")
	alice.Expect(`:pushbot!\S* QUIT :.*back soon; the queue is kept`)
	if said := j.run("ls /var/lib/pushtrain/journal.db /etc/pushtrain/config.yaml; command -v pushtrain || echo gone"); said != "/etc/pushtrain/config.yaml\n/var/lib/pushtrain/journal.db\ngone" {
		t.Errorf("after the removal: %s", said)
	}
	j.run("dpkg -i " + next)
	alice.Expect(`JOIN :?#push`)
	topic(alice, "<princess> alice")

	j.run("dpkg -P pushtrain")
	alice.Expect(`:pushbot!\S* QUIT :.*back soon; the queue is kept`)
	if left := j.run("find / -xdev -path /proc -prune -o -name '*pushtrain*' ! -path '/run/*' ! -path '/srv/*' -print; getent passwd pushtrain || true"); left != "" {
		t.Errorf("after the purge there are\n%s", left)
	}
}
