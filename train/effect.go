package train

import "time"

// Effect is what an event brought about: a fact, never a sentence. The bot says
// some of them, does the deeds among them, and keeps all of them beside the event
// in the journal, where the stats read them.
type Effect interface{ effect() }

// Seat is one rider in a fact.
type Seat struct {
	Nick   string
	Joined time.Time
}

// About the queue.
type (
	// Boarded answers Join.
	Boarded struct {
		Nick  string
		Stack string
		Train int    // ID
		Place int    // how many trains of the lane stand in front; 0 = head
		Size  int    // riders, this one counted
		Held  string // why the line is held, of a head; "" = it is not
		Shut  bool   `json:",omitempty"` // the train waits for the hours
	}
	// Hotfixed answers Hotfix.
	Hotfixed struct {
		Nick   string
		Stack  string
		Train  int
		Place  int // as Boarded's
		Known  string
		As     string // that is who they are: "account alice"
		Why    string
		Behind string   `json:",omitempty"` // who heads its lanes, when that is another train
		Held   string   `json:",omitempty"` // as Boarded's
		Passed []string `json:",omitempty"` // riders who were up, and are not any more
	}
	// Closing: the hours are over. Riders were up and have to wait for the next ones.
	Closing struct {
		Hours  Hours
		Riders []string `json:",omitempty"`
	}
	// Coded: a seat has another code, for the one who sits there alone.
	Coded struct {
		Nick string
		Code Code
	}
	// Asked: the driver has said a stage's command, and it wants a second person's .confirm.
	Asked struct {
		Train  int
		Stage  string
		By     string
		Riders []string // who may confirm
		Ships  []Shipment
	}
	// AskVoid: it is no longer wanted, by By, or no longer what was asked for.
	AskVoid struct {
		Train  int
		Stage  string
		Driver string
		By     string // "" = something changed
	}
	// Confirmed: a second person has confirmed; Deploy follows.
	Confirmed struct {
		Train int
		Stage string
		By    string
		For   string // who asked
	}
	// Up: the train is the head of its lanes. Fresh names the riders who do not know yet.
	Up struct {
		Train  int
		Riders []Seat
		Fresh  []string
		Stacks []string
		Held   string // why the line is held; "" = it is not
		Again  bool   // it was up before: somebody joined
	}
	// Paused: the line holds a train that is up, or does so no more. Up says how it began.
	Paused struct {
		Train int
		On    bool
	}
	// Passed: a train is up no more, since somebody got in front, or the hours are over; it will be told again.
	Passed struct{ Train int }
	// Gone: a train that was up is no more, and nobody has ended it: its riders left, or a hand took it away.
	Gone struct {
		Train  int
		Stacks []string
		Up     time.Time
		Stage  string // where its marker stood; "" = it never left
	}
	// EveryoneReady: all marks are good.
	EveryoneReady struct {
		Train  int
		Riders []Seat
		Next   string // the stage that comes next; "" = none, `.done`
	}
	// Trouble: somebody said uh-oh.
	Trouble struct {
		Nick   string
		Train  int
		Driver string
	}
	// Departed answers Leave and Kick.
	Departed struct {
		Nick   string
		By     string // Kick: who did it; "" = oneself
		Seats  int
		Riders []string // who ride with the person no more
	}
	// Wheel: the train has another driver.
	Wheel struct {
		Train   int
		Driver  string
		Was     string
		Because string // "" = handed over
	}
	// Marker: the train's marker was set by hand.
	Marker struct {
		Train  int
		Stage  string
		By     string
		For    string // the driver whose train it is, when By is another; "" = By's own
		Proves bool   // an external stage: it is green now, on By's word
	}
	// Over: the train has ended.
	Over struct {
		Train   int
		Stacks  []string
		Riders  []Seat
		Up      time.Time
		Stage   string // where its marker stood; "" = it never left
		By      string
		For     string   // the driver whose train it was, when By is another; "" = By's own
		NotGood []string // riders who had not said good, By left out
	}
	// Held and Lifted: the line, or one lane.
	Held   struct{ Hold Hold }
	Lifted struct {
		Hold  Hold
		By    string
		Freed []string `json:",omitempty"` // drivers of trains that are up and may go on
	}
	// Noted: the topic's message changed.
	Noted struct{ Text, By string }
	// Nudge reminds of a train that does not move. Steps 1 and 2 are for those on whom
	// it waits, then for the others; 3 = any rider may take the wheel.
	Nudge struct {
		Train  int
		Step   int
		Driver string
		Riders []string // the others
		Quiet  time.Duration
		Votes  []string `json:",omitempty"` // of Riders, those whose vote is missing
		Pings  []string // whom this is for: nobody who was reminded since the train moved
	}
	// Logged is a line for the deploy log.
	Logged struct{ Text, By string }
	// Hushed answers Quiet.
	Hushed struct {
		Nick string
		On   bool
	}
	// Overruled: By did as an op what the rules give to others.
	Overruled struct{ By, What string }
)

