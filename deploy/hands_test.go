package deploy_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pushtrain/deploy"
)

// TestHands drives rollouts over hosts whose links and seals somebody changes
// by hand. What a rollout then says it ended with must be what the hosts serve:
// after a restart all of them are asked again.
func TestHands(t *testing.T) {
	manyChecks(t)
	outcomes := map[deploy.State]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), hosts: map[string]*machine{}, release: rel("new"), hands: true}
		e := deploy.Start{Target: deploy.Target{Stack: "web", Stage: "prod"}, By: "alice", Release: w.release,
			Check: rapid.Bool().Draw(t, "check")}
		for i := range rapid.IntRange(1, 3).Draw(t, "hosts") {
			name := fmt.Sprintf("web%d", i+1)
			e.Hosts = append(e.Hosts, name)
			w.hosts[name] = start(rapid.IntRange(0, 4).Draw(t, "kind"))
		}
		if err := w.apply(e); err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "commit") { // what comes after it is what matters most
			for len(w.open) > 0 {
				w.answer(0, "well")
			}
			w.decide(deploy.Commit{})
		}
		for range rapid.IntRange(10, 40).Draw(t, "steps") {
			if rapid.IntRange(0, 7).Draw(t, "hand") == 0 {
				w.meddle(slices.Sorted(maps.Keys(w.hosts)))
				continue
			}
			w.step(2)
		}
		r, ok := w.book.Open[w.id]
		if !ok {
			return // it ended among the hands: what it said was of then
		}
		w.open = nil
		w.decide(deploy.Resume{})
		back := rapid.Bool().Draw(t, "back")
		for range 8 {
			for len(w.open) > 0 {
				w.answer(rapid.IntRange(0, len(w.open)-1).Draw(t, "which"), "well")
			}
			if r, ok = w.book.Open[w.id]; !ok {
				break
			}
			switch {
			case r.State != deploy.Stuck:
				t.Fatalf("hangs in %s with nothing under way: %+v", r.State, r)
			case back:
				w.decide(deploy.Undo{By: "ops"})
			default:
				w.decide(deploy.Forward{By: "ops"})
			}
		}
		last := w.ended[len(w.ended)-1]
		outcomes[last.Outcome]++
		for _, h := range w.book.Latest[e.Target.String()].Hosts { // none while it is STUCK
			m := w.hosts[h.Name]
			if last.Outcome == deploy.Done && m.Sides[m.Live].Digest != w.release.Digest {
				t.Fatalf("DONE, but %s serves %+v", h.Name, m.Standing)
			}
			if last.Outcome == deploy.RolledBack && m.Live != h.From {
				t.Fatalf("ROLLED_BACK, but %s is on %q, not on %q", h.Name, m.Live, h.From)
			}
		}
	})
	for _, s := range []deploy.State{deploy.Done, deploy.RolledBack, deploy.Stuck} {
		if outcomes[s] == 0 {
			t.Errorf("no walk ended %s: %v", s, outcomes)
		}
	}
}

// meddle changes a host by hand.
func (w *world) meddle(names []string) {
	m := w.hosts[rapid.SampledFrom(names).Draw(w.t, "host")]
	side := rapid.SampledFrom([]deploy.Side{deploy.Yin, deploy.Yang}).Draw(w.t, "side")
	switch rapid.IntRange(0, 3).Draw(w.t, "deed") {
	case 0:
		m.Live = side
	case 1:
		m.Live = ""
	case 2:
		delete(m.Sides, side)
	case 3:
		m.Sides[side] = deploy.Seal{Release: "odd", Digest: "digest-odd"}
	}
}
