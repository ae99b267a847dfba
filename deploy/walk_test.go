package deploy_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pushtrain/deploy"
)

// world is a fleet as it really is, and the rollout of one stack going over it.
// Effects are carried out, lost or refused in any order.
type world struct {
	t       *rapid.T
	book    deploy.Book
	inputs  []deploy.Input
	at      time.Time
	hosts   map[string]*machine
	open    []deploy.Effect
	release deploy.Release

	id        uint64
	committed bool
	ended     []deploy.Ended
	hands     bool // somebody changes hosts by hand: what is asked for need not fit them
}

type machine struct {
	deploy.Standing
	first     deploy.Side // what was live before the rollout
	maybeMove bool        // a flip was tried and not refused
}

func rel(c string) deploy.Release {
	return deploy.Release{ID: c, Commit: c + c, Digest: "digest-" + c, Files: 1, Bytes: 1}
}

func (w *world) apply(e deploy.Event) error {
	in := deploy.Input{At: w.at, ID: w.id, Event: e}
	w.at = w.at.Add(time.Second)
	before := text(w.t, w.book)
	next, effects, err := w.book.Apply(in)
	if after := text(w.t, w.book); after != before {
		w.t.Fatalf("%T changed the old book:\n%s\n%s", e, before, after)
	}
	// A book that was on disk in between behaves the same, and so does an input.
	var stored deploy.Book
	if err := json.Unmarshal([]byte(before), &stored); err != nil {
		w.t.Fatal(err)
	}
	data, merr := deploy.Marshal(in)
	if merr != nil {
		w.t.Fatal(merr)
	}
	in2, uerr := deploy.Unmarshal(data)
	if uerr != nil {
		w.t.Fatal(uerr)
	}
	next2, effects2, err2 := stored.Apply(in2)
	if fmt.Sprint(err) != fmt.Sprint(err2) || text(w.t, next) != text(w.t, next2) || !reflect.DeepEqual(effects, effects2) {
		w.t.Fatalf("%T on the stored book differs:\n%s %v %v\n%s %v %v", e, text(w.t, next), effects, err, text(w.t, next2), effects2, err2)
	}
	if err != nil {
		if len(effects) > 0 {
			w.t.Fatalf("refusal with effects: %v %v", err, effects)
		}
		return err
	}
	w.inputs = append(w.inputs, in)
	w.book = next
	if _, ok := e.(deploy.Start); ok {
		w.id = next.Last
	}
	for _, eff := range effects {
		w.seen(eff)
	}
	return nil
}

// seen checks what must hold when an effect is asked for.
func (w *world) seen(e deploy.Effect) {
	switch e := e.(type) {
	case deploy.Ended:
		w.ended = append(w.ended, e)
		if n := w.busy(); n > 0 {
			w.t.Fatalf("%s with %d effects under way: %v", e.Outcome, n, w.open)
		}
		return
	case deploy.AtBarrier:
		w.sealed("barrier")
		return
	case deploy.Prepare:
		if !w.hands && w.hosts[e.Host].Live == e.Side {
			w.t.Fatalf("fills the live side of %s", e.Host)
		}
	case deploy.Flip:
		m := w.hosts[e.Host]
		if e.Release == w.release {
			if !w.committed {
				w.t.Fatalf("flip of %s without a commit", e.Host)
			}
		} else if !m.maybeMove && !w.hands {
			w.t.Fatalf("flips back %s, which was not flipped", e.Host)
		}
	}
	k, host := deploy.Names(e)
	for _, o := range w.open {
		if ok, oh := deploy.Names(o); k != deploy.KindUnlock && ok == k && oh == host {
			w.t.Fatalf("%s of %q is asked for twice at once", k, host)
		}
	}
	w.open = append(w.open, e)
}

// busy counts the open effects that a rollout must wait for.
func (w *world) busy() int {
	n := 0
	for _, e := range w.open {
		if k, _ := deploy.Names(e); k != deploy.KindUnlock {
			n++
		}
	}
	return n
}

func (w *world) sealed(when string) {
	if w.hands {
		return
	}
	for name, m := range w.hosts {
		if m.Sides[deploy.Yin].Digest != w.release.Digest && m.Sides[deploy.Yang].Digest != w.release.Digest {
			w.t.Fatalf("%s: %s does not hold the release", when, name)
		}
	}
}

