package fleet_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
	"pushtrain/deploy/host"
	"pushtrain/deploy/release"
)

// TestMain makes the test program the helper that is put on hosts, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "host" {
		var c host.Call
		flags := flag.NewFlagSet("host", flag.ExitOnError)
		flags.BoolVar(&c.Session, "session", false, "")
		flags.Func("root", "", func(root string) error { c.Roots = append(c.Roots, root); return nil })
		flags.Func("hook", "", func(argv string) error { c.Hooks = append(c.Hooks, argv); return nil })
		_ = flags.Parse(os.Args[2:]) // it exits
		if len(c.Roots) == 1 {
			kind, _ := os.ReadFile(filepath.Join(filepath.Dir(c.Roots[0]), hostile)) // without it the host is an honest one
			misbehave(string(kind), c.Roots[0])
		}
		if err := host.Run(context.Background(), c, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// repo is a git repository to ship from.
type repo struct {
	t   testing.TB
	dir string
}

func newRepo(t testing.TB) *repo {
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("git is missing: apt-get install git")
		}
		t.Skip("git is missing: apt-get install git")
	}
	r := &repo{t: t, dir: t.TempDir()}
	r.git("init", "-q", "-b", "main")
	return r
}

func (r *repo) git(args ...string) {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

// commit sets the content of index.html, and adds so many files of one byte.
func (r *repo) commit(text string, more int) {
	r.t.Helper()
	files := map[string]string{"index.html": text, "lib/big one.bin": strings.Repeat("x", 3<<20), "-dash": "-"}
	for i := range more {
		files[fmt.Sprintf("more/%d", i)] = "."
	}
	for name, data := range files {
		path := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "-A")
	r.git("commit", "-q", "-m", text)
}

// rig drives the core over a fleet, as the bot does.
type rig struct {
	t     testing.TB
	repo  *repo
	fleet *fleet.Fleet
	book  deploy.Book
	stage fleet.Stage
	drain time.Duration
	crash bool            // at the barrier: Commit is on disk, and nothing of it is done
	dies  <-chan struct{} // the bot dies then: nothing that is under way is heard of any more
	abort string          // a line that has a person abort
	hear  func(fleet.Line)
	built func() // called when the release is archived, before hosts hear of it; nil = nothing is

	mu    sync.Mutex
	lines []fleet.Line
}

// target is what all rigs ship to.
var target = deploy.Target{Stack: "web", Stage: "prod"}

func newRig(t testing.TB, root, config string, stage fleet.Stage) *rig {
	t.Helper()
	stage.Name = target.Stage
	r := &rig{t: t, repo: newRepo(t), stage: stage, drain: time.Second}
	r.fleet = r.open(t.TempDir(), root, config)
	return r
}

func (r *rig) open(dir, root, config string) *fleet.Fleet {
	r.t.Helper()
	f, err := fleet.Open(fleet.Config{Dir: dir, SSHConfig: config, Lean: true, Retries: 2, Stacks: []fleet.Stack{{
		Name: target.Stack, Root: root, Source: release.Source{Repo: r.repo.dir, Branch: "main"},
		Drain: r.drain, Stages: []fleet.Stage{r.stage},
	}}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := f.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return f
}

// start asks for what is on main, on all hosts.
func (r *rig) start() deploy.Start {
	s := deploy.Start{Target: target, By: "alice", Ref: "main", Test: r.stage.Test != nil, Check: r.stage.Check != nil}
	for _, h := range r.stage.Hosts {
		s.Hosts = append(s.Hosts, h.Name)
	}
	return s
}

// run applies e, and all answers that follow, until the rollout has ended. At
// the barrier it calls atBarrier, then commits.
func (r *rig) run(id uint64, e deploy.Event, atBarrier func()) deploy.Ended {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	answers := make(chan deploy.Event, 64) // more than are ever under way
	aborts := make(chan struct{}, 1)
	out := func(l fleet.Line) {
		r.line(l)
		if r.hear != nil {
			r.hear(l)
		}
		if r.abort != "" && strings.Contains(l.Text, r.abort) {
			select {
			case aborts <- struct{}{}:
			default: // one is enough
			}
		}
	}
	cancels := map[deploy.Kind][]context.CancelFunc{}
	inbox := []deploy.Event{e}
	var ended deploy.Ended
	for open := 0; ; {
		for ; len(inbox) > 0; inbox = inbox[1:] {
			if _, ok := inbox[0].(deploy.Built); ok && r.built != nil {
				r.built()
			}
			next, effects, err := r.book.Apply(deploy.Input{At: time.Now(), ID: id, Event: inbox[0]})
			if err != nil {
				r.t.Fatalf("%T: %v", inbox[0], err)
			}
			r.book = next
			if _, ok := inbox[0].(deploy.Start); ok {
				id = next.Last
			}
			rollout, _ := r.book.Find(id)
			for kind, all := range cancels {
				if !rollout.Wants(kind) {
					for _, cancel := range all {
						cancel()
					}
				}
			}
			for _, e := range effects {
				switch e := e.(type) {
				case deploy.AtBarrier:
					if atBarrier != nil {
						atBarrier()
					}
					inbox = append(inbox, deploy.Commit{})
				case deploy.Ended:
					ended = e
				default:
					if r.crash && rollout.State == deploy.Flipping {
						return ended
					}
					ctx, cancel := context.WithCancel(ctx)
					defer cancel()
					kind, _ := deploy.Names(e)
					cancels[kind] = append(cancels[kind], cancel)
					open++
					go func() { answers <- r.fleet.Do(ctx, rollout, e, out) }()
				}
			}
		}
		if open == 0 {
			return ended
		}
		select {
		case e := <-answers:
			inbox = append(inbox, e)
			open--
		case <-aborts:
			inbox = append(inbox, deploy.Abort{By: "bob"})
		case <-r.dies:
			return ended
		}
	}
}

// crashes ships what is on main until Commit is on disk, and dies.
func (r *rig) crashes() {
	r.t.Helper()
	r.crash = true
	r.run(0, r.start(), nil)
	r.crash = false
}

// goesOn opens another fleet on what the one that died has left: all hosts serve this text in the end.
func (r *rig) goesOn(h *fleettest.Hosts, text string) {
	r.t.Helper()
	r.fleet = r.open(r.t.TempDir(), "/srv/web", h.Config)
	r.expect(r.run(r.book.Last, deploy.Resume{}, nil), deploy.Done, "")
	for _, name := range h.Names {
		serves(r.t, filepath.Join(h.Srv(name), "web"), text)
	}
}

func (r *rig) line(l fleet.Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
}

// said reports whether a line held text.
func (r *rig) said(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		if strings.Contains(l.Text, text) {
			return true
		}
	}
	return false
}

// ship ships what is on main and fails the test unless it ends so.
func (r *rig) ship(want deploy.State, reason string) deploy.Ended {
	r.t.Helper()
	e := r.run(0, r.start(), nil)
	r.expect(e, want, reason)
	return e
}

func (r *rig) expect(e deploy.Ended, want deploy.State, reason string) {
	r.t.Helper()
	if e.Outcome != want || !strings.Contains(e.Reason, reason) {
		r.t.Fatalf("ended %s %q %q, want %s %q", e.Outcome, e.Reason, e.Tail, want, reason)
	}
}

// serves fails the test unless the root, seen from outside, serves this text.
func serves(t testing.TB, root, text string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(root, "current", "index.html"))
	if err != nil || string(got) != text {
		t.Errorf("%s serves %q, %v; want %q", root, got, err, text)
	}
}
