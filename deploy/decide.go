package deploy

import (
	"fmt"
	"slices"
	"time"
)

// This file is what people decide, and what a restart does.

// undo stops a rollout: before COMMIT it aborts, after it flips back.
func (t *turn) undo(by, why string, hosts []string) error {
	reason := "stopped by " + by
	if why != "" {
		reason += ": " + why
	}
	switch t.r.State {
	case Aborted, RollBack:
		return fmt.Errorf("rollout %d of %s is in %s already: %s", t.r.ID, t.r.Target, t.r.State, t.r.Reason)
	case Flipping, Confirming:
		t.turnBack(reason, nil)
		t.back()
	case Stuck:
		t.r.Reason, t.r.Tail = reason, nil
		t.letGo(hosts)
		t.again(RollBack)
	default:
		t.abort(reason, nil)
		t.leave()
	}
	return nil
}

// forward decides in STUCK to go on to the new release.
func (t *turn) forward(hosts []string) error {
	if t.r.State != Stuck {
		return fmt.Errorf("rollout %d of %s is in %s: only a STUCK one can be sent forward", t.r.ID, t.r.Target, t.r.State)
	}
	t.r.Reason, t.r.Tail = "", nil
	if t.r.Checks == JobFailed {
		t.r.Checks = NoJob
	}
	t.letGo(hosts)
	t.again(Flipping)
	return nil
}

// letGo drops the hosts that are not among hosts any more: one that never
// comes back must not keep its stack STUCK. A rollout of none is left as it is.
func (t *turn) letGo(hosts []string) {
	gone := func(h Host) bool { return !slices.Contains(hosts, h.Name) }
	if !t.all(gone) {
		t.r.Hosts = slices.DeleteFunc(t.r.Hosts, gone)
	}
}

// resume goes on after a restart: sessions and locks are gone, and no answer
// will come to what was asked before it.
func (t *turn) resume() {
	switch t.r.State {
	case Stuck:
	case Flipping, Confirming:
		t.again(Flipping)
	case RollBack:
		t.again(RollBack)
	default:
		t.because("the bot was restarted before COMMIT", nil)
		for i := range t.r.Hosts {
			t.r.Hosts[i].Open, t.r.Hosts[i].Step = "", ""
		}
		for _, j := range []*Job{&t.r.Builds, &t.r.Tests, &t.r.Checks} {
			t.job(j, JobWaiting)
		}
		t.end(Aborted)
	}
}

// again fences every host anew, with a higher epoch, on the way to s. A link that
// was being flipped counts as moved until its host has answered.
func (t *turn) again(s State) {
	t.enter(s)
	t.r.Ended = time.Time{}
	for i := range t.r.Hosts {
		h := &t.r.Hosts[i]
		h.Back = false
		h.Moved = h.Moved || h.Open == KindFlip
	}
	t.raise()
	t.lock()
	if t.r.Checks != NoJob && t.r.Checks != JobFailed { // a no stands: see forward
		t.r.Checks = JobWaiting
	}
}

// refenced derives from what a host says where it stands after COMMIT. One that
// has lost the release is filled anew, and goes back to what it serves now; but
// not while it serves the release's side and has the one before to go back to.
func (t *turn) refenced(h *Host, s Standing) {
	h.Moved = s.Live != h.From && !h.Spare
	stray := h.Moved && s.Live != h.Side
	switch {
	case t.r.State == RollBack && stray:
		h.Fault, h.Err = KindFence, "it serves neither what it did nor the release: "+serves(s)
	case t.r.State == RollBack:
	case !stray && s.Sides[h.Side].Digest == t.r.Release.Digest:
		h.Step = KindVerify
	case s.Live == h.Side && h.Side != h.From && h.returns() && s.Sides[h.From].Digest == h.Was.Digest:
		h.Fault, h.Err = KindFence, fmt.Sprintf("its %s does not hold the release any more", h.Side)
	default:
		h.Moved = false
		t.stands(h, s)
	}
}
