package release

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBegan(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want string
	}{
		{[]string{"make", "dist", "V=1"}, "$ make dist V=1"},
		{[]string{"sh", "-c", "echo 'a b'\n$HOME", ""}, `$ sh -c 'echo '\''a b'\''` + "\uFFFD" + `$HOME' ''`},
		{[]string{"git", "fetch", "--", "https://u:p@ss@git.example.net/x"}, "$ git fetch -- https://git.example.net/x"},
		{[]string{"x", strings.Repeat("y", 9000)}, "$ x " + strings.Repeat("y", longest-4) + CutMark},
	} {
		if got := Began(c.argv); got != c.want {
			t.Errorf("Began(%.60q) = %.200q, want %.200q", c.argv, got, c.want)
		}
	}
}

func TestEnded(t *testing.T) {
	for want, err := range map[string]error{
		"make dist: exit status 0 after 1.235s":             nil,
		"make dist: stopped: by alice after 1.235s":         &ExecError{Err: errors.New("stopped: by alice")},
		"make dist: git is missing: x after 1.235s":         errors.New("git is missing: x"),
		"make dist: no https://h/ there\uFFFD after 1.235s": errors.New("no https://u:p@h/ there\n"),
	} {
		if got := Ended([]string{"make", "dist"}, 1234567*time.Microsecond, err); got != want {
			t.Errorf("Ended() = %q, want %q", got, want)
		}
	}
}

// TestCommandsAreTold: the log of a build and a test holds every command with its
// arguments, what it said, how it ended and how long it took, in this order.
func TestCommandsAreTold(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	commit := r.commit(map[string]string{"a": "1"})
	s := store(t, Source{Repo: r.dir, Branch: "main", Build: []string{"sh", "-c", "echo made; echo odd >&2"}}, 0)
	var out output
	rel, err := s.Build(t.Context(), "main", out.line)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Committed(t.Context(), commit, out.line); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), rel.ID, []string{"sh", "-c", "echo no >&2; exit 3"}, nil, out.line); err == nil {
		t.Fatal("a test that fails is green")
	}
	const took = ` after [0-9.]+m?s\n`
	rest := out.String()
	for _, want := range []string{
		`false \$ git fetch --quiet .* -- \. '?\+refs/heads/.*\n`, `false git fetch: exit status 0` + took,
		`false \$ git rev-parse .*\n`, `false git rev-parse: exit status 0` + took,
		`false \$ git worktree add .* ` + commit + `\n`, `false git worktree: exit status 0` + took,
		`false \$ sh -c 'echo made; echo odd >&2'\n`, `false sh -c echo made; echo odd >&2: exit status 0` + took,
		`false \$ git show .*\n`, `false git show: exit status 0` + took,
		`false \$ sh -c 'echo no >&2; exit 3'\ntrue no\nfalse sh -c echo no >&2; exit 3: exit status 3` + took,
	} {
		at := regexp.MustCompile(want).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("%q is missing in its place:\n%s", want, &out)
		}
		rest = rest[at[1]:]
	}
	lines := strings.Split(out.String(), "\n")
	for _, line := range []string{"false made", "true odd"} {
		if at := slices.Index(lines, line); at < 0 || !strings.HasPrefix(lines[at-1], "false $ sh ") && !strings.HasPrefix(lines[at-2], "false $ sh ") {
			t.Errorf("%q is not where it was said:\n%s", line, &out)
		}
	}
}
