package train

import (
	"slices"
	"strings"
	"time"
)

// State is everything the journal says about the trains. The zero State is that
// of a new installation: an empty queue and no rules. It is only ever changed by Apply.
type State struct {
	Rules    Rules
	Casemap  Casemap
	Accounts bool `json:",omitempty"` // the server tells everybody's account
	Queue    Queue
	Last     int           // the newest train's ID
	Codes    int           `json:",omitempty"` // the newest code's number
	Seen     []Sight       // topics that the channel showed, newest first: the present one and those of the last raceWindow
	Renamed  []Renaming    `json:",omitempty"` // seats that got another nick within the last raceWindow, oldest first
	Own      []string      // the texts that the newest queues were written as, newest first, at most 8
	Limit    int           // bytes that a topic may have; 0 = 300
	Live     []Live        // what is live, one a stage of a stack
	Busy     []Run         // rollouts under way, at most one a stack; a STUCK one stays
	Undo     []PendingUndo // rollbacks that wait for an abort, at most one a stack
	Hours    Hours         `json:",omitzero"`
	Turned   time.Time     `json:",omitzero"` // when Hours last opened or closed the line
	Quiet    []string      // folded nicks of those who asked not to be pinged
}

// Sight is a topic as the channel showed it from At on.
type Sight struct {
	Text string
	By   string `json:",omitempty"` // nick of the person who set it; "" = the bot
	At   time.Time
}

// Renaming says that a seat's nick was changed.
type Renaming struct {
	From, To string
	At       time.Time
}

// Live says what a stage of a stack serves and who shipped it.
type Live struct {
	Stack, Stage string
	Shipment     Shipment
	Train        int   // 0 = from the shell
	Riders       []Who // of that train when it shipped; nobody for the shell
	At           time.Time
}

// Run is a rollout under way.
type Run struct {
	Stack, Stage string
	Train        int // 0 = from the shell
	By           string
	Since        time.Time
	Back         bool   // it is a rollback
	Stuck        bool   // it waits for people
	Stopped      string `json:",omitempty"` // nick of who said .abort
	Host         string `json:",omitempty"` // the one host that is brought up to date; "" = the stage is shipped to
}

// PendingUndo is a rollback asked for while another rollout of the stack runs.
type PendingUndo struct {
	Stack, Stage string
	By, Why      string
}

// clone returns a copy that shares nothing that Apply changes.
func (s State) clone() State {
	s.Queue.Holds = slices.Clone(s.Queue.Holds)
	s.Queue.Rest = slices.Clone(s.Queue.Rest)
	s.Queue.Trains = slices.Clone(s.Queue.Trains)
	for i := range s.Queue.Trains {
		t := &s.Queue.Trains[i]
		t.Before = slices.Clone(t.Before)
		t.Pings = slices.Clone(t.Pings)
		t.Riders = slices.Clone(t.Riders)
		t.Ships = slices.Clone(t.Ships)
		for j := range t.Ships {
			t.Ships[j].Green = slices.Clone(t.Ships[j].Green)
		}
	}
	s.Own = slices.Clone(s.Own)
	s.Seen = slices.Clone(s.Seen)
	s.Renamed = slices.Clone(s.Renamed)
	s.Live = slices.Clone(s.Live)
	s.Busy = slices.Clone(s.Busy)
	s.Undo = slices.Clone(s.Undo)
	s.Quiet = slices.Clone(s.Quiet)
	return s
}

// Topic is the text that the channel ought to show.
func (s State) Topic() string {
	limit := s.Limit
	if limit == 0 {
		limit = 300
	}
	return Fit(s.shown(), limit)
}

// Channel is the text that the channel shows, so far as the bot has seen; "" = none.
func (s State) Channel() string {
	if len(s.Seen) == 0 {
		return ""
	}
	return s.Seen[0].Text
}

// Notation reads topics by the state's rules. known are nicks in the channel: of
// those only the ones with a `|` matter, as RFC 1459 spells it too.
func (s State) Notation(known []string) Notation {
	var k []string
	for _, nick := range known {
		if strings.ContainsAny(nick, `|\\`) {
			k = append(k, nick)
		}
	}
	for _, t := range s.Queue.Trains {
		for _, r := range t.Riders {
			k = append(k, r.Nick)
		}
	}
	return Notation{Rules: s.Rules, Casemap: s.Casemap, Known: k}
}