// act carries an effect out in the world and returns its answer.
func (w *world) act(e deploy.Effect, luck string) deploy.Event {
	k, host := deploy.Names(e)
	m := w.hosts[host]
	no := func(clean bool) deploy.Event {
		return deploy.Failed{Kind: k, Host: host, Reason: luck, Clean: clean}
	}
	if luck == "refused" || luck == "lost" {
		if f, ok := e.(deploy.Flip); ok && luck == "lost" && f.Release == w.release {
			m.maybeMove = true
		}
		return no(luck == "refused")
	}
	var done deploy.Event
	stale := func(epoch uint64) bool { return epoch < m.Epoch }
	switch e := e.(type) {
	case deploy.Build:
		done = deploy.Built{Release: w.release}
	case deploy.Test:
		done = deploy.Tested{}
	case deploy.Check:
		done = deploy.Checked{}
	case deploy.Fence:
		if !stale(e.Epoch) {
			m.Epoch = e.Epoch
		}
		done = deploy.Fenced{Host: host, Standing: m.standing()}
	case deploy.Prepare:
		if stale(e.Epoch) || e.Side == m.Live {
			return no(true)
		}
		if m.Sides[e.Side].Digest != e.Release.Digest {
			delete(m.Sides, e.Side)
		}
		done = deploy.Prepared{Host: host}
	case deploy.Verify:
		if stale(e.Epoch) || e.Side == m.Live {
			return no(true)
		}
		m.Sides[e.Side] = deploy.Seal{Release: e.Release.ID, Digest: e.Release.Digest, Epoch: e.Epoch}
		done = deploy.Verified{Host: host}
	case deploy.Flip:
		if stale(e.Epoch) || m.Sides[e.Side].Digest != e.Release.Digest || m.Live != e.From && m.Live != e.Side {
			return no(true)
		}
		if e.Release == w.release && e.From != e.Side {
			m.maybeMove = true
		}
		m.Live = e.Side
		done = deploy.Flipped{Host: host, Took: time.Millisecond}
	case deploy.Confirm:
		done = deploy.Confirmed{Host: host, Standing: m.standing()}
	case deploy.Unlock:
		done = deploy.Unlocked{Host: host}
	}
	if luck == "unheard" {
		return no(false)
	}
	return done
}

func (m *machine) standing() deploy.Standing {
	s := m.Standing
	s.Sides = maps.Clone(s.Sides)
	return s
}

func text(t rapid.TB, b deploy.Book) string {
	data, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// judge checks the world against the outcome that was said.
func (w *world) judge() {
	last := w.ended[len(w.ended)-1]
	for name, m := range w.hosts {
		switch last.Outcome {
		case deploy.Done:
			if m.Sides[m.Live].Digest != w.release.Digest {
				w.t.Fatalf("DONE, but %s serves %+v", name, m.Standing)
			}
		case deploy.Aborted, deploy.RolledBack:
			if m.Live != m.first {
				w.t.Fatalf("%s, but %s went from %s to %s", last.Outcome, name, m.first, m.Live)
			}
		}
	}
	if last.Outcome == deploy.Aborted && w.committed {
		w.t.Fatal("ABORTED after a commit")
	}
	if last.Outcome != deploy.Done && last.Reason == "" {
		w.t.Fatalf("%s without a reason", last.Outcome)
	}
}

// manyChecks has rapid try a thousand times, not a hundred: the outcomes that matter are rare.
func manyChecks(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("1000"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWalk drives rollouts through random answers, losses, decisions and restarts.
func TestWalk(t *testing.T) {
	manyChecks(t)
	outcomes := map[deploy.State]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), hosts: map[string]*machine{}, release: rel("new")}
		var names []string
		for i := range rapid.IntRange(1, 4).Draw(t, "hosts") {
			name := fmt.Sprintf("web%d", i+1)
			names = append(names, name)
			w.hosts[name] = start(rapid.IntRange(0, 4).Draw(t, "kind"))
		}
		e := deploy.Start{Target: deploy.Target{Stack: "web", Stage: "prod"}, Hosts: names, By: "alice",
			Test: rapid.Bool().Draw(t, "test"), Check: rapid.Bool().Draw(t, "check")}
		if rapid.Bool().Draw(t, "build") {
			e.Ref = "main"
		} else {
			e.Release = w.release
		}
		if err := w.apply(e); err != nil {
			t.Fatal(err)
		}
		trouble := rapid.IntRange(0, 3).Draw(t, "trouble") // 0 = none
		for range 60 {
			w.step(trouble)
		}
		// Quiet: all that is asked for is answered, and a person decides.
		for range 200 {
			undone := false
			if r, ok := w.book.Open[w.id]; !ok {
				break
			} else if r.State == deploy.Barrier {
				w.decide(deploy.Commit{})
			} else if r.State == deploy.Stuck {
				undone = true
				w.decide(deploy.Undo{By: "ops"})
				if len(w.open) == 0 {
					t.Fatal("undo of a stuck rollout asks for nothing")
				}
			} else if len(w.open) == 0 {
				t.Fatalf("hangs in %s with nothing under way: %+v", r.State, r)
			}
			for len(w.open) > 0 {
				w.answer(0, "well")
			}
			if r, ok := w.book.Open[w.id]; ok && undone && r.State == deploy.Stuck {
				for _, h := range r.Hosts {
					if h.Moved && h.From != "" && h.Was.Digest != "" {
						t.Fatalf("still stuck with all hosts well: %s", r.Reason)
					}
				}
				break
			}
		}
		if len(w.ended) == 0 {
			t.Fatalf("never ended: %s", text(t, w.book))
		}
		w.judge()
		for _, e := range w.ended[:len(w.ended)-1] {
			if e.Outcome != deploy.Stuck {
				t.Fatalf("ended twice: %v", w.ended)
			}
		}
		outcomes[w.ended[len(w.ended)-1].Outcome]++
		var again deploy.Book
		for _, in := range w.inputs {
			again, _, _ = again.Apply(in)
		}
		if text(t, again) != text(t, w.book) {
			t.Fatalf("replay differs:\n%s\n%s", text(t, again), text(t, w.book))
		}
	})
	for _, s := range []deploy.State{deploy.Done, deploy.Aborted, deploy.RolledBack, deploy.Stuck} {
		if outcomes[s] == 0 {
			t.Errorf("no walk ended %s: %v", s, outcomes)
		}
	}
}

