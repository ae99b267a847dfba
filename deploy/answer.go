package deploy

import "fmt"

// answer reports whether e answers an effect.
func answer(e Event) bool {
	switch e.(type) {
	case Built, Tested, Fenced, Prepared, Verified, Flipped, Confirmed, Checked, Pulled, Unlocked, Failed:
		return true
	}
	return false
}

// answered records an answer; it reports false when nothing was open that it answers.
func (t *turn) answered(e Event) bool {
	switch e := e.(type) {
	case Built:
		return t.built(e)
	case Tested:
		return t.job(&t.r.Tests, JobGreen)
	case Checked:
		return t.job(&t.r.Checks, JobGreen)
	case Fenced:
		return t.host(e.Host, KindFence, func(h *Host) { t.fenced(h, e) })
	case Prepared:
		return t.host(e.Host, KindPrepare, t.prepared)
	case Verified:
		return t.host(e.Host, KindVerify, func(*Host) {})
	case Flipped:
		return t.host(e.Host, KindFlip, func(h *Host) { t.flipped(h, e.Took) })
	case Confirmed:
		return t.host(e.Host, KindConfirm, func(h *Host) { t.confirmed(h, e.Standing) })
	case Pulled:
		return t.pulled(e.Host)
	case Failed:
		return t.failed(e)
	}
	return false // Unlocked: locks are not waited for, they end with the session at the latest
}

// job ends a job that runs.
func (t *turn) job(j *Job, as Job) bool {
	if *j != JobRunning {
		return false
	}
	*j = as
	return true
}

// host closes the open effect of a host as well done, then lets f say more.
func (t *turn) host(name string, k Kind, f func(*Host)) bool {
	h := t.find(name)
	if h == nil || h.Open != k {
		return false
	}
	h.Open, h.Step, h.Fault, h.Err = "", k, "", ""
	f(h)
	return true
}

// failed takes in an effect that was not done.
func (t *turn) failed(e Failed) bool {
	switch e.Kind {
	case KindBuild:
		return t.job(&t.r.Builds, JobFailed) && t.stop(string(e.Kind)+": "+e.Reason, e.Tail)
	case KindTest:
		return t.job(&t.r.Tests, JobFailed) && t.stop(string(e.Kind)+": "+e.Reason, e.Tail)
	case KindCheck:
		return t.job(&t.r.Checks, JobFailed) && t.stop(string(e.Kind)+": "+e.Reason, e.Tail)
	}
	h := t.find(e.Host)
	if h == nil || h.Open == "" || h.Open != e.Kind {
		return false
	}
	h.Open = ""
	if t.r.State == Aborted {
		return true // it was called off: its reason says no more than that
	}
	if e.Kind != KindPull { // of a host that can't be pulled, the first fault is the one to name
		h.Fault, h.Err = e.Kind, e.Reason
	}
	if e.Kind == KindFlip && !h.Back && !e.Clean {
		h.Moved = true
	}
	switch t.r.State {
	case Flipping, Confirming:
		if e.Kind == KindFence || e.Kind != KindPull && !t.beyond() {
			return true // the others are heard first: see finish
		}
	case Fencing, Preparing, Verifying:
		if h.Left() && !t.beyond() {
			return true
		}
	}
	return t.stop(where(*h, e.Kind, e.Reason), e.Tail)
}

// pulled notes that a host is out of the pool. What is wrong with it stands.
func (t *turn) pulled(name string) bool {
	h := t.find(name)
	if h == nil || h.Open != KindPull {
		return false
	}
	h.Open, h.Out = "", true
	return true
}

// stop turns a rollout round after a failure: it always reports true.
func (t *turn) stop(reason string, tail []string) bool {
	switch t.r.State {
	case Building, Fencing, Preparing, Verifying:
		t.abort(reason, tail)
	case Flipping, Confirming:
		t.turnBack(reason, tail)
	}
	return true
}

// where names the host and the step of a failure.
func where(h Host, k Kind, reason string) string {
	return fmt.Sprintf("host %s, %s: %s", h.Name, k, reason)
}
