package train

import "time"

// Input is one thing that happened, and when, and by whom. It is what the journal keeps.
type Input struct {
	At    time.Time
	By    Who // nobody for what the server, a rollout or the clock did
	Event Event
}

// Event is what happened.
type Event interface{ event() }

// Words of people. Each is refused in words for By.
type (
	// Join takes a seat.
	Join struct {
		Stack   string // a stack's name or alias; "" = the default
		With    string // in this person's train
		Before  string // in a new train in front of this person's
		Last    bool   // in a new train at the end
		AskMe   bool
		Hold    bool
		Message string // for the train
	}
	// Leave gives up all seats of By; with Last only the last one.
	Leave struct{ Last bool }
	// Drive takes the wheel, or gives it to To.
	Drive struct {
		To    string               // "" = take it
		Code  int                  `json:",omitempty"` // as for Step
		Spoke map[string]time.Time // by folded nick: when each was last heard in the channel; absent = not since the bot is there
	}
	// Vote marks By's own seat.
	Vote struct {
		Stack string // "" = the one train where it can be
		Mark  Mark
	}
	// Step asks for the rollout of a stage.
	Step struct {
		Stage string
		Stack string // "" = as for Vote
		Code  int    `json:",omitempty"` // the number of the code that By said; 0 = none
	}
	// Confirm is the second person's word for what a driver has asked for by Step.
	Confirm struct {
		Stack string // "" = as for Vote
		Code  int    `json:",omitempty"` // as for Step
	}
	// At sets a train's marker by hand.
	At struct{ Stage, Stack string }
	// Done ends a train.
	Done struct{ Stack string }
	// Abort stops the rollouts of a train.
	Abort struct{ Stack string }
	// Rollback flips a stage back.
	Rollback struct {
		Stack, Stage string // "" = as By's place in the queue tells; what flips, or the last stage that flipped
		Why          string
		Flipping     []string `json:",omitempty"` // the stacks whose rollout is past COMMIT
	}
	// Halt holds the line (`.hold`); Lift ends holds.
	Halt struct{ Stack, Why string }
	Lift struct{ Stack string }
	// Kick takes all seats from a person.
	Kick struct{ Nick string }
	// Hotfix takes a seat in a train that goes next, at any hour.
	Hotfix struct {
		Stack string // as for Join
		Why   string
	}
	// Note sets the message at the end of the topic; "" removes it.
	Note struct{ Text string }
	// Ship is Step from the shell: for the lane's head train, or without a train.
	Ship struct {
		Stack, Stage string
		Override     string // why the gates are passed over; "" = they hold
	}
	// Sync, from the shell, brings one host up to what its stage serves.
	Sync struct{ Stack, Stage, Host string }
	// Log writes a line into the deploy log.
	Log struct{ Text string }
	// Quiet asks to be named without being pinged, or to be pinged again.
	Quiet struct{ On bool }
)

// What was seen on IRC.
type (
	// Online is said when the bot has joined the channel: the server's habits and who is there.
	Online struct {
		Casemap  Casemap
		Accounts bool  `json:",omitempty"` // the server tells everybody's account
		Limit    int   // bytes that a topic may have; 0 = unknown
		Riders   []Who // those in the channel whose nick, or account, is one of a seat
		Still    bool  `json:",omitempty"` // the bot was in the channel all the time: who is there is as before
	}
	// Shown is the bot's own topic read back.
	Shown struct{ Text string }
	// Edited is a topic that a person set, live or while the bot was away.
	Edited struct {
		Text  string
		Known []string // nicks in the channel
		Here  []Who    `json:",omitempty"` // those in the channel whom the text may name; nobody with Away
		Away  bool     // it was set while the bot was away
	}
	// Renamed says that By is called To now.
	Renamed struct{ To string }
	// Handed says that code N has reached the one whom it was sent to.
	Handed struct{ N int }
	// Voided says that By said code N where all could read it, and nothing came of it.
	Voided struct{ N int }
	// Identified says that By, who was in the channel all the time, is known as As now.
	Identified struct{ As Who }
	// Parted says that By left the channel, by part, quit, kick or split.
	Parted struct{}
	// Heard says that By is in the channel; with Spoke that they said something. It
	// need not be said of every line: see Claims and Wakes.
	Heard struct{ Spoke bool }
)

// What the deploy engine, the configuration and the clock say.
type (
	// Configured sets the rules.
	Configured struct{ Rules Rules }
	// Pinned says which commit, and once built which release, a train ships.
	Pinned struct {
		Train    int
		Shipment Shipment // Green is not read
	}
	// Ended is a rollout's outcome.
	Ended struct {
		Stack, Stage string
		Outcome      Outcome
		Shipment     Shipment // what the rollout shipped
		Reason       string
		Spent        Spent   `json:",omitzero"`
		Commits      []int64 `json:",omitempty"` // of a push that is DONE: when what it brought was committed, in Unix seconds, newest first; none = not known
	}
	// Hours says whether trains depart now. The zero Hours: they do, at any time.
	Hours struct {
		Closed bool
		Until  time.Time `json:",omitzero"`  // when that changes; zero = as far as is known it does not
		Zone   string    `json:",omitempty"` // what the time zone of Until is called then
		Why    string    `json:",omitempty"` // of a holiday: its name
	}
	// Tick lets time pass: reminders are due.
	Tick struct{}
)

// Spent is the rollout's own account of its time. What is in none of its parts
// went into reaching the hosts, copying and proving.
type Spent struct {
	Build time.Duration `json:",omitempty"` // making the release
	Tests time.Duration `json:",omitempty"` // waiting for nothing but the tests
	Flip  time.Duration `json:",omitempty"` // from COMMIT to the end
}

// Outcome of a rollout.
type Outcome string

// The outcomes.
const (
	OutDone       Outcome = "done"
	OutAborted    Outcome = "aborted"     // nothing live was touched
	OutRolledBack Outcome = "rolled back" // as before
	OutStuck      Outcome = "stuck"       // hosts differ, people must decide
)

func (Join) event()       {}
func (Leave) event()      {}
func (Drive) event()      {}
func (Vote) event()       {}
func (Step) event()       {}
func (At) event()         {}
func (Confirm) event()    {}
func (Done) event()       {}
func (Abort) event()      {}
func (Rollback) event()   {}
func (Halt) event()       {}
func (Lift) event()       {}
func (Kick) event()       {}
func (Hotfix) event()     {}
func (Note) event()       {}
func (Ship) event()       {}
func (Sync) event()       {}
func (Log) event()        {}
func (Quiet) event()      {}
func (Online) event()     {}
func (Shown) event()      {}
func (Edited) event()     {}
func (Renamed) event()    {}
func (Identified) event() {}
func (Handed) event()     {}
func (Voided) event()     {}
func (Parted) event()     {}
func (Heard) event()      {}
func (Configured) event() {}
func (Pinned) event()     {}
func (Ended) event()      {}
func (Hours) event()      {}
func (Tick) event()       {}