// start makes a host: empty, on yin, on yang, unsealed, or on the release already.
func start(kind int) *machine {
	m := &machine{Standing: deploy.Standing{Sides: map[deploy.Side]deploy.Seal{}}}
	old := deploy.Seal{Release: "old", Digest: "digest-old"}
	switch kind {
	case 1:
		m.Live, m.Sides[deploy.Yin] = deploy.Yin, old
	case 2:
		m.Live, m.Sides[deploy.Yang] = deploy.Yang, old
	case 3:
		m.Live = deploy.Yang
	case 4:
		m.Live, m.Sides[deploy.Yin] = deploy.Yin, deploy.Seal{Release: "new", Digest: "digest-new"}
	}
	m.first = m.Live
	return m
}

// answer carries out the i-th open effect and hears of it.
func (w *world) answer(i int, luck string) {
	e := w.open[i]
	w.open = slices.Delete(w.open, i, i+1)
	if err := w.apply(w.act(e, luck)); err != nil {
		w.t.Fatalf("an answer was refused: %v", err)
	}
}

func (w *world) decide(e deploy.Event) {
	r := w.book.Open[w.id]
	if _, ok := e.(deploy.Commit); ok && r.State == deploy.Barrier {
		w.sealed("commit")
		w.committed = true
	}
	_ = w.apply(e) // a refusal is an answer too
}

// step does one random thing.
func (w *world) step(trouble int) {
	t := w.t
	state := w.book.Open[w.id].State
	if n := len(w.open); n > 0 && rapid.IntRange(0, 9).Draw(t, "what") < 8 {
		luck := "well"
		if trouble > 0 && rapid.IntRange(0, 40).Draw(t, "luck") < trouble {
			luck = rapid.SampledFrom([]string{"refused", "lost", "unheard"}).Draw(t, "bad")
		}
		w.answer(rapid.IntRange(0, n-1).Draw(t, "which"), luck)
		return
	}
	if state == deploy.Barrier && rapid.IntRange(0, 2).Draw(t, "go") > 0 {
		w.decide(deploy.Commit{})
		return
	}
	if trouble == 0 || rapid.IntRange(0, 11).Draw(t, "decide") > 0 {
		return
	}
	switch rapid.IntRange(0, 5).Draw(t, "decision") {
	case 0:
		w.decide(deploy.Abort{By: "bob", Why: "no"})
	case 1:
		w.decide(deploy.Undo{By: "bob"})
	case 2:
		w.decide(deploy.Forward{By: "bob"})
	case 3:
		w.decide(deploy.Commit{})
	case 4: // answers that nobody waits for change nothing
		before := text(t, w.book)
		for _, e := range []deploy.Event{deploy.Built{}, deploy.Prepared{Host: "web9"}, deploy.Failed{Kind: deploy.KindFlip, Host: "web9"}, deploy.Unlocked{Host: "web1"}} {
			if _, isBuilt := e.(deploy.Built); isBuilt && slices.Contains(w.open, deploy.Effect(deploy.Build{Ref: "main"})) {
				continue
			}
			if err := w.apply(e); err != nil {
				t.Fatal(err)
			}
		}
		if after := text(t, w.book); after != before {
			t.Fatalf("an answer to nothing changed the book:\n%s\n%s", before, after)
		}
	case 5: // the bot dies: what was under way was done or not, and nobody says so
		for _, e := range w.open {
			if f, ok := e.(deploy.Flip); ok && f.Release == w.release && f.From != f.Side {
				w.hosts[f.Host].maybeMove = true
			}
			if rapid.Bool().Draw(t, "done") {
				w.act(e, "well")
			}
		}
		w.open = nil
		w.decide(deploy.Resume{})
	}
}
