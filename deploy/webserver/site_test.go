package webserver_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// includes is how many files a page is put together from, each of which prints its release.
const includes = 24

// site is a repository, and a stack with one stage whose host is a folder of this machine.
type site struct {
	t       testing.TB
	program string // pushtrain
	dir     string // holds all
	root    string // the stack's
	config  string
	n       int    // of the last release
	flips   []flip // of the link, in order
}

// flip is a moment from which on a release was live.
type flip struct {
	at      time.Time // to within 10 ms: what the file system's clock can tell
	release string
}

// newSite makes a site. Its after_flip, if it is to have one, is a script that does nothing yet.
func newSite(t testing.TB, drain time.Duration, after bool) *site {
	t.Helper()
	need(t, "git", "git")
	need(t, "rsync", "rsync")
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := openDir(t)
	s := &site{t: t, program: program, dir: dir, root: filepath.Join(dir, "web"), config: filepath.Join(dir, "config.yaml")}
	stage := ""
	if after {
		stage = fmt.Sprintf(", after_flip: [sh, %q]", s.after())
		write(t, s.after(), "exit 0\n")
	}
	write(t, s.config, fmt.Sprintf(`
irc: {server: "127.0.0.1:1", tls: false, channel: "#push"}
state_dir: %q
stacks:
  - name: web
    root: %q
    drain: %s
    source: {repo: %q}
    stages:
      - {name: prod, hosts: [{name: here, local: true}]%s}
`, filepath.Join(dir, "state"), s.root, drain, s.repo(), stage))
	must(t, dir, "git", "init", "-q", "-b", "main", s.repo())
	return s
}

func (s *site) repo() string { return filepath.Join(s.dir, "repo") }

// after is the script of its after_flip.
func (s *site) after() string { return filepath.Join(s.dir, "after.sh") }

// pages writes a release's pages, all of whose parts print release, to dir.
func pages(t testing.TB, dir, release string) {
	t.Helper()
	var fast, slow strings.Builder
	fmt.Fprintf(&fast, "%s\n", release)
	fmt.Fprintf(&slow, "%s\n", release)
	for i := range includes {
		write(t, fmt.Sprintf("%s/parts/%d.txt", dir, i), release+"\n")
		write(t, fmt.Sprintf("%s/parts/%d.php", dir, i), "<?php echo '"+release+"', \"\\n\";\n")
		write(t, fmt.Sprintf("%s/lib/part%d.php", dir, i), "<?php echo '"+release+"', \"\\n\";\n")
		fmt.Fprintf(&fast, `<!--#include virtual="/parts/%d.txt" wait="yes" -->`, i)
		fmt.Fprintf(&slow, `<!--#include virtual="/pause" wait="yes" --><!--#include virtual="/parts/%d.txt" wait="yes" -->`, i)
	}
	write(t, dir+"/release", release)
	write(t, dir+"/reset.php", "<?php opcache_reset();\n")
	write(t, dir+"/fast.html", fast.String())
	write(t, dir+"/slow.html", slow.String())
	// Half of the files come through the request's DOCUMENT_ROOT, half from beside the
	// page. As index.php it is what servers find by a lookup of their own.
	page := `<?php
echo '` + release + `', "\n";
for ($i = 0; $i < ` + fmt.Sprint(includes) + `; $i++) {
	usleep(1000 * ($_GET['pause'] ?? 0));
	include ($i % 2 ? __DIR__ : $_SERVER['DOCUMENT_ROOT'])."/parts/$i.php";
}
`
	write(t, dir+"/page.php", page)
	write(t, dir+"/index.php", page)
	// All come through include_path, which names the link.
	write(t, dir+"/path.php", `<?php
echo '`+release+`', "\n";
for ($i = 0; $i < `+fmt.Sprint(includes)+`; $i++) {
	usleep(1000 * ($_GET['pause'] ?? 0));
	include "part$i.php";
}
`)
}

// next names the next release; all names have one length.
func (s *site) next() string {
	s.n++
	return fmt.Sprintf("r%04d", s.n)
}

// commit makes what is in the repository's folder the head of its branch.
func (s *site) commit(subject string) {
	s.t.Helper()
	must(s.t, s.repo(), "git", "add", "-A")
	must(s.t, s.repo(), "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", subject)
}

// ship makes the next release and rolls it out.
func (s *site) ship() {
	s.t.Helper()
	release := s.next()
	pages(s.t, s.repo(), release)
	s.commit(release)
	s.deploy()
	if got := s.flips[len(s.flips)-1].release; got != release {
		s.t.Fatalf("%s is live after the rollout of %s", got, release)
	}
}

// deploy rolls out what is on the branch.
func (s *site) deploy() {
	s.t.Helper()
	must(s.t, s.dir, s.program, "-c", s.config, "deploy", "web", "prod", "--yes")
	s.flipped()
}

// rollback flips back and lifts the hold that this sets.
func (s *site) rollback() {
	s.t.Helper()
	must(s.t, s.dir, s.program, "-c", s.config, "rollback", "web", "prod", "--yes")
	s.flipped()
	must(s.t, s.dir, s.program, "-c", s.config, "unhold", "web")
}

// flipped notes since when the release that is live now is live: the link's ctime
// is the time of its rename.
func (s *site) flipped() {
	s.t.Helper()
	info, err := os.Lstat(s.root + "/current")
	if err != nil {
		s.t.Fatal(err)
	}
	release, err := os.ReadFile(s.root + "/current/release")
	if err != nil {
		s.t.Fatal(err)
	}
	s.flips = append(s.flips, flip{time.Unix(info.Sys().(*syscall.Stat_t).Ctim.Unix()), string(release)})
}

// live returns the side that the link names, and the other one.
func (s *site) live() (live, idle string) {
	s.t.Helper()
	live, err := os.Readlink(s.root + "/current")
	if err != nil {
		s.t.Fatal(err)
	}
	return live, map[string]string{"yin": "yang", "yang": "yin"}[live]
}
