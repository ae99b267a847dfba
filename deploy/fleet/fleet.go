package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
	"pushtrain/deploy/release"
)

// Line is one line of what is going on.
type Line struct {
	Host    string // "" = on this machine
	Text    string // "" = only progress
	Percent int    // of what is sent to the host; -1 = no progress
	Err     bool   // it was said on stderr
	Lost    int64  // bytes of a log that was followed which were passed over; Text is "" then
}

// HostStatus is what a host says about itself.
type HostStatus struct {
	Name     string
	Standing deploy.Standing
	Witness  string   // what the journal said when this host was flipped last; "" = none is kept there
	Drift    []string // Audit: the first paths, at most 10, that are not what was shipped, each with what differs
	Err      error    // why it said nothing; in words for a person
}

// Fleet reaches the hosts of all stacks. Its methods may be called from several goroutines.
type Fleet struct {
	stacks  map[string]*stack
	ssh     *ssh
	slots   chan struct{} // one for each host that may be filled at once
	retries int           // Config's
	flips   moment

	witness func() string // Config.Witness; never nil

	open  context.Context // ends with Close
	close context.CancelFunc
}

// stack is a Stack with what it takes to ship it.
type stack struct {
	Stack
	store   *release.Store
	cargo   cargoes       // what is shipped
	changes changes       // from what is live to what is shipped
	build   chan struct{} // held by the build that runs
	stages  map[string]Stage
	links   map[string]map[string]*link // by stage, then host; the same host and root of two stages share one
}

// Open returns the fleet of cfg. It connects to nothing yet.
func Open(cfg Config) (*Fleet, error) {
	f := &Fleet{stacks: map[string]*stack{}, slots: make(chan struct{}, cmp.Or(cfg.Parallel, 8)), retries: cfg.Retries, witness: cfg.Witness}
	if f.witness == nil {
		f.witness = func() string { return "" }
	}
	for _, s := range cfg.Stacks {
		if s.Name == "" || s.Name != filepath.Base(s.Name) || f.stacks[s.Name] != nil {
			return nil, fmt.Errorf("stack %q has no name of its own", s.Name)
		}
		if cfg.BuildDir != "" {
			s.Source.Work = filepath.Join(cfg.BuildDir, s.Name)
		}
		open := release.Open
		if cfg.Beside {
			open = release.Beside
		}
		store, err := open(filepath.Join(cfg.Dir, s.Name), s.Source, s.Keep)
		if err != nil {
			return nil, fmt.Errorf("stack %s: %w", s.Name, err)
		}
		st := &stack{Stack: s, store: store, build: make(chan struct{}, 1), stages: map[string]Stage{}, links: map[string]map[string]*link{}}
		if err := st.connect(); err != nil {
			return nil, fmt.Errorf("stack %s: %w", s.Name, err)
		}
		f.stacks[s.Name] = st
	}
	f.open, f.close = context.WithCancel(context.Background())
	var err error
	if f.ssh, err = newSSH(cfg.SSHConfig, cfg.Lean, cfg.Helper); err != nil {
		return nil, err
	}
	owner := newOwner()
	for l := range f.links {
		l.ssh, l.owner, l.open, l.stall = f.ssh, owner, f.open, cmp.Or(cfg.Stall, stallTime)
	}
	return f, nil
}

// newOwner returns a name that no other fleet has.
func newOwner() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // it never fails: see crypto/rand
	return hex.EncodeToString(b)
}

// connect makes the links of all stages.
func (s *stack) connect() error {
	type place struct{ addr, root string }
	known := map[place]*link{}
	for _, stage := range s.Stages {
		s.stages[stage.Name] = stage
		s.links[stage.Name] = map[string]*link{}
		for _, h := range stage.Hosts {
			l, err := h.link(s.Stack)
			if err != nil {
				return err
			}
			at := place{l.addr, l.root}
			if l.local {
				at.addr = ""
			}
			if known[at] == nil {
				known[at] = l
			}
			s.links[stage.Name][h.Name] = known[at]
		}
	}
	return nil
}

// links yields every link; one that two stages share, twice.
func (f *Fleet) links(yield func(*link) bool) {
	for _, s := range f.stacks {
		for _, stage := range s.links {
			for _, l := range stage {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// Status asks every host of t where it stands, all at once. It takes no lock and
// waits no longer than 20 seconds; a target that there is not has no hosts.
func (f *Fleet) Status(ctx context.Context, t deploy.Target) []HostStatus {
	ctx, cancel := f.until(ctx, statusTime)
	defer cancel()
	return askAll(f, t, func(s *stack, h Host) HostStatus {
		resp, err := s.links[t.Stage][h.Name].ask(ctx, noLock, host.Request{Do: host.Status})
		return HostStatus{Name: h.Name, Standing: resp.Standing, Witness: resp.Witness, Err: err}
	})
}

// askAll asks every host of t, all at once, in the order of the configuration.
func askAll[T any](f *Fleet, t deploy.Target, ask func(s *stack, h Host) T) []T {
	s := f.stacks[t.Stack]
	if s == nil {
		return nil
	}
	all := make([]T, len(s.stages[t.Stage].Hosts))
	var asked sync.WaitGroup
	for i, h := range s.stages[t.Stage].Hosts {
		asked.Go(func() { all[i] = ask(s, h) })
	}
	asked.Wait()
	return all
}

// Commits returns what a rollout of a stack from the commit from to the commit to
// brings, newest first; see [release.Store.Commits].
func (f *Fleet) Commits(ctx context.Context, stack, from, to string) ([]release.Commit, error) {
	ctx, cancel := f.until(ctx, commitsTime)
	defer cancel()
	s := f.stacks[stack]
	if s == nil {
		return nil, fmt.Errorf("there is no stack %q", stack)
	}
	return s.store.Commits(ctx, from, to)
}

// Prune removes releases of a stack beyond its Keep, but never those of inUse
// (deploy.Book.InUse). The owner calls it after a rollout is DONE.
func (f *Fleet) Prune(stack string, inUse ...string) error {
	s := f.stacks[stack]
	if s == nil {
		return fmt.Errorf("there is no stack %q", stack)
	}
	return s.store.Prune(inUse...)
}

// lateError is a bound that was passed.
type lateError time.Duration

func (e lateError) Error() string { return fmt.Sprintf("no answer within %s", time.Duration(e)) }

// until bounds ctx by d, and by the fleet's own end.
func (f *Fleet) until(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, end := f.while(ctx)
	ctx, cancel := context.WithTimeoutCause(ctx, d, lateError(d))
	return ctx, func() { cancel(); end() }
}

// while bounds ctx by the fleet's own end.
func (f *Fleet) while(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(f.open, cancel)
	return ctx, func() { stop(); cancel() }
}

// Close ends all sessions and waits for them. Effects that are under way fail.
func (f *Fleet) Close() error {
	f.close()
	var closed sync.WaitGroup
	for l := range f.links {
		closed.Go(l.close)
	}
	closed.Wait()
	return os.RemoveAll(f.ssh.dir)
}
