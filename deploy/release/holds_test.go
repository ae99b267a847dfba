package release

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestHolds asks real git for a branch that is there, one that is not, and a repository that is none.
func TestHolds(t *testing.T) {
	r := newRepo(t)
	want := r.commit(map[string]string{"a": "1"})
	if got, err := Holds(t.Context(), r.dir, "main"); err != nil || got != want {
		t.Errorf("main holds %q, %v; want %s", got, err, want)
	}
	for name, c := range map[string]struct{ repo, branch, says string }{
		"no branch":        {r.dir, "nosuch", "there is no branch nosuch"},
		"a part of a name": {r.dir, "mai", "there is no branch mai"},
		"no folder":        {filepath.Join(r.dir, "none"), "main", "there is no repository"},
		"no repository":    {t.TempDir(), "main", "git ls-remote"},
		"nobody answers":   {"git://127.0.0.1:1/x", "main", "git ls-remote"},
	} {
		if got, err := Holds(t.Context(), c.repo, c.branch); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q, %v; want %s", name, got, err, c.says)
		}
	}
}
