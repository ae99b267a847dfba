package deploy

import (
	"fmt"
	"slices"
	"time"
)

// turn is one Apply under way on one rollout.
type turn struct {
	at      time.Time
	last    uint64 // Book.Last
	r       Rollout
	effects []Effect
}

func (t *turn) emit(e Effect) { t.effects = append(t.effects, e) }

func (t *turn) enter(s State) {
	if t.r.State == s {
		return
	}
	t.r.State = s
	if t.r.Entered == nil {
		t.r.Entered = map[State]time.Time{}
	}
	t.r.Entered[s] = t.at
}

func (t *turn) do(e Event) error {
	switch e := e.(type) {
	case Commit:
		return t.commit()
	case Abort:
		return t.undo(e.By, e.Why, nil)
	case Undo:
		return t.undo(e.By, e.Why, e.Hosts)
	case Forward:
		return t.forward(e.Hosts)
	case Resume:
		t.resume()
		return nil
	}
	if !answer(e) {
		panic(fmt.Sprintf("deploy: unknown event %T", e))
	}
	if t.answered(e) {
		t.settle()
	}
	return nil
}

// find returns the host of that name; nil when the rollout has none.
func (t *turn) find(name string) *Host {
	i := slices.IndexFunc(t.r.Hosts, func(h Host) bool { return h.Name == name })
	if i < 0 {
		return nil
	}
	return &t.r.Hosts[i]
}

// all reports whether every host fulfils f.
func (t *turn) all(f func(Host) bool) bool {
	return !slices.ContainsFunc(t.r.Hosts, func(h Host) bool { return !f(h) })
}

// idle reports whether nothing is under way that was asked for.
func (t *turn) idle() bool {
	r := t.r
	return r.Builds != JobRunning && r.Tests != JobRunning && r.Checks != JobRunning &&
		t.all(func(h Host) bool { return h.Open == "" })
}

// settle does what the answers so far allow.
func (t *turn) settle() {
	switch t.r.State {
	case Building, Fencing, Preparing, Verifying:
		t.ahead()
	case Flipping, Confirming:
		t.finish()
	case RollBack:
		t.back()
	case Aborted:
		t.leave()
	}
}

// because keeps the first reason that a rollout does not end DONE.
func (t *turn) because(reason string, tail []string) {
	if t.r.Reason == "" {
		t.r.Reason, t.r.Tail = reason, tail
	}
}

// end says the outcome. STUCK gives the locks back too: what people decide then
// fences anew, and two that are STUCK on one host must not wait for each other.
func (t *turn) end(s State) {
	t.enter(s)
	t.r.Ended = t.at
	t.unlock()
	t.emit(Ended{Outcome: s, Reason: t.r.Reason, Tail: t.r.Tail})
}

// unlock gives back the locks of the hosts that answered in this rollout, also of
// those that it was to flip back and that did not answer that.
func (t *turn) unlock() {
	for _, h := range t.r.Hosts {
		if h.Step != "" || h.Back {
			t.emit(Unlock{Host: h.Name, Epoch: t.r.Epoch})
		}
	}
}
