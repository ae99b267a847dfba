package deploy

import "fmt"

// Names returns what an effect is called in its answer: its Kind and its host,
// "" where it has none. An effect that is not answered has the Kind "".
func Names(e Effect) (k Kind, host string) {
	switch e := e.(type) {
	case Build:
		return KindBuild, ""
	case Test:
		return KindTest, ""
	case Fence:
		return KindFence, e.Host
	case Prepare:
		return KindPrepare, e.Host
	case Verify:
		return KindVerify, e.Host
	case Flip:
		return KindFlip, e.Host
	case Confirm:
		return KindConfirm, e.Host
	case Check:
		return KindCheck, ""
	case Pull:
		return KindPull, e.Host
	case Unlock:
		return KindUnlock, e.Host
	case AtBarrier, Ended:
		return "", ""
	}
	panic(fmt.Sprintf("deploy: unknown effect %T", e))
}

// Wants reports whether an effect of this kind that is under way still serves r.
// The owner cancels the contexts of those that do not: r waits for their answers.
func (r Rollout) Wants(k Kind) bool {
	switch r.State {
	case Aborted:
		return k == KindUnlock
	case RollBack:
		return k != KindCheck && k != KindPrepare && k != KindVerify
	}
	return true
}
