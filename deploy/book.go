package deploy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// shippedMax is how many releases a target's history holds.
const shippedMax = 20

// Apply returns the book after in, and what is to be done about it. It never
// changes b. An error is a refusal in words for whoever asked; the book is then
// as it was. Answers are never refused: one to an effect that is not open, or
// to a rollout that has ended, changes nothing.
func (b Book) Apply(in Input) (Book, []Effect, error) {
	at := in.At.Round(0)
	if e, ok := in.Event.(Start); ok {
		return b.start(at, e)
	}
	r, ok := b.Open[in.ID]
	if !ok {
		if answer(in.Event) {
			return b, nil, nil
		}
		return b, nil, fmt.Errorf("no rollout %d is under way", in.ID)
	}
	t := turn{at: at, last: b.Last, r: r.clone()}
	if err := t.do(in.Event); err != nil {
		return b, nil, err
	}
	return b.with(t), t.effects, nil
}

func (b Book) start(at time.Time, e Start) (Book, []Effect, error) {
	if err := e.check(); err != nil {
		return b, nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(b.Open)) {
		if r := b.Open[id]; r.Stack == e.Stack {
			return b, nil, busy(r)
		}
	}
	t := turn{at: at, last: b.Last + 1}
	t.begin(e, b.Quarantine[e.Target.String()])
	return b.with(t), t.effects, nil
}

// check refuses what can't be a rollout.
func (e Start) check() error {
	switch {
	case e.Stack == "" || e.Stage == "":
		return fmt.Errorf("name a stack and a stage")
	case len(e.Hosts) == 0:
		return fmt.Errorf("%s has no hosts", e.Target)
	case e.Release != Release{} && (e.Release.ID == "" || e.Release.Digest == ""):
		return fmt.Errorf("release %q has no digest: nothing proves it", e.Release.ID)
	case e.Release == Release{} && e.Back:
		return fmt.Errorf("%s has no release to go back to", e.Target)
	case e.Release == Release{} && e.Ref == "":
		return fmt.Errorf("name a branch, a commit or a release for %s", e.Target)
	}
	for i, h := range e.Hosts {
		if h == "" || slices.Contains(e.Hosts[:i], h) {
			return fmt.Errorf("host %q is named twice or has no name in %s", h, e.Target)
		}
	}
	return nil
}

func busy(r Rollout) error {
	who := fmt.Sprintf("rollout %d (%s, by %s)", r.ID, r.Stage, r.By)
	since := r.Entered[r.State].UTC().Format("15:04 UTC")
	if r.State == Stuck {
		return fmt.Errorf("%s is busy: %s is STUCK since %s: %s; decide back or forward first", r.Stack, who, since, r.Reason)
	}
	return fmt.Errorf("%s is busy: %s is in %s since %s", r.Stack, who, r.State, since)
}

// with returns b after the turn: a copy that shares what did not change.
func (b Book) with(t turn) Book {
	r := t.r
	b.Last = t.last
	b.Open = maps.Clone(b.Open)
	if r.Ended.IsZero() || r.State == Stuck {
		if b.Open == nil {
			b.Open = map[uint64]Rollout{}
		}
		b.Open[r.ID] = r
		return b
	}
	delete(b.Open, r.ID)
	key := r.Target.String()
	if b.Latest = maps.Clone(b.Latest); b.Latest == nil {
		b.Latest = map[string]Rollout{}
	}
	b.Latest[key] = r
	if r.State != Aborted {
		b.quarantine(r, t.at)
	}
	if !r.State.Live() || r.Sync {
		return b
	}
	if b.Shipped = maps.Clone(b.Shipped); b.Shipped == nil {
		b.Shipped = map[string][]Shipped{}
	}
	now := Shipped{Release: r.Release, Rollout: r.ID, Train: r.Train, By: r.By, At: t.at, Back: r.Start.Back, Sent: r.Entered[Barrier].Sub(r.Entered[Preparing])}
	past := b.Shipped[key]
	b.Shipped[key] = append([]Shipped{now}, past[:min(len(past), shippedMax-1)]...)
	return b
}

// quarantine notes which hosts r, which has ended after its COMMIT, went on
// without; and which it brought up to date.
func (b *Book) quarantine(r Rollout, at time.Time) {
	hosts := maps.Clone(b.Quarantine[r.Target.String()])
	for _, h := range r.Hosts {
		switch was, ok := hosts[h.Name]; {
		case h.Out && (h.Err != "" || !r.State.Live()): // pulled, and not current
			if hosts == nil {
				hosts = map[string]Quarantined{}
			}
			if !ok {
				was = Quarantined{Rollout: r.ID, Since: at}
			}
			if h.Err != "" {
				was.Why = where(h, h.Fault, h.Err)
			} else if !ok {
				was.Why = fmt.Sprintf("host %s was pulled before rollout %d turned back", h.Name, r.ID)
			}
			hosts[h.Name] = was
		case r.State.Live():
			delete(hosts, h.Name)
		}
	}
	b.Quarantine = maps.Clone(b.Quarantine)
	if b.Quarantine == nil {
		b.Quarantine = map[string]map[string]Quarantined{}
	}
	if b.Quarantine[r.Target.String()] = hosts; len(hosts) == 0 {
		delete(b.Quarantine, r.Target.String())
	}
}

// Live returns what went live on t last; false when nothing has. It is what the
// journal says: what a host serves now, only the host can say.
func (b Book) Live(t Target) (Shipped, bool) {
	past := b.Shipped[t.String()]
	if len(past) == 0 {
		return Shipped{}, false
	}
	return past[0], true
}

// Previous returns what a rollback of t ships: the release that was live before
// the one that is. Repeats of the same release count as one, and a release
// that people went back from is none to go back to: the second of two rollbacks
// goes one further.
func (b Book) Previous(t Target) (Release, bool) {
	var way []Release // the releases that lead to the live one, oldest first
	for _, s := range slices.Backward(b.Shipped[t.String()]) {
		i := len(way) - 1
		for s.Back && i >= 0 && way[i].Digest != s.Release.Digest { // a tree may have been live more than once
			i--
		}
		if i >= 0 && way[i].Digest == s.Release.Digest {
			way = way[:i]
		}
		way = append(way, s.Release)
	}
	if len(way) < 2 {
		return Release{}, false
	}
	return way[len(way)-2], true
}

// Find returns a rollout that is under way, or that was the last to end on its
// target: what the effects that its end asks for are about.
func (b Book) Find(id uint64) (Rollout, bool) {
	if r, ok := b.Open[id]; ok {
		return r, true
	}
	for _, r := range b.Latest {
		if r.ID == id {
			return r, true
		}
	}
	return Rollout{}, false
}

// InUse returns the IDs of the releases of a stack that must be kept: what is
// live on each stage, what a rollback would ship, and what is under way.
func (b Book) InUse(stack string) []string {
	var ids []string
	for key, past := range b.Shipped {
		stage, ok := strings.CutPrefix(key, stack+"/")
		if !ok || len(past) == 0 {
			continue
		}
		ids = append(ids, past[0].Release.ID)
		if r, ok := b.Previous(Target{Stack: stack, Stage: stage}); ok {
			ids = append(ids, r.ID)
		}
	}
	for _, r := range b.Open {
		if r.Stack == stack && r.Release.ID != "" {
			ids = append(ids, r.Release.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (r Rollout) clone() Rollout {
	r.Hosts = slices.Clone(r.Hosts)
	r.Tail = slices.Clone(r.Tail)
	r.Entered = maps.Clone(r.Entered)
	return r
}
