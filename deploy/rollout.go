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
	Aborted    State = "ABORTED"     // nothing live was touched
	RolledBack State = "ROLLED_BACK" // every host serves what it served before
	Stuck      State = "STUCK"       // hosts differ and people must decide: Undo or Forward
)

// Over reports whether nothing more will happen without a person.
func (s State) Over() bool { return s == Done || s == Aborted || s == RolledBack || s == Stuck }

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
	Side  Side          // the side that it fills and flips to
	Step  Kind          // the last effect that was answered well; "" = none
	Open  Kind          // the effect that is under way; "" = none
	Moved bool          // its link was moved, or may have been by this rollout, and was not seen back on From
	Back  bool          // it goes back: Step, Open and Err tell of the way back
	Err   string        // of the effect that failed; "" = none
	Took  time.Duration // from the flip's command to its answer
}

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
}

// Shipped is one release that was live on a fleet.
type Shipped struct {
	Release Release
	Rollout uint64
	Train   int
	By      string
	At      time.Time
	Back    bool // it came by a rollback
}
