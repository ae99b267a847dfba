package deploy

import "fmt"

// This file is the way to the barrier. Nothing on it touches what is live.

// begin makes the rollout of a Start.
func (t *turn) begin(e Start) {
	if e.Back {
		e.Ref, e.Test, e.Check = "", false, false
	}
	t.r = Rollout{ID: t.last, Epoch: t.last, Start: e, Began: t.at}
	for _, name := range e.Hosts {
		t.r.Hosts = append(t.r.Hosts, Host{Name: name})
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
		h.Step, h.Open, h.Err = "", KindFence, ""
		t.emit(Fence{Host: h.Name, Epoch: t.r.Epoch})
	}
}

// raise takes an epoch that is higher than any that was seen.
func (t *turn) raise() {
	t.last++
	t.r.Epoch = t.last
}

// fenced takes in what a host says about itself.
func (t *turn) fenced(h *Host, s Standing) {
	if s.Epoch > t.r.Epoch { // it has worked for somebody whom this book does not know
		h.Step = ""
		t.last = max(t.last, s.Epoch)
		if t.r.State != Fencing || t.r.Epoch != t.r.ID {
			h.Err = fmt.Sprintf("it has accepted epoch %d and this rollout has %d: another pushtrain works on it", s.Epoch, t.r.Epoch)
			if t.r.State == Fencing {
				t.abort(where(*h, KindFence, h.Err), nil)
			}
		}
		return
	}
	switch t.r.State {
	case Fencing:
		h.From, h.Was = s.Live, s.Sides[s.Live]
		if h.From != "" && h.Was.Digest == t.r.Release.Digest {
			h.Side, h.Step = h.From, KindVerify // it serves the release already
			return
		}
		h.Side = s.Live.Other()
	case Flipping, RollBack:
		t.refenced(h, s)
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
		if !t.all(func(h Host) bool { return h.Step != "" }) {
			t.raise()
			t.lock()
			return
		}
		t.prepare()
	}
	if t.r.State == Preparing && t.all(func(h Host) bool { return h.Step == KindVerify || h.Open == KindVerify }) {
		t.enter(Verifying)
	}
	tested := t.r.Tests == NoJob || t.r.Tests == JobGreen
	if t.r.State == Verifying && tested && t.all(func(h Host) bool { return h.Step == KindVerify }) {
		t.enter(Barrier)
		t.emit(AtBarrier{})
	}
}

func (t *turn) prepare() {
	t.enter(Preparing)
	for i := range t.r.Hosts {
		if h := &t.r.Hosts[i]; h.Step != KindVerify {
			h.Open = KindPrepare
			t.emit(Prepare{Host: h.Name, Side: h.Side, Release: t.r.Release, Epoch: t.r.Epoch})
		}
	}
}

// prepared has a host verified as soon as it is filled; the others may still be at it.
func (t *turn) prepared(h *Host) {
	if t.r.State != Preparing {
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
