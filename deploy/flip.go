package deploy

import (
	"fmt"
	"slices"
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
		if h.Spare = h.Left() && !h.Moved; h.Left() {
			continue
		}
		h.Open = KindFlip
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
	h.Fault, h.Err = KindConfirm, "it serves "+serves(s)
	h.Moved = s.Live != h.From
	if t.r.State == Confirming && t.beyond() {
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

// finish goes on towards DONE when every host has answered.
func (t *turn) finish() {
	if !t.all(func(h Host) bool { return h.Open == "" }) {
		return
	}
	if t.pullFailed() {
		return
	}
	if t.r.State == Flipping {
		switch {
		case t.all(func(h Host) bool { return h.Step == KindFlip || h.Left() }):
			t.confirmAll()
		case t.all(func(h Host) bool { return h.Step == KindVerify || h.Left() }):
			t.flipAll()
		default: // all were fenced again, after a restart or by Forward, and some have lost the release
			t.prepare()
		}
		return
	}
	switch t.r.Checks {
	case JobWaiting:
		t.r.Checks = JobRunning
		t.emit(Check{Release: t.r.Release})
	case NoJob, JobGreen:
		t.done()
	}
}

func (t *turn) confirmAll() {
	t.enter(Confirming)
	for i := range t.r.Hosts {
		if h := &t.r.Hosts[i]; !h.Left() {
			h.Open = KindConfirm
			t.emit(Confirm{Host: h.Name, Side: h.Side, Release: t.r.Release, Epoch: t.r.Epoch})
		}
	}
}

// done ends the rollout, and says which hosts it went on without.
func (t *turn) done() {
	left := t.quarantined()
	if left == "" {
		t.end(Done)
		return
	}
	t.because(left, nil)
	t.end(Degraded)
}

// quarantined names the hosts that the rollout goes on without, "" = none.
func (t *turn) quarantined() string {
	var left []string
	for _, h := range t.r.Hosts {
		if h.Left() {
			left = append(left, where(h, h.Fault, h.Err))
		}
	}
	if len(left) == 0 {
		return ""
	}
	return "quarantined: " + strings.Join(left, "; ")
}

// pullFailed settles what becomes of hosts that failed after COMMIT: as many as
// the rollout may go on without are pulled, with one more it turns back. It
// reports false when there is none to settle.
func (t *turn) pullFailed() bool {
	if t.beyond() {
		h := t.r.Hosts[slices.IndexFunc(t.r.Hosts, func(h Host) bool { return h.Err != "" })]
		t.turnBack(where(h, h.Fault, h.Err), nil)
		t.back()
		return true
	}
	pulls := false
	for i := range t.r.Hosts {
		if h := &t.r.Hosts[i]; h.Err != "" && !h.Out {
			h.Open, pulls = KindPull, true
			t.emit(Pull{Host: h.Name})
		}
	}
	return pulls
}

// beyond reports whether more hosts have failed than the rollout may go on without.
func (t *turn) beyond() bool {
	n := 0
	for _, h := range t.r.Hosts {
		if h.Err != "" {
			n++
		}
	}
	return n > t.r.MaxQuarantine || n == len(t.r.Hosts)
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
		h.Back, h.Step, h.Fault, h.Err = true, "", "", ""
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
	if q := t.quarantined(); q != "" {
		t.r.Reason += "; " + q
	}
	t.end(RolledBack)
}

// left names the hosts that a rollback did not bring back, and why. One that is
// out of the pool is none of them, as long as they are few: it is quarantined.
func (t *turn) left() []string {
	var out []string
	for _, h := range t.r.Hosts {
		switch {
		case !h.Moved || h.Left() && !t.beyond():
		case h.returns():
			out = append(out, fmt.Sprintf("host %s: %s", h.Name, h.Err))
		default:
			out = append(out, fmt.Sprintf("host %s: %s, and there is nothing to go back to", h.Name, h.Err))
		}
	}
	return out
}

func (t *turn) confirmBack(h *Host) {
	h.Open = KindConfirm
	t.emit(Confirm{Host: h.Name, Side: h.From, Release: h.was(), Epoch: t.r.Epoch})
}

// returns reports whether there is a side to flip back to. There is none on a first
// install, nor where the side was filled with the release once more after COMMIT.
func (h Host) returns() bool { return h.From != "" && (h.Was.Digest != "" || h.Bare) }

// was is the release that the host served before; the zero Release = what nobody has sealed.
func (h Host) was() Release { return Release{ID: h.Was.Release, Digest: h.Was.Digest} }
