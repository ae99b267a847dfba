package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushtrain/deploy/fleet/fleettest"
)

// way is another way to take a tree to hosts and to flip them, as people write it.
// None of them proves or syncs anything.
type way struct {
	name string
	most int  // hosts that it is measured with; 0 = any number
	own  bool // it has a folder of its own there, /srv/NAME, which it makes the first time
	run  func(t testing.TB, g going)
}

// going is what a way is given.
type going struct {
	hosts    *fleettest.Hosts
	old, new string // the archived trees: the one that the side holds, "" = none, and the one that it is to hold
	side     string // of /srv/peer
	repo     string // where the release's commit is
	release  string // its id
	keep     string // a folder of this machine for what is kept from one to the next
}

// sh runs a script on this machine with CONFIG TREE SIDE and what more there is as
// $c $t $s $1 …, the hosts on its stdin.
func (g going) sh(t testing.TB, script string, more ...string) {
	t.Helper()
	args := append([]string{"-c", "c=$1 t=$2 s=$3; shift 3; " + script, "sh", g.hosts.Config, g.new, g.side}, more...)
	c := exec.Command("sh", args...)
	c.Stdin = strings.NewReader(strings.Join(g.hosts.Names, "\n") + "\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

const (
	moveLink = `ln -s $s /srv/peer/.cur && mv -T /srv/peer/.cur /srv/peer/current`
	plainSSH = `ssh -F "$c"`
	leanSSH  = plainSSH + ` -o Ciphers=aes128-gcm@openssh.com -o KexAlgorithms=curve25519-sha256`
)

// loop is one rsync behind the other, then one ssh behind the other.
var loop = way{name: "loop of rsync", run: func(t testing.TB, g going) {
	g.sh(t, `while read h; do all="$all $h"; done
for h in $all; do rsync -a --delete -e "ssh -F $c" "$t/" "$h:/srv/peer/$s/" || exit 1; done
for h in $all; do ssh -n -F "$c" $h "`+moveLink+`" || exit 1; done`)
}}

// eight is as loop, eight at a time.
var eight = way{name: "xargs -P8 rsync", run: func(t testing.TB, g going) {
	g.sh(t, `cat >"$1"
xargs -P 8 -I{} rsync -a --delete -e "ssh -F $c" "$t/" "{}:/srv/peer/$s/" <"$1" &&
xargs -P 8 -I{} ssh -F "$c" {} "`+moveLink+`" <"$1"`, filepath.Join(t.TempDir(), "hosts"))
}}

// tarball is the best that we could make by hand: what changed, as one tar over a
// cheap ssh.
var tarball = way{name: "tar of the changes, lean ssh", run: func(t testing.TB, g going) { g.tar(t, leanSSH) }}

// plainTar is the same over ssh as it is.
var plainTar = way{name: "tar", run: func(t testing.TB, g going) { g.tar(t, plainSSH) }}

// tar makes what changed into one tar, once, and pipes it to eight hosts at a time.
func (g going) tar(t testing.TB, ssh string) {
	t.Helper()
	dir := t.TempDir()
	changed, gone := changes(t, g)
	if err := os.WriteFile(filepath.Join(dir, "changed"), changed, 0o600); err != nil {
		t.Fatal(err)
	}
	g.sh(t, `cat >"$1/hosts"; tar -C "$t" --no-recursion --null -T "$1/changed" -cf "$1/tar" &&
xargs -P 8 -I{} sh -c '`+strings.ReplaceAll(ssh, `"$c"`, `"$0"`)+` $1 "$2" <"$3/tar"' "$c" {} "cd /srv/peer/$s && rm -rf -- $2 && tar xpf - && `+moveLink+`" "$1" <"$1/hosts"`, dir, gone)
}

// changes are the paths that differ, each with a NUL behind it, and those that are
// gone, as words of a shell.
func changes(t testing.TB, g going) (changed []byte, gone string) {
	t.Helper()
	if g.old == "" {
		g.old = t.TempDir()
	}
	out, err := exec.Command("rsync", "-rlptn", "--delete", "--8-bit-output", "--out-format=%i %n", g.new+"/", g.old+"/").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out) {
		how, path, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		path = bytes.TrimSpace(path)
		switch {
		case string(how) == "*deleting":
			gone += " '" + string(path) + "'"
		case string(path) != "./":
			changed = append(append(changed, path...), 0)
		}
	}
	return changed, gone
}

// ansible is its synchronize and file modules, with the settings that make them quick.
var ansible = way{name: "ansible", most: 16, run: func(t testing.TB, g going) {
	play := fmt.Sprintf(`- hosts: all
  gather_facts: false
  tasks:
    - synchronize: {src: %[1]q, dest: "/srv/peer/%[2]s/", delete: true, archive: true, compress: false, use_ssh_args: true}
    - file: {src: %[2]q, dest: /srv/peer/current, state: link, force: true, follow: false}
`, g.new+"/", g.side)
	dir := t.TempDir()
	for name, text := range map[string]string{"play.yml": play, "hosts": strings.Join(g.hosts.Names, "\n") + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("ansible-playbook", "-i", filepath.Join(dir, "hosts"), "-f", "32", filepath.Join(dir, "play.yml"))
	c.Env = append(os.Environ(), "ANSIBLE_PIPELINING=1", "ANSIBLE_NOCOWS=1", "ANSIBLE_LOCAL_TEMP="+dir,
		"ANSIBLE_SSH_ARGS=-F "+g.hosts.Config+" -o ControlMaster=auto -o ControlPersist=30s -o ControlPath="+filepath.Join(shortDir(t), "%h"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("ansible: %v: %s", err, out)
	}
}}

// capistrano has every host check out the commit by itself, from a repository that is as near as can be.
var capistrano = way{name: "capistrano", most: 4, own: true, run: func(t testing.TB, g going) {
	dir := t.TempDir()
	var servers strings.Builder
	for _, h := range g.hosts.Names {
		fmt.Fprintf(&servers, "server %q, user: \"root\", roles: %%w{app}\n", h)
	}
	g.files(t, dir, map[string]string{
		"Capfile": `require "capistrano/setup"
require "capistrano/deploy"
require "capistrano/scm/git"
install_plugin Capistrano::SCM::Git
`,
		"config/deploy.rb": fmt.Sprintf(`set :application, "site"
set :repo_url, %q
set :repo_tree, "site"
set :branch, %q
set :deploy_to, "/srv/capistrano"
set :keep_releases, 2
set :ssh_options, {config: [%q]}
`, g.repo, g.release, g.hosts.Config),
		"config/deploy/production.rb": servers.String(),
	})
	c := exec.Command("cap", "production", "deploy")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("cap: %v: %s", err, out)
	}
}}

// shipit copies the release before on every host and has rsync make it into the next one.
var shipit = way{name: "shipit-deploy", most: 4, own: true, run: func(t testing.TB, g going) {
	dir := t.TempDir()
	modules, err := filepath.Abs("../../.tools/shipit/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	workspace := filepath.Join(g.keep, "shipit")
	if err := os.MkdirAll(workspace, 0o755); err != nil {
		t.Fatal(err)
	}
	servers := "'root@" + strings.Join(g.hosts.Names, "', 'root@") + "'"
	g.files(t, dir, map[string]string{
		"shipitfile.js": fmt.Sprintf(`module.exports = shipit => {
  require(%q)(shipit)
  shipit.initConfig({
    default: {deployTo: '/srv/shipit-deploy', repositoryUrl: %q, branch: %q, ignores: ['.git'], dirToCopy: 'site', keepReleases: 2, shallowClone: false, keepWorkspace: true, workspace: %q},
    production: {servers: [%s]},
  })
}
`, filepath.Join(modules, "shipit-deploy"), g.repo, g.release, workspace, servers),
		"bin/ssh": fmt.Sprintf("#!/bin/sh\nexec /usr/bin/ssh -F %q \"$@\"\n", g.hosts.Config), // it has no option for that
	})
	c := exec.Command(filepath.Join(modules, ".bin", "shipit"), "production", "deploy")
	c.Dir, c.Env = dir, append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("shipit: %v: %s", err, out)
	}
}}

// files writes what a tool is to be told into dir. Those in bin may be run.
func (g going) files(t testing.TB, dir string, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		p := filepath.Join(dir, name)
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "bin/") {
			mode = 0o755
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// shows fails the test where a host does not serve the release in the folder of its own that a way has.
func (g going) shows(t testing.TB, w way) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(g.new, "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	g.sh(t, `v=$2; while read h; do ssh -n -F "$c" $h "cat /srv/$1/current/VERSION" | grep -qx "$v" || exit 1; done`, w.name, strings.TrimSpace(string(want)))
}

// shortDir is a folder whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// ways are those that there are here, for so many hosts; tools of others only where they are asked for: they are slow.
func ways(hosts int, tools bool) []way {
	all := []way{loop, eight, tarball}
	if !tools {
		return all
	}
	for program, w := range map[string]way{"ansible-playbook": ansible, "cap": capistrano, "../../.tools/shipit/node_modules/.bin/shipit": shipit} {
		if _, err := exec.LookPath(program); err == nil && hosts <= w.most {
			all = append(all, w)
		}
	}
	slices.SortStableFunc(all[3:], func(a, b way) int { return strings.Compare(a.name, b.name) })
	return all
}

// walk has every host look at every path of what it serves: the least that can be
// done to see that nothing has changed.
func walk(t testing.TB, hosts *fleettest.Hosts) time.Duration {
	t.Helper()
	start := time.Now()
	going{hosts: hosts}.sh(t, `xargs -P 8 -I{} `+leanSSH+` {} "find /srv/peer/current/ -printf '%T@' >/dev/null"`)
	return time.Since(start)
}
