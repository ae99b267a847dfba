package deploy

import (
	"fmt"
	"strings"
	"time"
)

// This file is what comes after COMMIT: forward to DONE, or one recorded
// decision to go back, or STUCK when a host can't follow either.

func (t *turn) commit() error {
	if t.r.State != Barrier {
		return fmt.Errorf("rollout %d of %s is in %s, not at the barrier", t.r.ID, t.r.Target, t.r.State)
	}
	t.enter(Flipping)
	t.flipAll()
	return nil
}

// flipAll flips every host at once; where a host stands there already, it says so.
func (t *turn) flipAll() {
	for i := range t.r.Hosts {
		h := &t.r.Hosts[i]
		h.Open, h.Err = KindFlip, ""
		t.emit(Flip{Host: h.Name, From: h.From, Side: h.Side, Release: t.r.Release, Epoch: t.r.Epoch})
	}
}

func (t *turn) flipped(h *Host, took time.Duration) {
	if h.Back {
		t.confirmBack(h)
		return
	}
	h.Took = took
	h.Moved = h.Side != h.From
}

// confirmed compares what a host says with what it should.
func (t *turn) confirmed(h *Host, s Standing) {
	side, seal := h.Side, Seal{Release: t.r.Release.ID, Digest: t.r.Release.Digest}
	if h.Back {
		side, seal = h.From, h.Was
	}
	if s.Live == side && (side == "" || s.Sides[side].Digest == seal.Digest) {
		h.Moved = h.Moved && !h.Back
		return
	}
	h.Err = "it serves " + serves(s)
	h.Moved = s.Live != h.From
	if t.r.State == Confirming {
		t.turnBack(where(*h, KindConfirm, h.Err), nil)
	}
}

// serves says in words what is live on a host.
func serves(s Standing) string {
	if s.Live == "" {
		return "nothing: there is no link"
	}
	seal, ok := s.Sides[s.Live]
	if !ok {
		return fmt.Sprintf("%s, which is not sealed", s.Live)
	}
	return fmt.Sprintf("%s with release %s", s.Live, seal.Release)
}

// finish goes on towards DONE.
func (t *turn) finish() {
	if !t.all(func(h Host) bool { return h.Open == "" }) {
		return
	}
	if t.r.State == Flipping {
		if t.all(func(h Host) bool { return h.Step == KindFlip }) {
			t.enter(Confirming)
			for i := range t.r.Hosts {
				h := &t.r.Hosts[i]
				h.Open = KindConfirm
				t.emit(Confirm{Host: h.Name, Side: h.Side, Release: t.r.Release, Epoch: t.r.Epoch})
			}
			return
		}
		// All hosts were fenced again after a restart or by Forward.
		for _, h := range t.r.Hosts {
			if h.Err != "" {
				t.turnBack(where(h, KindFence, h.Err), nil)
				t.back()
				return
			}
		}
		t.flipAll()
		return
	}
	switch t.r.Checks {
	case JobWaiting:
		t.r.Checks = JobRunning
		t.emit(Check{Release: t.r.Release})
	case NoJob, JobGreen:
		t.end(Done)
	}
}

// turnBack records the one decision to go back; back carries it out.
func (t *turn) turnBack(reason string, tail []string) {
	t.because(reason, tail)
	t.enter(RollBack)
}

// back flips back the hosts that this rollout flipped, or may have flipped, each
// as soon as it has answered what it was asked before, and ends when all are there.
func (t *turn) back() {
	if !t.all(func(h Host) bool { return h.Open != KindFence }) {
		return
	}
	for i := range t.r.Hosts {
		h := &t.r.Hosts[i]
		if h.Open != "" || h.Back || !h.Moved {
			continue
		}
		h.Back, h.Step, h.Err = true, "", ""
		if h.Side == h.From || !h.returns() { // there is nothing to flip: it is asked where it stands
			t.confirmBack(h)
			continue
		}
		h.Open = KindFlip
		t.emit(Flip{Host: h.Name, From: h.Side, Side: h.From, Release: h.was(), Epoch: t.r.Epoch})
	}
	if !t.idle() {
		return
	}
	if left := t.left(); len(left) > 0 {
		t.r.Reason += "; not back: " + strings.Join(left, "; ")
		t.end(Stuck)
		return
	}
	t.end(RolledBack)
}

// left names the hosts that a rollback did not bring back, and why.
func (t *turn) left() []string {
	var out []string
	for _, h := range t.r.Hosts {
		switch {
		case !h.Moved:
		case h.returns():
			out = append(out, fmt.Sprintf("host %s: %s", h.Name, h.Err))
		default:
			out = append(out, fmt.Sprintf("host %s: %s, and held nothing sealed before", h.Name, h.Err))
		}
	}
	return out
}

func (t *turn) confirmBack(h *Host) {
	h.Open = KindConfirm
	t.emit(Confirm{Host: h.Name, Side: h.From, Release: h.was(), Epoch: t.r.Epoch})
}

// returns reports whether there is a sealed side to flip back to. There is none
// on a first install, nor where the side was filled by something else.
func (h Host) returns() bool { return h.From != "" && h.Was.Digest != "" }

// was is the release that the host served before.
func (h Host) was() Release { return Release{ID: h.Was.Release, Digest: h.Was.Digest} }
