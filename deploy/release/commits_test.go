package release

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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

// TestDeafServer: a git server that never answers is given up, and nobody else waits for it longer than they want.
func TestDeafServer(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s, err := Open(t.TempDir(), Source{Repo: "git://" + server.Addr().String() + "/x", Branch: "main", Build: []string{"true"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, give := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := s.Commits(ctx, strings.Repeat("0", 40), "")
		asked <- err
	}()
	conn, err := server.Accept() // git fetch is at it
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stop := errors.New("stop")
	aborted, abort := context.WithCancelCause(t.Context())
	abort(stop)
	if _, err := s.Build(aborted, "", nil); !errors.Is(err, stop) {
		t.Errorf("a build that waits = %v", err)
	}
	give()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("Commits() = %v", err)
	}
}

// TestListLimit: who lists what is new waits for no server longer than a rollout could bear.
func TestListLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Store{turn: make(chan struct{}, 1)}
		s.turn <- struct{}{} // another is at it
		if _, err := s.newest(t.Context()); !errors.Is(err, errListLimit) {
			t.Errorf("newest() = %v", err)
		}
	})
}
