package deploy

import "fmt"

// This file is the way to the barrier. Nothing on it touches what is live.

// begin makes the rollout of a Start.
func (t *turn) begin(e Start, out map[string]Quarantined) {
	if e.Back {
		e.Ref, e.Test, e.Check = "", false, false
	}
	t.r = Rollout{ID: t.last, Epoch: t.last, Start: e, Began: t.at}
	for _, name := range e.Hosts {
		_, pulled := out[name]
		t.r.Hosts = append(t.r.Hosts, Host{Name: name, Out: pulled})
	}
	t.r.Start.Hosts = nil
	if e.Test {
		t.r.Tests = JobWaiting
	}
	if e.Check {
		t.r.Checks = JobWaiting
	}
	t.enter(Intent)
	if e.Release == (Release{}) {
		t.enter(Building)
		t.r.Builds = JobRunning
		t.emit(Build{Ref: e.Ref})
		return
	}
	t.fence()
}

func (t *turn) built(e Built) bool {
	if !t.job(&t.r.Builds, JobGreen) {
		return false
	}
	t.r.Release = e.Release
	if e.Release.ID == "" || e.Release.Digest == "" {
		t.r.Builds = JobFailed
		t.abort("build: it made a release without a digest", nil)
	}
	return true
}

// fence opens the way to the hosts, and starts the tests beside it.
func (t *turn) fence() {
	t.enter(Fencing)
	t.lock()
	if t.r.Tests == JobWaiting {
		t.r.Tests = JobRunning
		t.emit(Test{Release: t.r.Release})
	}
}

// lock asks every host for its lock and its Standing.
func (t *turn) lock() {
	for i := range t.r.Hosts {
		h := &t.r.Hosts[i]
		h.Step, h.Open, h.Fault, h.Err = "", KindFence, "", ""
		t.emit(Fence{Host: h.Name, Epoch: t.r.Epoch, Prove: t.r.State == Fencing && !t.r.Back})
	}
}

// raise takes an epoch that is higher than any that was seen.
func (t *turn) raise() {
	t.last++
	t.r.Epoch = t.last
}

// fenced takes in what a host says about itself.
func (t *turn) fenced(h *Host, e Fenced) {
	s := e.Standing
	if s.Epoch > t.r.Epoch || e.Taken { // it has worked for somebody whom this book does not know
		h.Step = ""
		t.last = max(t.last, s.Epoch)
		if t.r.State != Fencing || t.r.Epoch != t.r.ID {
			h.Fault, h.Err = KindFence, fmt.Sprintf("it has accepted epoch %d and this rollout has %d: another pushtrain works on it", s.Epoch, t.r.Epoch)
			if t.r.State == Fencing {
				t.abort(where(*h, KindFence, h.Err), nil)
			}
		}
		return
	}
	switch t.r.State {
	case Fencing:
		t.stands(h, s)
	case Flipping, RollBack:
		t.refenced(h, s)
	}
}

// stands derives from what a host serves which side it fills and flips to.
func (t *turn) stands(h *Host, s Standing) {
	h.From, h.Was, h.Side = s.Live, s.Sides[s.Live], s.Live.Other()
	h.Bare = t.r.State == Fencing && h.From != "" && h.Was.Digest == ""
	h.Held = s.Sides[h.Side].Digest == t.r.Release.Digest
	if h.From != "" && h.Was.Digest == t.r.Release.Digest {
		h.Side, h.Step = h.From, KindVerify // it serves the release already
	}
}

// ahead goes on towards the barrier.
func (t *turn) ahead() {
	if t.r.State == Building {
		t.fence()
		return
	}
	if t.r.State == Fencing {
		if !t.all(func(h Host) bool { return h.Open == "" }) {
			return
		}
		if !t.all(func(h Host) bool { return h.Step != "" || h.Left() }) {
			t.raise()
			t.lock()
			return
		}
		t.enter(Preparing)
		t.prepare()
	}
	if t.r.State == Preparing && t.all(func(h Host) bool { return h.Step == KindVerify || h.Open == KindVerify || h.Left() }) {
		t.enter(Verifying)
	}
	tested := t.r.Tests == NoJob || t.r.Tests == JobGreen
	if t.r.State == Verifying && tested && t.all(func(h Host) bool { return h.Step == KindVerify || h.Left() }) {
		t.enter(Barrier)
		t.emit(AtBarrier{})
	}
}

// prepare fills the hosts that do not hold the release.
func (t *turn) prepare() {
	for i := range t.r.Hosts {
		if h := &t.r.Hosts[i]; h.Step != KindVerify && !h.Left() {
			h.Open = KindPrepare
			t.emit(Prepare{Host: h.Name, Side: h.Side, Release: t.r.Release, Epoch: t.r.Epoch})
		}
	}
}

// prepared has a host verified as soon as it is filled; the others may still be at it.
func (t *turn) prepared(h *Host) {
	if t.r.State != Preparing && t.r.State != Flipping {
		return
	}
	h.Open = KindVerify
	t.emit(Verify{Host: h.Name, Side: h.Side, Release: t.r.Release, Epoch: t.r.Epoch})
}

// abort decides that nothing will be flipped. It ends when nothing is under way
// any more that could still write: the next rollout must not meet it.
func (t *turn) abort(reason string, tail []string) {
	t.because(reason, tail)
	t.enter(Aborted)
}

// leave ends an aborted rollout.
func (t *turn) leave() {
	if t.idle() {
		t.end(Aborted)
	}
}
