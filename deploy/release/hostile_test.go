package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// hostile are words that are neither a ref nor a repository, and that somebody
// would like some program on the way to take for something else.
var hostile = []string{
	"", "-", "-oProxyCommand=touch x", "--upload-pack=touch x", "a\nb", "a\rb", "a\x00b", "a\x1b[31mb", "a\x7fb", "a\xffb", "a\u009bb",
	strings.Repeat("a", 10_000),
}

// noPrograms leaves only a git that says that it was run, and returns whether it was.
func noPrograms(t *testing.T) func() bool {
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte("#!/bin/sh\n>"+ran+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	return func() bool {
		_, err := os.Stat(ran)
		return err == nil
	}
}

// plain reports whether an error is one short line that any terminal can show.
func plain(err error) bool {
	return err != nil && len(err.Error()) < 300 && !strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) })
}

// TestHostileRefs: a branch, a tag or a commit of a name that can be misread is
// refused before any program runs.
func TestHostileRefs(t *testing.T) {
	src := Source{Repo: "/srv/git", Branch: "main"}
	s, err := Open(t.TempDir(), src, 0)
	if err != nil {
		t.Fatal(err)
	}
	ran := noPrograms(t)
	for _, ref := range append(hostile[1:], // "" is the branch
		"$(touch x)", "`touch x`", "a;touch x", "a|b", "a&b", "a b", " a", "a'b", `a"b`, `a\b`, "../../x", "a..b", "@{-1}", "a@{1}", "a^", "a~1", "a:b", "a?", "a*", "a[b", "main^{/x}", "/a", ".a", "ünï", "a\u202eb", "+a") {
		if _, err := s.Build(t.Context(), ref, nil); !plain(err) || !strings.Contains(err.Error(), "ref ") {
			t.Errorf("Build(%.60q) = %v", ref, err)
		}
		if ran() {
			t.Fatalf("Build(%.60q) ran git", ref)
		}
		src.Branch = ref
		if _, err := Open(t.TempDir(), src, 0); !plain(err) || !strings.Contains(err.Error(), "source.branch: ") {
			t.Errorf("Open with branch %.60q = %v", ref, err)
		}
	}
	// Nothing is wrong with the way that refuses them.
	if _, err := s.Build(t.Context(), strings.Repeat("a", 40), nil); err == nil || !ran() {
		t.Errorf("a good ref did not reach git: %v", err)
	}
}

// TestHostileRepos: an address that git or ssh would take for an option or a
// program is refused at once, and a folder that is not there before git runs.
func TestHostileRepos(t *testing.T) {
	ran := noPrograms(t)
	for _, repo := range append(hostile,
		"ext::sh -c touch% x", "fd::17", "::x", "ssh://-oProxyCommand=x/y", "ssh://git@-oProxyCommand=x/y", "-x@host:y", "git@-oProxyCommand=x:y") {
		if _, err := Open(t.TempDir(), Source{Repo: repo, Branch: "main"}, 0); !plain(err) || !strings.Contains(err.Error(), "source.repo: ") {
			t.Errorf("Open with repository %.60q = %v", repo, err)
		}
	}
	for _, repo := range []string{"$(touch x)", "`touch x`", "/srv/no such; touch x", "file:///srv/no%20such", "file:///%zz"} {
		err := mirror{dir: t.TempDir()}.fetch(t.Context(), repo, nil)
		if !plain(err) || !strings.Contains(err.Error(), "repository") {
			t.Errorf("fetch from %q = %v", repo, err)
		}
	}
	if ran() {
		t.Error("git was run")
	}
	for _, repo := range []string{"https://git.example/web.git", "ssh://git@[::1]:22/web", "git@host:web.git", "/srv/git/web-1.git", "../web.git", "file:///srv/git/a%20b", "host:a::b"} {
		if err := CheckRepo(repo); err != nil {
			t.Errorf("CheckRepo(%q) = %v", repo, err)
		}
	}
}

// TestFolders: a folder is fetched from by each of its names, whatever is in them.
func TestFolders(t *testing.T) {
	src := newRepo(t)
	commit := src.commit(map[string]string{"page": "one"})
	dir := filepath.Join(t.TempDir(), "a $(id) ü.git")
	if err := os.Rename(src.dir, dir); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "all.bundle")
	repo{t, dir}.git("bundle", "create", "-q", bundle, "--all")
	for _, from := range []string{dir, strings.TrimSuffix(dir, ".git"), "file://" + strings.ReplaceAll(dir, " ", "%20"), bundle} {
		s, err := Open(t.TempDir(), Source{Repo: from, Branch: "main"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := s.Build(t.Context(), "main", nil); err != nil || r.Commit != commit {
			t.Errorf("Build from %s = %+v, %v", from, r, err)
		}
	}
}