// About hand edits.
type (
	// Adopted: a hand edit changed the queue.
	Adopted struct {
		By             string
		Added, Removed []string
	}
	// PutBack: a part of a hand edit was not taken over.
	PutBack struct {
		By   string
		Whys []string
	}
	// Unread: text in a hand edit that could not be read as trains. It stays where it stood.
	Unread struct {
		By    string
		Texts []string
		Kept  bool // nothing could be read: the queue is as it was
	}
)

// Deeds for the deploy engine.
type (
	// Deploy starts a rollout.
	Deploy struct {
		Train        int
		Stack, Stage string
		By           string
		Shipment     Shipment // Commit "" = build what the branch holds now
		Override     string
		Host         string `json:",omitempty"` // the one host that is brought up to date; "" = the stage's hosts are shipped to
		Hotfix       string `json:",omitempty"` // why the train went first; "" = it did not
	}
	// Stop aborts a stack's rollout; after its COMMIT it flips back.
	Stop struct{ Stack, By, Why string }
	// GoOn decides a STUCK rollout: forward.
	GoOn struct{ Stack, By string }
	// FlipBack starts a rollout of the release that the stage served before.
	FlipBack struct {
		Train        int
		Stack, Stage string
		By, Why      string
	}
)

// About rollouts.
type (
	// Arrived: the train's marker moved, all its rollouts of the stage are green.
	Arrived struct {
		Train  int
		Stage  string
		Stacks []string
		Riders []Seat
		Next   string // the stage that comes next; "" = none
		Up     time.Time
	}
	// Landed: one rollout ended.
	Landed struct {
		Train        int
		Stack, Stage string
		Outcome      Outcome
		Shipment     Shipment
		Reason       string
		Driver       string
		Began        time.Time
		Back         bool
		Host         string  `json:",omitempty"` // as Deploy's
		Spent        Spent   `json:",omitzero"`
		Commits      []int64 `json:",omitempty"` // as Ended's
	}
)

func (Asked) effect()         {}
func (AskVoid) effect()       {}
func (Confirmed) effect()     {}
func (Coded) effect()         {}
func (Boarded) effect()       {}
func (Hotfixed) effect()      {}
func (Closing) effect()       {}
func (Up) effect()            {}
func (Paused) effect()        {}
func (Passed) effect()        {}
func (Gone) effect()          {}
func (EveryoneReady) effect() {}
func (Trouble) effect()       {}
func (Departed) effect()      {}
func (Wheel) effect()         {}
func (Marker) effect()        {}
func (Over) effect()          {}
func (Held) effect()          {}
func (Lifted) effect()        {}
func (Noted) effect()         {}
func (Nudge) effect()         {}
func (Logged) effect()        {}
func (Hushed) effect()        {}
func (Overruled) effect()     {}
func (Adopted) effect()       {}
func (PutBack) effect()       {}
func (Unread) effect()        {}
func (Deploy) effect()        {}
func (Stop) effect()          {}
func (GoOn) effect()          {}
func (FlipBack) effect()      {}
func (Arrived) effect()       {}
func (Landed) effect()        {}
