package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pushtrain/deploy"
)

func TestCheckRef(t *testing.T) {
	for _, ref := range []string{"main", "feature/a-b_c", "v1.2.3", "1234567", "user@topic", strings.Repeat("a", 200)} {
		if err := CheckRef(ref); err != nil {
			t.Errorf("CheckRef(%q) = %v", ref, err)
		}
	}
	for _, ref := range []string{
		"", "-oProxyCommand=x", "--upload-pack=x", "$(id)", "`id`", "a;b", "a\nb", "main\n", "../../x", "a..b", "a b", "a~1", "HEAD^", "a:b",
		"/etc", ".a", "@{-1}", "é", "a\x00", strings.Repeat("a", 201),
	} {
		if err := CheckRef(ref); err == nil {
			t.Errorf("CheckRef(%q) is good", ref)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, src := range map[string]Source{
		"no repo":        {Branch: "main"},
		"repo an option": {Repo: "--upload-pack=x", Branch: "main"},
		"no branch":      {Repo: "/x"},
		"tree absolute":  {Repo: "/x", Branch: "main", Tree: "/etc"},
		"tree out":       {Repo: "/x", Branch: "main", Tree: "dist/../../x"},
	} {
		if _, err := Open(t.TempDir(), src, 0); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := Open(t.TempDir(), Source{Repo: "/x", Branch: "main"}, -1); err == nil {
		t.Error("keep -1: opened")
	}
}

func TestBuildResolves(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	first := r.commit(map[string]string{"a": "1"})
	r.git("tag", "v1")
	r.git("tag", "-m", "annotated", "v1.0")
	second := r.commit(map[string]string{"a": "2"})
	r.git("branch", "feature/x", first)
	s := store(t, Source{Repo: r.dir, Branch: "main"}, 0)
	for ref, want := range map[string]string{
		"": second, "main": second, "v1": first, "v1.0": first, "feature/x": first, first: first, second[:9]: second,
	} {
		got, err := s.Build(t.Context(), ref, nil)
		if err != nil || got.Commit != want || got.ID != want[:12] {
			t.Errorf("Build(%q) = %+v, %v, want %s", ref, got, err, want)
		}
		if when, err := s.Committed(t.Context(), got.Commit, nil); err != nil || time.Since(when).Abs() > time.Hour {
			t.Errorf("Committed(%q) = %v, %v", ref, when, err)
		}
	}
	for _, ref := range []string{"none", "feature", strings.Repeat("0", 40), "abcdef012345", "HEAD"} {
		if _, err := s.Build(t.Context(), ref, nil); err == nil || !strings.Contains(err.Error(), "is no branch, tag or commit") {
			t.Errorf("Build(%q) = %v", ref, err)
		}
	}
	if _, err := s.Build(t.Context(), "-x", nil); err == nil {
		t.Error("Build(-x) went on")
	}
	// The branch moves, by force and into a folder of branches; a pinned commit stays.
	r.git("checkout", "--quiet", "--orphan", "other")
	third := r.commit(map[string]string{"a": "3"})
	r.git("branch", "--force", "main")
	r.git("branch", "--delete", "--force", "feature/x")
	r.git("branch", "feature", "main")
	if got, err := s.Build(t.Context(), "feature", nil); err != nil || got.Commit != third {
		t.Errorf("Build(feature) = %+v, %v, want %s", got, err, third)
	}
	if got, err := s.Build(t.Context(), second, nil); err != nil || got.Commit != second {
		t.Errorf("Build of a commit that no branch holds = %+v, %v", got, err)
	}
}

func TestBuildSaysWhatFailed(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.commit(map[string]string{"a": "1", "no\x1bname": "-> /etc/passwd"})
	build := func(src Source) error {
		src.Branch = "main"
		if src.Repo == "" {
			src.Repo = r.dir
		}
		s := store(t, src, 0)
		_, err := s.Build(t.Context(), "", nil)
		return err
	}
	var exit *ExecError
	if err := build(Source{Build: []string{"sh", "-c", "echo no rule; exit 2"}}); !errors.As(err, &exit) || exit.Exit != 2 || !slices.Equal(exit.Tail, []string{"no rule"}) {
		t.Errorf("failing build: %v", err)
	}
	if err := build(Source{Tree: "dist"}); err == nil || !strings.Contains(err.Error(), "left no folder dist") {
		t.Errorf("no tree: %v", err)
	}
	if err := build(Source{Build: []string{"mkdir", "dist"}, Tree: "dist"}); err == nil || !strings.Contains(err.Error(), "left no file in dist") {
		t.Errorf("empty tree: %v", err)
	}
	if err := build(Source{Build: []string{"ln", "-s", "/etc", "dist"}, Tree: "dist"}); err == nil {
		t.Error("a tree outside of the checkout was taken")
	}
	twins := Source{Build: []string{"sh", "-c", "mkdir dist && touch dist/Readme dist/README"}, Tree: "dist"}
	if err := build(twins); err != nil {
		t.Errorf("paths that differ in nothing but case: %v", err)
	}
	twins.NoTwins = true
	if err := build(twins); err == nil || !strings.Contains(err.Error(), "nothing but case: README and Readme") {
		t.Errorf("paths that differ in nothing but case, which are refused: %v", err)
	}
	if err := build(Source{}); err == nil || !strings.Contains(err.Error(), `"no\x1bname": link to /etc/passwd is absolute`) {
		t.Errorf("link out: %v", err)
	}
	var refused *RefusedError
	if err := build(Source{Build: []string{"mkfifo", "x"}}); !errors.As(err, &refused) || refused.Path != "x" {
		t.Errorf("fifo: %v", err)
	}
	if err := build(Source{Repo: "http://user:secret@127.0.0.1:1/x"}); !errors.As(err, &exit) || exit.Error() != "git fetch: exit status 128" || len(exit.Tail) == 0 {
		t.Errorf("no repository: %v", err)
	}
}

func TestBuildArchives(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	commit := r.commit(map[string]string{"Makefile": "x", "src/a.php": "a", "src/sub/b.php": "b", "src/l": "-> sub/b.php"})
	log := filepath.Join(t.TempDir(), "log")
	script := `test ! -e leftover; touch leftover; mkdir -m 0555 dist/ro; echo "$PUSHTRAIN_RELEASE" >> "$0"`
	s := store(t, Source{Repo: r.dir, Branch: "main", Tree: "dist", Build: []string{"sh", "-ec", "cp -r src dist; " + script, log}}, 0)
	rel, err := s.Build(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	id := commit[:12]
	m, err := s.Manifest(id)
	if err != nil {
		t.Fatal(err)
	}
	if want := (deploy.Release{ID: id, Commit: commit, Digest: m.Digest(), Files: 2, Bytes: 2}); rel != want {
		t.Errorf("Build() = %+v, want %+v", rel, want)
	}
	if got, err := s.Load(id); err != nil || got != rel || !s.Has(id) || s.Has("000000000000") || s.Has("../"+id) {
		t.Errorf("Load() = %+v, %v", got, err)
	}
	got, err := Scan(t.Context(), s.Tree(id))
	if d := deploy.Diff(m, got, 0); err != nil || d != nil {
		t.Errorf("archived tree: %q, %v", d, err)
	}
	// The same commit again: not built again, unless it is damaged.
	for range 2 {
		if again, err := s.Build(t.Context(), "", nil); err != nil || again != rel {
			t.Errorf("Build() again = %+v, %v", again, err)
		}
	}
	if n := strings.Count(read(t, log), id); n != 1 {
		t.Errorf("built %d times, want once", n)
	}
	write(t, s.Tree(id), map[string]string{"a.php": "A"})
	if again, err := s.Build(t.Context(), "", nil); err != nil || again != rel || read(t, s.Tree(id), "a.php") != "a" {
		t.Errorf("Build() of a damaged release = %+v, %v", again, err)
	}
	if n := strings.Count(read(t, log), id); n != 2 {
		t.Errorf("built %d times, want twice", n)
	}
	if list, err := os.ReadDir(s.path("")); err != nil || len(list) != 1 {
		t.Errorf("left in the archive: %v, %v", list, err)
	}
}

func TestArchiveKeepsTimesOfWhatDidNotChange(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	src := Source{Repo: r.dir, Branch: "main"}
	s := store(t, src, 0)
	build := func(files map[string]string) string {
		t.Helper()
		r.commit(files)
		rel, err := s.Build(t.Context(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Tree(rel.ID)
	}
	one := build(map[string]string{"same": "s", "text": "1", "mode": "m", "back": "x", "link": "-> same"})
	if lstat(t, one, "same").ModTime().Nanosecond() != 0 {
		t.Error("an mtime is not a whole second")
	}
	if _, err := os.Lstat(filepath.Join(one, ".git")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the release holds .git: %v", err)
	}
	if err := os.Chmod(filepath.Join(r.dir, "mode"), 0o755); err != nil {
		t.Fatal(err)
	}
	two := build(map[string]string{"text": "2", "back": "y"})
	three := build(map[string]string{"text": "3", "back": "x"})
	for _, path := range []string{"same", "link"} {
		if !os.SameFile(lstat(t, one, path), lstat(t, three, path)) {
			t.Errorf("%s did not change and is not the same file", path)
		}
	}
	rises := func(path string, trees ...string) {
		t.Helper()
		for i, tree := range trees[1:] {
			if before, after := mtime(t, trees[i], path).Unix(), mtime(t, tree, path).Unix(); after <= before {
				t.Errorf("%s changed, and its mtime went from %d to %d", path, before, after)
			}
		}
	}
	rises("text", one, two, three)
	rises("back", one, two, three)
	rises("mode", one, two)
	if lstat(t, two, "mode").Mode().Perm() != 0o755 || lstat(t, one, "mode").Mode().Perm() != 0o644 {
		t.Error("the mode of one release is that of another")
	}
	// A file that was damaged in the archive is not handed on to the next release.
	write(t, three, map[string]string{"same": "S"})
	four := build(map[string]string{"text": "4"})
	if read(t, four, "same") != "s" {
		t.Error("damage was handed on")
	}
	rises("same", three, four)
	// A clock that was put back does not give an old time to new content.
	ahead := time.Now().Add(24 * time.Hour)
	if err := os.Chtimes(filepath.Join(two, "text"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	rises("text", two, build(map[string]string{"text": "5"}))
}

func TestPrune(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	s := store(t, Source{Repo: r.dir, Branch: "main", Build: []string{"sh", "-c", "mkdir -p mod/ro && chmod 0555 mod/ro"}}, 2)
	var ids []string
	for _, content := range []string{"1", "2", "3", "4", "5"} {
		r.commit(map[string]string{"a": content})
		rel, err := s.Build(t.Context(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rel.ID)
	}
	if err := s.Prune(ids[0], "no-such-release"); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false, false, true, true} {
		if _, err := os.Stat(s.Tree(ids[i])); s.Has(ids[i]) != want || (err == nil) != want {
			t.Errorf("release %d: archived = %t, want %t; %v", i+1, !want, want, err)
		}
	}
	for i, want := range []bool{true, false, false, false, true} {
		if _, err := os.Stat(s.work(ids[i])); (err == nil) != want {
			t.Errorf("checkout %d: %v", i+1, err)
		}
	}
	if read(t, s.Tree(ids[0]), "a") != "1" {
		t.Error("a release in use was touched")
	}
}

func TestOpenSweeps(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	r.commit(map[string]string{"a": "1"})
	dir := t.TempDir()
	half := filepath.Join(dir, "releases", ".new-0123456789ab", "tree", "a")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Source{Repo: r.dir, Branch: "main"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a release is left: %v", err)
	}
	rel, err := s.Build(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, Source{Repo: r.dir, Branch: "main"}, 0)
	if err != nil || !again.Has(rel.ID) {
		t.Errorf("the release is gone after a restart: %v", err)
	}
	// A git that was killed in a fetch leaves its locks.
	for _, lock := range []string{"packed-refs.lock", "refs/remotes/origin/main.lock"} {
		if err := os.WriteFile(filepath.Join(dir, "repo.git", lock), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if again, err = Open(dir, Source{Repo: r.dir, Branch: "main"}, 0); err != nil {
		t.Fatal(err)
	}
	next := r.commit(map[string]string{"a": "2"})
	if rel, err := again.Build(t.Context(), "", nil); err != nil || rel.Commit != next {
		t.Errorf("Build() behind a killed git = %+v, %v", rel, err)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	// The build makes another tree each time.
	r.commit(map[string]string{"smoke": "#!/bin/sh\ncat dist/stamp"})
	r.git("update-index", "--chmod=+x", "smoke")
	r.git("commit", "--quiet", "--amend", "--no-edit")
	s := store(t, Source{Repo: r.dir, Branch: "main", Tree: "dist", Build: []string{"sh", "-c", "mkdir dist && mktemp -u > dist/stamp"}}, 0)
	rel, err := s.Build(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	stamp := "false " + read(t, s.Tree(rel.ID), "stamp")
	for _, lost := range []string{"", s.work(rel.ID) + built, s.work(rel.ID)} {
		if lost != "" {
			if err := errors.Join(os.RemoveAll(lost), os.RemoveAll(s.work(rel.ID)+built)); err != nil {
				t.Fatal(err)
			}
		}
		var out output
		if err := s.Run(t.Context(), rel.ID, []string{"./smoke"}, nil, out.line); err != nil || !strings.Contains(out.String(), "false $ ./smoke\n"+stamp+"false ./smoke: exit status 0 ") {
			t.Errorf("Run() without %q: %v, %q, want %q", lost, err, &out, stamp)
		}
	}
	var exit *ExecError
	if err := s.Run(t.Context(), rel.ID, []string{"sh", "-c", `exit "$STATUS"`}, []string{"STATUS=3"}, nil); !errors.As(err, &exit) || exit.Exit != 3 {
		t.Errorf("Run() = %v, want exit status 3", err)
	}
	if err := s.Run(t.Context(), "000000000000", []string{"true"}, nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Run() of nothing = %v", err)
	}
	if err := s.Run(t.Context(), rel.ID, nil, nil, nil); err == nil {
		t.Error("Run() without a command did well")
	}
}

// TestBeside: whoever only reads takes nothing from a build that is under way.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	src := Source{Repo: t.TempDir(), Branch: "main"}
	if _, err := Beside(filepath.Join(dir, "none"), src, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder is made: %v", err)
	}
	if _, err := Open(dir, src, 0); err != nil {
		t.Fatal(err)
	}
	halves := []string{filepath.Join(dir, "releases", ".new-abc"), filepath.Join(dir, "repo.git", "config.lock")}
	for _, half := range halves {
		if err := os.WriteFile(half, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		for _, half := range halves {
			if _, err := os.Lstat(half); err == nil {
				n++
			}
		}
		return n
	}
	if _, err := Beside(dir, src, 0); err != nil || left() != 2 {
		t.Errorf("beside a build that is under way %d of 2 are left, %v", left(), err)
	}
	if _, err := Open(dir, src, 0); err != nil || left() != 0 {
		t.Errorf("after a crash %d are left, %v", left(), err)
	}
}
