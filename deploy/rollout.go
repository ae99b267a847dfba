package deploy

import "time"

// State is where a rollout stands (DESIGN: INTENT → … → DONE).
type State string

const (
	Intent     State = "INTENT"
	Building   State = "BUILD"
	Fencing    State = "FENCE"
	Preparing  State = "PREPARE"
	Verifying  State = "VERIFY"
	Barrier    State = "BARRIER"
	Flipping   State = "FLIP" // entered by Commit: from here only forward or one recorded rollback
	Confirming State = "CONFIRM"
	RollBack   State = "ROLLBACK"

	Done       State = "DONE"
	Degraded   State = "DONE_DEGRADED" // DONE but for hosts that are quarantined
	Aborted    State = "ABORTED"       // nothing live was touched
	RolledBack State = "ROLLED_BACK"   // every host serves what it served before
	Stuck      State = "STUCK"         // hosts differ and people must decide: Undo or Forward
)

// Over reports whether nothing more will happen without a person.
func (s State) Over() bool { return s.Live() || s == Aborted || s == RolledBack || s == Stuck }

// Live reports whether the release is what the fleet serves now.
func (s State) Live() bool { return s == Done || s == Degraded }

// Rollout is one release going to one stage of one stack.
type Rollout struct {
	ID    uint64
	Epoch uint64 // equals ID unless a Resume has raised it
	Start
	State   State
	Hosts   []Host // in the order of Start.Hosts, which is emptied: it is not kept twice
	Builds  Job
	Tests   Job
	Checks  Job
	Reason  string   // why it did not end DONE; "" while all is well
	Tail    []string // last lines of what failed
	Began   time.Time
	Entered map[State]time.Time // when each state was entered
	Ended   time.Time           // zero = running
}

// Host is what a rollout knows of one host: only what the host said in this rollout.
type Host struct {
	Name  string
	From  Side          // the live side when it was fenced; "" = none
	Was   Seal          // what that side was sealed with
	Bare  bool          // that side was not sealed when this rollout came: by somebody else's hand it holds what it holds
	Side  Side          // the side that it fills and flips to
	Held  bool          // when it was fenced, Side was sealed with the release: nothing has to be sent
	Step  Kind          // the last effect that was answered well; "" = none
	Open  Kind          // the effect that is under way; "" = none
	Spare bool          // it was left out when the others were flipped: it is not flipped back either
	Moved bool          // its link was moved, or may have been by this rollout, and was not seen back on From
	Back  bool          // it goes back: Step, Open and Err tell of the way back
	Fault Kind          // the effect that failed; "" = none
	Err   string        // why it failed; "" = none
	Out   bool          // its Pull has answered, in this rollout or before: it serves nobody
	Took  time.Duration // from the flip's command to its answer
}

// Left reports whether the rollout goes on without the host: it is out of the
// pool, and it failed. It is not counted as current, whatever it serves.
func (h Host) Left() bool { return h.Out && h.Err != "" }

// Job is a command that runs beside a rollout.
type Job string

const (
	NoJob      Job = ""
	JobWaiting Job = "waiting"
	JobRunning Job = "running"
	JobGreen   Job = "green"
	JobFailed  Job = "failed"
)

// Book is the state of all rollouts. The zero Book is that of a new installation.
type Book struct {
	Last    uint64               // the newest rollout's id; also the highest epoch ever used
	Open    map[uint64]Rollout   // rollouts that are not over, and STUCK ones; at most one a stack
	Shipped map[string][]Shipped // by Target.String(): what went live there, newest first, at most 20
	Latest  map[string]Rollout   // by Target.String(): the one that ended last there, as it ended

	// Quarantine is what a rollout went on without, by Target.String() and the
	// host's name. Each was taken out of the pool. A rollout that the host takes
	// part in to its end brings it up to date and ends its quarantine.
	Quarantine map[string]map[string]Quarantined
}

// Quarantined says why a host is not current.
type Quarantined struct {
	Why     string
	Rollout uint64 // that went on without it
	Since   time.Time
}

// Shipped is one release that was live on a fleet.
type Shipped struct {
	Release Release
	Rollout uint64
	Train   int
	By      string
	At      time.Time
	Back    bool          // it came by a rollback
	Sent    time.Duration // from PREPARE to the barrier
}
