package deploy

import "time"

// An Input is one thing that happened to the rollouts. It is what the journal keeps.
type Input struct {
	At    time.Time
	ID    uint64 // the rollout it is about; for Start: 0, it gets the next id
	Event Event
}

// Event is what happened. The answers name the effect they belong to by their
// fields; an answer to an effect that is not open any more changes nothing.
type Event interface{ event() }

// Asked for by people or by the owner of the state.
type (
	// Start asks for a rollout. Refused while one of the same stack runs.
	Start struct {
		Target
		Hosts   []string // names, unique, at least one
		Train   int      // the train it is for; 0 = none (from the shell)
		By      string   // who asked
		Ref     string   // what to build: a branch or a commit; "" when Release is given
		Release Release  // what to ship: set for a later stage or a rollback; the zero Release = build Ref
		Back    bool     // a rollback: goes the same way, but never builds, tests or checks
		Why     string   // a rollback's reason
		Test    bool     // run the stage's tests beside it
		Check   bool     // run the stage's check after the flip
		Sync    bool     // Release is what the fleet serves: some of its hosts are brought up to date, and nothing is shipped
		Force   bool     // ship it even if it would delete most of what is live: people say that this is right

		// MaxQuarantine is how many hosts the rollout may go on without when they do
		// not flip, each only when its Pull has answered; 0 = then all flip back.
		MaxQuarantine int
	}
	// Commit opens the barrier. The owner says it when every rollout of the train stands there.
	Commit struct{}
	// Abort stops a rollout before COMMIT. After it, it means Undo.
	Abort struct{ By, Why string }
	// Undo flips back the hosts that this rollout flipped. Before COMMIT it means Abort.
	Undo struct {
		By, Why string
		Hosts   []string // in STUCK: the hosts that the target has now; those that it has no more are let go. None = all stay
	}
	// Resume is said once after a restart for every rollout that is not over:
	// answers to effects of before the restart will not come.
	Resume struct{}
	// Forward decides in STUCK to go on to the new release. A check that said no
	// is not asked again: people have decided over it.
	Forward struct {
		By    string
		Hosts []string // as in Undo
	}
)

// Answers: exactly one comes for each Effect, or Failed.
type (
	Built struct {
		Release   Release
		Committed time.Time `json:",omitzero"` // when the commit was made; zero = not known. No decision depends on it
	}
	Tested struct{}
	Fenced struct {
		Host     string
		Standing Standing
		Taken    bool // another pushtrain has used this epoch there: the lock was not taken
	}
	Prepared struct{ Host string }
	Verified struct{ Host string }
	Flipped  struct {
		Host string
		Took time.Duration
	}
	Confirmed struct {
		Host     string
		Standing Standing
	}
	Checked  struct{}
	Pulled   struct{ Host string }
	Unlocked struct{ Host string }
	// Failed answers any effect that was not done. Kind and Host name it.
	Failed struct {
		Kind   Kind
		Host   string   // "" for Build, Test and Check
		Reason string   // one line, says what to do where that is known
		Tail   []string // the last lines of output, at most 5
		Clean  bool     // the host is known to be as it was before the effect
	}
)

// Kind names an effect in answers and messages.
type Kind string

const (
	KindBuild   Kind = "build"
	KindTest    Kind = "test"
	KindFence   Kind = "fence"
	KindPrepare Kind = "prepare"
	KindVerify  Kind = "verify"
	KindFlip    Kind = "flip"
	KindConfirm Kind = "confirm"
	KindCheck   Kind = "check"
	KindPull    Kind = "pull"
	KindUnlock  Kind = "unlock"
)

// An Effect is a deed for an adapter. It is carried out after the record that
// caused it is on disk, and answered by one event. All are idempotent.
type Effect interface{ effect() }

type (
	// Build makes the release of Ref, or of Commit where it was pinned.
	Build struct{ Ref string }
	// Test runs the stage's tests in the built tree.
	Test struct{ Release Release }
	// Fence opens a session to the host, takes its lock for the epoch, and reads its Standing.
	//
	// The lock is not taken where the host has accepted a higher epoch, or the same
	// one from somebody else. Prove has the host first look whether what is
	// live was changed since it was sealed; such a side is sealed no more. A rollback
	// does without: it leaves that side. The other one is looked at by Verify.
	Fence struct {
		Host  string
		Epoch uint64
		Prove bool
	}
	// Prepare fills Side of the host with the release. Refused by a host whose live side it is.
	Prepare struct {
		Host    string
		Side    Side
		Release Release
		Epoch   uint64
	}
	// Verify hashes Side on the host against the manifest and seals it.
	Verify struct {
		Host    string
		Side    Side
		Release Release
		Epoch   uint64
	}
	// Flip moves the host's link from From to Side, if Side is sealed with the release and the link is still on From.
	Flip struct {
		Host       string
		From, Side Side
		Release    Release
		Epoch      uint64
	}
	// Confirm reads the host's Standing again.
	Confirm struct {
		Host    string
		Side    Side
		Release Release
		Epoch   uint64
	}
	// Check runs the stage's check.
	Check struct{ Release Release }
	// Pull takes a host that did not flip out of the pool: no request may reach it any more.
	Pull struct{ Host string }
	// Unlock gives the host's lock back. The session stays open.
	Unlock struct {
		Host  string
		Epoch uint64
	}
	// AtBarrier tells the owner that every host holds the verified release and
	// tests are green so far as they must be. It is not answered but by Commit or Abort.
	AtBarrier struct{}
	// Ended tells the owner the outcome, once. After STUCK, which keeps the
	// rollout in the Book, another one comes when people's decision has come to its end.
	Ended struct {
		Outcome State
		Reason  string
		Tail    []string
	}
)

func (Start) event()     {}
func (Commit) event()    {}
func (Abort) event()     {}
func (Undo) event()      {}
func (Resume) event()    {}
func (Forward) event()   {}
func (Built) event()     {}
func (Tested) event()    {}
func (Fenced) event()    {}
func (Prepared) event()  {}
func (Verified) event()  {}
func (Flipped) event()   {}
func (Confirmed) event() {}
func (Checked) event()   {}
func (Pulled) event()    {}
func (Unlocked) event()  {}
func (Failed) event()    {}

func (Build) effect()     {}
func (Test) effect()      {}
func (Fence) effect()     {}
func (Prepare) effect()   {}
func (Verify) effect()    {}
func (Flip) effect()      {}
func (Confirm) effect()   {}
func (Check) effect()     {}
func (Pull) effect()      {}
func (Unlock) effect()    {}
func (AtBarrier) effect() {}
func (Ended) effect()     {}
