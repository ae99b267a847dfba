package train

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// two is a state with the trains of alice, who rides web's, and bob, who rides config's.
func two(live []Live, busy []Run) State {
	rules := Rules{Stacks: []Stack{
		{Name: "web", Stages: []Stage{{Name: "princess"}, {Name: "prod"}}},
		{Name: "config", Stages: []Stage{{Name: "prod"}}},
	}}
	s, _, _ := State{}.Apply(Input{At: day(1), Event: Configured{Rules: rules}})
	s.Queue.Trains = []Train{
		{ID: 1, Up: day(1), Riders: []Rider{{Nick: "alice", Who: human("alice")}}},
		{ID: 2, Up: day(1), Riders: []Rider{{Nick: "bob", Stack: "config", Who: human("bob")}}},
	}
	s.Last, s.Live, s.Busy = 2, live, busy
	return s
}

func human(nick string) Who { return Who{Nick: nick, User: nick, Host: "h"} }

func op(nick string) Who { w := human(nick); w.Op = true; return w }

// landedAt is what went live at the minute.
func landedAt(stack, stage string, minute int, by ...Who) Live {
	return Live{Stack: stack, Stage: stage, Riders: by, At: day(1).Add(time.Duration(minute) * time.Minute), Shipment: Shipment{Stack: stack, Digest: stack + stage}}
}

// TestWayIsWalked: no stage is reached past one that is not green.
func TestWayIsWalked(t *testing.T) {
	s := two(nil, nil)
	s.Rules.Stacks[0].Stages = []Stage{{Name: "princess"}, {Name: "qa", External: true}, {Name: "prod"}}
	alice := human("alice")
	var refused *Refusal
	if _, _, err := s.Apply(Input{At: day(1), By: alice, Event: At{Stage: "qa"}}); !errors.As(err, &refused) || refused.Code != "not green" {
		t.Errorf(".at qa without princess: %v", err)
	}
	s.Queue.Trains[0].Ships = []Shipment{{Stack: "web", Release: "r", Digest: "d", Green: []string{"qa"}}} // princess was taken back
	if _, _, err := s.Apply(Input{At: day(1), By: alice, Event: Step{Stage: "prod"}}); !errors.As(err, &refused) || refused.Code != "not green" || !strings.Contains(refused.Text, "princess of web") {
		t.Errorf(".prod without princess: %v", err)
	}
	s.Queue.Trains[0].Ships[0].Green = []string{"princess"}
	s, _, err := s.Apply(Input{At: day(1), By: alice, Event: At{Stage: "qa"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, effects, err := s.Apply(Input{At: day(1), By: alice, Event: Step{Stage: "prod"}}); err != nil || !slices.ContainsFunc(effects, func(e Effect) bool { _, ok := e.(Deploy); return ok }) {
		t.Errorf(".prod with all green: %v, %v", effects, err)
	}
}

// TestAnotherDefault: people stay in the lanes that they joined.
func TestAnotherDefault(t *testing.T) {
	s := two(nil, nil)
	rules := Rules{Stacks: []Stack{s.Rules.Stacks[1], s.Rules.Stacks[0]}}
	next, _, err := s.Apply(Input{At: day(1), Event: Configured{Rules: rules}})
	if err != nil || next.Topic() != "alice (web) | bob" {
		t.Errorf("topic %q, %v", next.Topic(), err)
	}
	back, _, err := next.Apply(Input{At: day(1), Event: Configured{Rules: s.Rules}})
	if err != nil || back.Topic() != s.Topic() {
		t.Errorf("topic %q, want %q: %v", back.Topic(), s.Topic(), err)
	}
	renamed := Rules{Stacks: []Stack{{Name: "www", Stages: s.Rules.Stacks[0].Stages}, s.Rules.Stacks[1]}}
	if next, _, err = s.Apply(Input{At: day(1), Event: Configured{Rules: renamed}}); err != nil || next.Topic() != s.Topic() {
		t.Errorf("with the default renamed: %q, %v", next.Topic(), err)
	}
}

// TestShellTakesNoSeat: a user of the bot's machine is not the person in the channel who has that name.
func TestShellTakesNoSeat(t *testing.T) {
	s := two(nil, nil)
	s.Queue.Trains[0].Riders[0].Who = Who{} // a hand wrote the name
	shell := Who{Nick: "alice", Host: "shell", Shell: true, Op: true}
	s, _, err := s.Apply(Input{At: day(1), By: shell, Event: Log{Text: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	s, _, _ = s.Apply(Input{At: day(1), By: human("alice"), Event: Heard{Spoke: true}})
	if got := s.Queue.Trains[0].Riders[0].Who; got != human("alice") {
		t.Errorf("the seat is %+v's", got)
	}
}
