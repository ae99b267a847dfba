package bot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/release"
)

// kinds are the steps of a rollout in the order in which a script lets them happen.
var kinds = []deploy.Kind{deploy.KindBuild, deploy.KindFence, deploy.KindPrepare, deploy.KindTest, deploy.KindVerify,
	deploy.KindFlip, deploy.KindPull, deploy.KindConfirm, deploy.KindCheck, deploy.KindUnlock, last}

// last is behind all steps.
const last deploy.Kind = "the end"

// order is what a script says of a target's rollouts.
type order struct {
	until  deploy.Kind // the step that waits, and those behind it
	fails  deploy.Kind // the step that fails, on one host if host is named
	host   string
	reason string
	always bool // it fails each time it is tried; else once
}

// scripted is a Deployer whose hosts are a few words in memory. Each step waits until the script lets it happen.
type scripted struct {
	empty bool // the hosts have no release yet

	mu     sync.Mutex
	orders map[deploy.Target]order
	held   map[deploy.Target]int // steps that wait
	change chan struct{}         // closed when an order changes
	gone   chan struct{}         // closed when the bot stops
	hosts  map[string]deploy.Standing
	built  map[string]int                       // releases by stack
	kept   map[string][]string                  // the releases in use that the last Prune named, by stack
	drift  map[deploy.Target][]fleet.HostStatus // what an audit finds

	logs    map[deploy.Target]func(fleet.Line) // who follows
	commits map[string][]release.Commit        // by stack, newest first
	holds   map[string]int                     // by commit that was built: how many of them are in it
}

func newScripted() *scripted {
	return &scripted{orders: map[deploy.Target]order{}, held: map[deploy.Target]int{}, change: make(chan struct{}),
		gone: make(chan struct{}), hosts: map[string]deploy.Standing{}, built: map[string]int{}, kept: map[string][]string{}, drift: map[deploy.Target][]fleet.HostStatus{}, commits: map[string][]release.Commit{}, logs: map[deploy.Target]func(fleet.Line){}, holds: map[string]int{}}
}

func (f *scripted) order(t deploy.Target, o order) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.orders[t] = o
	close(f.change)
	f.change = make(chan struct{})
}

// rest makes the steps of rollouts to come wait again, of all targets where nothing runs.
func (f *scripted) rest(runs func(deploy.Target) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.orders, func(t deploy.Target, _ order) bool { return !runs(t) })
}

func (f *scripted) waits(t deploy.Target) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held[t] > 0
}

// cut ends all that is under way, as when the bot's process ends.
func (f *scripted) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.gone)
	f.gone = make(chan struct{})
	clear(f.orders)
}