// stackOf names a rider's stack in full.
func (s State) stackOf(r Rider) string {
	if r.Stack == "" {
		return s.Rules.Default()
	}
	return r.Stack
}

// Stacks returns the stacks that t carries, in the order of its riders.
func (s State) Stacks(t Train) []string {
	var out []string
	for _, r := range t.Riders {
		if n := s.stackOf(r); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// HeadOf returns the index of the first train of the lane, -1 when the lane is empty.
func (s State) HeadOf(stack string) int {
	return slices.IndexFunc(s.Queue.Trains, func(t Train) bool { return slices.Contains(s.Stacks(t), stack) })
}

// IsHead reports whether train i is first in every one of its lanes.
func (s State) IsHead(i int) bool { return s.Place(i) == 0 }

// find returns the index of the train with that ID, -1 when it is gone.
func (s State) find(id int) int {
	return slices.IndexFunc(s.Queue.Trains, func(t Train) bool { return t.ID == id && id != 0 })
}

// Started reports whether a commit of t is pinned, or being pinned: from then on it is fixed for hand edits.
func (t Train) Started() bool { return len(t.Ships) > 0 }

// Left reports whether t has left the platform: it has started, or a person says so with its marker.
func (t Train) Left() bool { return t.Started() || t.Stage != "" }

// Held says why t may not take its next step, "" when neither a hold nor the hours are in its way.
func (s State) Held(t Train) string {
	if s.shut(t) {
		return s.Shut()
	}
	return (&turn{State: s}).heldFor(t)
}

// Next is the stage that t can go to now: the first that comes next for each of its
// stacks that has yet to pass it; "" = all have passed all.
func (s State) Next(t Train) string {
	var ways [][]string // what each stack has yet to pass, in order
	for _, name := range s.Stacks(t) {
		st, _ := s.Rules.Find(name)
		ship := t.ship(name)
		var way []string
		for _, sg := range st.Stages {
			if ship == nil || !slices.Contains(ship.Green, sg.Name) {
				way = append(way, sg.Name)
			}
		}
		if len(way) > 0 {
			ways = append(ways, way)
		}
	}
	for _, way := range ways {
		if !slices.ContainsFunc(ways, func(other []string) bool { return slices.Index(other, way[0]) > 0 }) {
			return way[0]
		}
	}
	if len(ways) > 0 {
		return ways[0][0] // two stacks have the same stages in opposite order
	}
	return ""
}

// Place counts the trains in front of train i, in that of its lanes where they are most; 0 = it is the head of all.
func (s State) Place(i int) int {
	_, n := s.Lane(i)
	return n
}

// Lane is the lane in which train i has to wait for most trains, and for how many.
func (s State) Lane(i int) (stack string, n int) {
	n = -1
	for _, of := range s.Stacks(s.Queue.Trains[i]) {
		k := 0
		for _, tr := range s.Queue.Trains[:i] {
			if slices.Contains(s.Stacks(tr), of) {
				k++
			}
		}
		if k > n {
			stack, n = of, k
		}
	}
	return stack, n
}

// Driver is the first rider.
func (t Train) Driver() Rider { return t.Riders[0] }

// ship returns the train's shipment of a stack, nil when it has none yet.
func (t *Train) ship(stack string) *Shipment {
	for i := range t.Ships {
		if t.Ships[i].Stack == stack {
			return &t.Ships[i]
		}
	}
	return nil
}

// seat returns the index of by's seat in t, -1 when by does not ride.
func (s State) seat(t Train, by Who) int {
	return slices.IndexFunc(t.Riders, func(r Rider) bool { return s.is(r, by) })
}

// named returns the index of the first seat with that nick in t, -1 without one.
func (s State) named(t Train, nick string) int {
	return slices.IndexFunc(t.Riders, func(r Rider) bool { return s.Casemap.Same(r.Nick, nick) })
}

// live returns the record of what a stage serves, nil when nothing was shipped.
func (s *State) live(stack, stage string) *Live {
	for i := range s.Live {
		if s.Live[i].Stack == stack && s.Live[i].Stage == stage {
			return &s.Live[i]
		}
	}
	return nil
}

// run returns the rollout of a stack, nil when none is under way.
func (s *State) run(stack string) *Run {
	for i := range s.Busy {
		if s.Busy[i].Stack == stack {
			return &s.Busy[i]
		}
	}
	return nil
}
