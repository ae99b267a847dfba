package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pushtrain/deploy/fleet/fleettest"
)

// marker stands in everything that is not ours to choose: the name of a file, a
// ref, an argument, a folder. What looks like a command beside it would leave a
// file of that name.
const marker = "Mk7Q"

// hostileNames are files that are shipped.
var hostileNames = []string{
	marker + "$(touch " + marker + "1)", marker + "`touch " + marker + "2`", marker + ";touch " + marker + "3", marker + "\ntouch " + marker + "4\n",
	"-oProxyCommand=touch " + marker + "5", "--rsh=touch " + marker, marker + "\xff\xfe", marker + "'\"\\ |&><*?[]{}~!#%", marker + "\x1b[31m\x07\x7f", marker + strings.Repeat("é", 120),
}

// execs are the programs that a trace saw started, each with its arguments.
type execs [][]string

var (
	execLine = regexp.MustCompile(`execve(?:at)?\((?:[0-9A-Z_]+, )?("(?:[^"\\]|\\.)*"), \[(.*)\], 0x`)
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// readExecs reads what strace wrote. The first word of each is the program's file.
func readExecs(t *testing.T, path string) execs {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all execs
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !strings.Contains(lines.Text(), "execve") || strings.Contains(lines.Text(), "resumed>") || strings.Contains(lines.Text(), "ENOENT") {
			continue
		}
		m := execLine.FindStringSubmatch(lines.Text())
		if m == nil {
			t.Fatalf("can't read the trace's line %s", lines.Text())
		}
		var words []string
		for _, q := range append([]string{m[1]}, quoted.FindAllString(m[2], -1)...) {
			word, err := strconv.Unquote(octal.ReplaceAllStringFunc(q, func(s string) string { return fmt.Sprintf(`\%03s`, s[1:]) }))
			if err != nil {
				t.Fatalf("can't read %s in the trace: %v", q, err)
			}
			words = append(words, word)
		}
		all = append(all, words)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// octal is strace's way to write a byte: with as many digits as it takes.
var octal = regexp.MustCompile(`\\[0-7]{1,3}`)

var shellName = regexp.MustCompile(`^-?(ba|da|z|k|c|tc|fi|a)?sh$`)

// shells are those that a shell was started for.
func (e execs) shells() execs {
	var out execs
	for _, words := range e {
		if shellName.MatchString(filepath.Base(words[0])) || len(words) > 1 && shellName.MatchString(filepath.Base(words[1])) {
			out = append(out, words)
		}
	}
	return out
}

// programs are the names of what was started, each once.
func (e execs) programs() []string {
	var out []string
	for _, words := range e {
		out = append(out, filepath.Base(words[0]))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tracePrograms has strace write the programs that a process and its children start.
func tracePrograms(t *testing.T, pid int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "trace")
	c := command(t, "strace", "-f", "-s", "100000", "-e", "trace=execve,execveat", "-e", "signal=none", "-o", path, "-p", strconv.Itoa(pid))
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait() // it ends by that signal
	})
	said := bufio.NewScanner(stderr)
	for said.Scan() {
		if strings.Contains(said.Text(), " attached") {
			return path
		}
	}
	t.Fatal("strace did not attach: a container that allows it needs the capability SYS_PTRACE")
	return ""
}

// TestNoShell deploys a tree of hostile names to a folder and to a host, and looks
// at every program that is started on the way, here and there: what is not ours
// never comes to a shell, and all that was to be shipped arrives.
func TestNoShell(t *testing.T) {
	t.Parallel()
	needForTest(t, "strace", "strace")
	needForTest(t, "git", "git")
	hosts := fleettest.Start(t, 1)
	dir := filepath.Join(t.TempDir(), "$(touch "+marker+"6)")
	site, here := filepath.Join(dir, "a site"), filepath.Join(t.TempDir(), "here")
	src := filepath.Join(site, "src")
	if err := os.MkdirAll(src, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range hostileNames {
		write(t, filepath.Join(src, name), name, 0o644)
	}
	r := &repo{t: t, dir: site}
	branch := marker + "/branch"
	r.git("init", "-q", "-b", branch)
	r.commit("$(touch " + marker + "7)\n\n`touch " + marker + "8`")
	tree := "dist $(touch " + marker + "9)"
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, fmt.Sprintf(`
irc: {server: "127.0.0.1:1", tls: false, channel: "#push"}
state_dir: %q
ssh: {config: %q}
stacks:
  - name: web
    root: /srv/web
    drain: 0s
    source: {repo: %q, branch: %q, build: [cp, -r, --, src, %q], tree: %[5]q}
    stages:
      - {name: prod, hosts: [host-1, {name: here, local: true, root: %[6]q}], test: [test, -d, %[5]q], check: ["true", %[5]q]}
`, filepath.Join(dir, "state"), hosts.Config, site, branch, tree, here), 0o644)

	there := tracePrograms(t, hosts.PIDs("host-1")[0])
	bot := filepath.Join(t.TempDir(), "trace")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time with all in place
		c := command(t, "strace", "--seccomp-bpf", "-f", "-A", "-s", "100000", "-e", "trace=execve,execveat", "-e", "signal=none", "-o", bot,
			self, "-c", config, "deploy", "web", "prod", "--yes", "--override", "$(touch "+marker+"10)")
		c.Dir = t.TempDir()
		c.Env = append(os.Environ(), "PUSHTRAIN_MAIN=1", "GORACE="+quickRace, "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("deploy: %v\n%s", err, out)
		}
		write(t, filepath.Join(src, "more"), "more", 0o644)
		r.commit("more")
	}
	for _, root := range []string{here, filepath.Join(hosts.Srv("host-1"), "web")} {
		for _, name := range hostileNames {
			if got, err := os.ReadFile(filepath.Join(root, "current", name)); err != nil || string(got) != name {
				t.Errorf("%s serves %q as %q, %v", root, name, got, err)
			}
		}
	}

	ours := readExecs(t, bot)
	t.Logf("here: %q", ours.programs())
	may := []string{filepath.Base(self), "cp", "git", "git-upload-pack", "rsync", "sh", "ssh", "test", "true"}
	for _, p := range ours.programs() {
		if !slices.Contains(may, p) {
			t.Errorf("here %s was started", p)
		}
	}
	carried := 0
	for _, words := range ours {
		if strings.Contains(strings.Join(words[1:], " "), marker) {
			carried++
		}
	}
	if carried < 5 {
		t.Errorf("only %d programs were given anything that is not ours: this proves little", carried)
	}
	for _, words := range ours.shells() {
		if strings.Join(words[1:], " ") != "/bin/sh -c git-upload-pack '.' git-upload-pack '.'" {
			t.Errorf("here a shell was started: %q", words)
		}
	}

	theirs := readExecs(t, there)
	t.Logf("on the host: %q", theirs.programs())
	fixed := regexp.MustCompile(`^(exec sh -c 'p="\$HOME/[^']*' sh pushtrain-[0-9a-f]{12} [0-9]+ '/srv/web'|p="\$HOME/[^']* sh pushtrain-[0-9a-f]{12} [0-9]+ /srv/web|rsync --server [-A-Za-z0-9.= ]*( \. /srv/web/(yin|yang)/)?)$`)
	shells := 0
	for _, words := range theirs {
		for _, w := range words {
			if strings.Contains(w, marker) {
				t.Errorf("on the host a program was given %q", words)
			}
		}
	}
	for _, words := range theirs.shells() {
		shells++
		if len(words) < 4 || words[2] != "-c" || !fixed.MatchString(strings.Join(words[3:], " ")) {
			t.Errorf("on the host a shell was given %q", words)
		}
	}
	if shells < 3 {
		t.Errorf("%d shells on the host: the trace did not see the logins", shells)
	}

	for _, where := range []string{dir, here, hosts.Srv("host-1")} {
		out, err := exec.Command("find", where, "-name", marker+"[0-9]*").CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("something that is not ours was run: %s%v", out, err)
		}
	}
}
