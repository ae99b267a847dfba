package release

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// git as on a machine where nobody has configured it, with an author.
	for key, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull,
		"GIT_AUTHOR_NAME": "kseever", "GIT_AUTHOR_EMAIL": "kseever@example.net",
		"GIT_COMMITTER_NAME": "kseever", "GIT_COMMITTER_EMAIL": "kseever@example.net",
	} {
		if err := os.Setenv(key, value); err != nil {
			panic(err)
		}
	}
	if argv := os.Getenv("RELEASE_TEST_COMMAND"); argv != "" { // see TestCommandDiesWithItsParent
		err := command{argv: []string{"sh", "-c", argv}, out: func(line string, _ bool) { fmt.Println(line) }}.run(context.Background())
		fmt.Println(err)
		return
	}
	goleak.VerifyTestMain(m)
}

// need ends the test where tool is missing: it fails in CI, else it is skipped.
func need(t *testing.T, tool, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: apt-get install %s", tool, pkg)
	}
	t.Skipf("%s is missing: apt-get install %s", tool, pkg)
}

// write makes the files of a tree below dir, by path; a content "-> x" is a link
// to x. Folders are made on the way.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(to, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// repo is a git repository with a work tree.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T) repo {
	t.Helper()
	need(t, "git", "git")
	r := repo{t, t.TempDir()}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	b, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, b)
	}
	return strings.TrimSpace(string(b))
}

// commit writes files, commits all, and returns the commit.
func (r repo) commit(files map[string]string) string {
	r.t.Helper()
	write(r.t, r.dir, files)
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--message=change")
	return r.git("rev-parse", "HEAD")
}

// store opens a store in a folder of its own.
func store(t *testing.T, src Source, keep int) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), src, keep)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// output collects lines as Out.
type output struct{ bytes.Buffer }

func (o *output) line(line string, stderr bool) { fmt.Fprintf(o, "%t %s\n", stderr, line) }

func lstat(t *testing.T, p ...string) fs.FileInfo {
	t.Helper()
	info, err := os.Lstat(filepath.Join(p...))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func mtime(t *testing.T, p ...string) time.Time { return lstat(t, p...).ModTime() }

func read(t *testing.T, p ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