// allowed waits until the script lets a step happen.
func (f *scripted) allowed(ctx context.Context, t deploy.Target, k deploy.Kind) error {
	for {
		f.mu.Lock()
		o, ok := f.orders[t]
		change, gone := f.change, f.gone
		if ok && slices.Index(kinds, k) < slices.Index(kinds, o.until) || k == deploy.KindUnlock {
			f.mu.Unlock()
			return nil
		}
		f.held[t]++
		f.mu.Unlock()
		var err error
		select {
		case <-change:
		case <-gone:
			err = fmt.Errorf("the bot stopped")
		case <-ctx.Done():
			err = fmt.Errorf("called off")
		}
		f.mu.Lock()
		f.held[t]--
		f.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// took is how long a step lasts; no two of them end in one moment, so that each scene is always the same.
func took(t deploy.Target, k deploy.Kind, host string) time.Duration {
	d := map[deploy.Kind]time.Duration{deploy.KindBuild: 20 * time.Second, deploy.KindTest: 40 * time.Second,
		deploy.KindPrepare: 10 * time.Second, deploy.KindVerify: 2 * time.Second, deploy.KindCheck: 3 * time.Second}[k]
	return d + 10*time.Millisecond + time.Duration(len(t.Stack))*time.Millisecond + time.Duration(host[len(host)-1]-'0')*100*time.Microsecond
}

func (f *scripted) Do(ctx context.Context, r deploy.Rollout, e deploy.Effect, _ func(fleet.Line)) deploy.Event {
	k, host := deploy.Names(e)
	failed := deploy.Failed{Kind: k, Host: host, Clean: true}
	if err := f.allowed(ctx, r.Target, k); err != nil {
		failed.Reason = err.Error()
		return failed
	}
	name := host
	if name == "" {
		name = "0"
	}
	time.Sleep(took(r.Target, k, name))
	f.mu.Lock()
	defer f.mu.Unlock()
	if o, still := f.orders[r.Target]; still && o.fails == k && (o.host == "" || o.host == host) {
		if !o.always {
			o.fails = ""
			f.orders[r.Target] = o
		}
		failed.Reason, failed.Clean = o.reason, k != deploy.KindFlip
		if k == deploy.KindTest || k == deploy.KindBuild {
			failed.Tail = []string{"--- FAIL: TestCart", "cart_test.go:12: 3 items, want 4"}
		}
		return failed
	}
	return f.done(r, e, r.Target.String()+" "+host)
}

// done is the answer to a step that went well.
func (f *scripted) done(r deploy.Rollout, e deploy.Effect, at string) deploy.Event {
	h, ok := f.hosts[at]
	if !ok && !f.empty {
		h = deploy.Standing{Live: deploy.Yin, Sides: map[deploy.Side]deploy.Seal{deploy.Yin: {Release: "old", Digest: "old"}}}
	}
	h.Sides = maps.Clone(h.Sides)
	if h.Sides == nil {
		h.Sides = map[deploy.Side]deploy.Seal{}
	}
	defer func() { f.hosts[at] = h }()
	switch e := e.(type) {
	case deploy.Build:
		f.built[r.Stack]++
		id := fmt.Sprintf("%.3s%04d", r.Stack, f.built[r.Stack])
		f.holds[id+"00"] = len(f.commits[r.Stack])
		return deploy.Built{Release: deploy.Release{ID: id, Commit: id + "00", Digest: "digest of " + id}}
	case deploy.Test:
		return deploy.Tested{}
	case deploy.Fence:
		h.Epoch = e.Epoch
		return deploy.Fenced{Host: e.Host, Standing: h}
	case deploy.Prepare:
		delete(h.Sides, e.Side)
		return deploy.Prepared{Host: e.Host}
	case deploy.Verify:
		h.Sides[e.Side] = deploy.Seal{Release: e.Release.ID, Digest: e.Release.Digest, Epoch: e.Epoch}
		return deploy.Verified{Host: e.Host}
	case deploy.Flip:
		h.Live = e.Side
		return deploy.Flipped{Host: e.Host, Took: time.Millisecond}
	case deploy.Confirm:
		return deploy.Confirmed{Host: e.Host, Standing: h}
	case deploy.Check:
		return deploy.Checked{}
	case deploy.Pull:
		return deploy.Pulled(e)
	case deploy.Unlock:
		return deploy.Unlocked{Host: e.Host}
	}
	panic(fmt.Sprintf("no step: %T", e))
}

func (f *scripted) Status(context.Context, deploy.Target) []fleet.HostStatus { return nil }

// drifts has audits find that of a host.
func (f *scripted) drifts(t deploy.Target, h fleet.HostStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.Standing = deploy.Standing{Live: deploy.Yin}
	f.drift[t] = []fleet.HostStatus{h}
}

// Audit finds what drift says, after a minute.
func (f *scripted) Audit(ctx context.Context, t deploy.Target, _ deploy.Release) []fleet.HostStatus {
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.drift[t]
}

// Follow hands on what logs is told.
func (f *scripted) Follow(ctx context.Context, t deploy.Target, out func(fleet.Line)) {
	f.mu.Lock()
	f.logs[t] = out
	f.mu.Unlock()
	<-ctx.Done()
}

func (f *scripted) Commits(_ context.Context, stack, from, to string) ([]release.Commit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if from == "" {
		return nil, fmt.Errorf("from where?")
	}
	all := f.commits[stack]
	until, built := f.holds[to]
	if !built {
		until = len(all)
	}
	return all[len(all)-until : len(all)-f.holds[from]], nil
}

// brings has the branch of a stack hold a commit that is not live.
func (f *scripted) brings(stack string, c release.Commit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commits[stack] = append([]release.Commit{c}, f.commits[stack]...)
}

func (f *scripted) Prune(stack string, inUse ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept[stack] = inUse
	return nil
}
