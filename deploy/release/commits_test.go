package release

import (
	"slices"
	"strings"
	"testing"
)

func TestCommits(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	first := r.commit(map[string]string{"a": "1"})
	s := store(t, Source{Repo: r.dir, Branch: "main"}, 0)
	if got, err := s.Commits(t.Context(), first, ""); err != nil || len(got) != 0 {
		t.Errorf("nothing is new: %+v, %v", got, err)
	}
	r.commit(map[string]string{"lib/b.php": "1", "ü $(x)": "2"})
	r.git("commit", "-q", "--allow-empty", "--author", "Al Liddell <old@example.com>", "-m", "empty\n\nwith a body\nof two lines")
	r.git("checkout", "-q", "-b", "side")
	r.commit(map[string]string{"side": "1"})
	r.git("checkout", "-q", "main")
	third := r.commit(map[string]string{".mailmap": "Alice <alice@example.com> <old@example.com>\n"})
	r.git("merge", "-q", "--no-ff", "-m", "a merge", "side")

	got, err := s.Commits(t.Context(), first, "")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range got {
		slices.Sort(c.Files)
		all = append(all, strings.Join(c.Files, "+"))
		if len(c.Hash) != 40 || c.At.IsZero() || c.Name == "" || !strings.Contains(c.Email, "@") || c.Subject == "" {
			t.Errorf("%+v", c)
		}
	}
	slices.Sort(all)
	if want := []string{"", ".mailmap", "lib/b.php+ü $(x)", "side"}; !slices.Equal(all, want) {
		t.Errorf("files %q, want %q", all, want)
	}
	i := slices.IndexFunc(got, func(c Commit) bool { return c.Subject == "empty" })
	if i < 0 || got[i].Name != "Alice" || got[i].Email != "alice@example.com" {
		t.Errorf("by .mailmap: %+v", got)
	}
	if got, err := s.Commits(t.Context(), first, third); err != nil || len(got) != 3 {
		t.Errorf("to a commit: %+v, %v", got, err)
	}
	if _, err := s.Commits(t.Context(), "main", third); err == nil {
		t.Error("a branch passed for a commit")
	}
	if _, err := s.Commits(t.Context(), strings.Repeat("0", 40), third); err == nil {
		t.Error("no error for a commit that there is not")
	}
}
