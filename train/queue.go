package train

import (
	"slices"
	"time"
)

// Queue is all trains in order and the texts that people wrote around them.
// It is what the topic shows, and a little more: fields marked "not shown" are
// known from the journal only. The zero Queue is an empty one; its topic is "clear".
type Queue struct {
	Banner  string   // first segment, free text, verbatim: "Off-Hours!!"; "" = none
	Holds   []Hold   // HOLD segments, in order, in front of the trains
	Trains  []Train  // in order; never one without riders
	Rest    []string // text segments behind the last train that could not be read, verbatim
	Message string   // ` !! "message"` at the end of all; "" = none
	More    int      // riders hidden behind "… +N"; only ever set by Parse of a shortened topic
}

// Hold stops the next step of every lane, or of one.
type Hold struct {
	Stack string    // the lane held; "" = all lanes
	Why   string    // "" = no reason given
	By    string    `json:",omitempty"` // nick; not shown
	Since time.Time `json:",omitzero"`  // not shown
	Train int       `json:",omitempty"` // not shown; the train whose rollback set it: its riders or an op lift it
	Crew  []Who     `json:",omitempty"` // not shown; the riders of that train when it shipped: it may be over
}

// Train is riders who ship together. The first is the driver.
type Train struct {
	Before  []string // unreadable segments in front of it, verbatim: they ride along
	Stage   string   // the marker, without <>; "" = has not started. May be a word no config knows
	Riders  []Rider  // at least one
	Message string   // `"message"` at its end; "" = none

	ID    int        // not shown; unique for the life of the journal, 0 = not given yet
	Up    time.Time  `json:",omitzero"`  // not shown; when its riders were told "You're up"; zero = not yet
	Since time.Time  `json:",omitzero"`  // not shown; when it last moved: Up, a word of its driver, the end of a rollout or of a hold
	Nudge int        `json:",omitempty"` // not shown; reminders since then, 3 = the wheel was offered
	Asked time.Time  `json:",omitzero"`  // not shown; when the last of them was given
	Pings []string   `json:",omitempty"` // not shown; who was reminded since it moved
	Haste Haste      `json:",omitzero"`  // not shown; of a hotfix: why it goes first
	Ready bool       `json:",omitempty"` // not shown; "everyone is ready" was said for these marks
	Ships []Shipment `json:",omitempty"` // not shown; one a stack once it has started
	Asks  Ask        `json:",omitzero"`  // not shown; what waits for a second person
	Runs  string     `json:",omitempty"` // not shown; the stage whose rollout is running, "" = none
}

// Shipment is what a started train ships of one stack: pinned by its first
// rollout, the same tree for every later stage.
type Shipment struct {
	Stack   string   // its name; the default stack's too
	Commit  string   // full hash; "" until the first rollout has pinned it
	Release string   // release id (short hash); "" until built
	Digest  string   // of its manifest; "" until built
	Green   []string // stages that it has passed, in order

	Committed time.Time `json:",omitzero"` // when Commit was made; zero = not known
}

// Mark is what a rider said of the change after trying it.
type Mark uint8

// The marks: nothing yet, `*` and `!`.
const (
	None Mark = iota
	Good
	Uhoh
)

// Rider is one person's seat in one train.
type Rider struct {
	Nick  string   // as spelled by the server or the hand that wrote it
	Mark  Mark     // shown as `*` or `!`
	Stack string   // "" = the default stack; else shown as "(stack)"
	AskMe bool     // "(askme)": wants to be asked before others join
	Hold  bool     // "(HOLD)": joined as a named hold
	Words []string // other "(words)", without the brackets, kept verbatim

	Who    Who       `json:",omitzero"`  // not shown; the bound identity, zero = not bound yet
	Gone   bool      `json:",omitempty"` // not shown; left the channel since bound
	Joined time.Time `json:",omitzero"`  // not shown; when the seat was taken
	Code   Code      `json:",omitzero"`  // not shown; see Code
	Hand   string    `json:",omitempty"` // not shown; nick of the person whose edit put it there, "" = by command
}

// Who is a person as the server showed them. The zero Who is nobody.
type Who struct {
	Nick    string
	User    string `json:",omitempty"`
	Host    string `json:",omitempty"`
	Account string `json:",omitempty"` // "" = not logged in, or the server does not tell
	Op      bool   `json:",omitempty"` // may override (config `irc.ops`)
	Web     string `json:",omitempty"` // the name that they gave the page, which spoke for them; "" = they spoke themselves
	Shell   bool   `json:",omitempty"` // it is a user of this machine, not a person in the channel
}

// Shown returns q without what the topic does not show. For every queue that
// Parse or Apply yields, Parse(Format(q)) equals q.Shown().
func (q Queue) Shown() Queue {
	s := Queue{Banner: q.Banner, Rest: slices.Clone(q.Rest), Message: q.Message, More: q.More}
	for _, h := range q.Holds {
		s.Holds = append(s.Holds, Hold{Stack: h.Stack, Why: h.Why})
	}
	for _, t := range q.Trains {
		v := Train{Before: slices.Clone(t.Before), Stage: t.Stage, Message: t.Message}
		for _, r := range t.Riders {
			v.Riders = append(v.Riders, Rider{Nick: r.Nick, Mark: r.Mark, Stack: r.Stack,
				AskMe: r.AskMe, Hold: r.Hold, Words: slices.Clone(r.Words)})
		}
		s.Trains = append(s.Trains, v)
	}
	return s
}
