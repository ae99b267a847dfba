package train

import (
	"slices"
	"strings"
	"time"
)

// Rules is what the configuration says about trains. It enters the state by a
// Configured event, so that a journal replays under the rules of its day.
type Rules struct {
	Stacks   []Stack       // in order; the first is the default
	Cap      int           // riders a train takes by command; 0 = 8
	Idle     time.Duration // a driver silent for longer may be replaced; 0 = 15 min
	Identity string        // "auto", "account", "hostmask" or "nick"; "" = auto
	Hours    string        `json:",omitempty"` // when trains depart, as configured; "" = at any time. Hours tells when that is
	Code     bool          `json:",omitempty"` // without accounts, rollouts and the wheel need a one-time code
}

// Stack is a thing that is deployed on its own.
type Stack struct {
	Name    string
	Aliases []string
	Stages  []Stage // in order; each name is a command
}

// Stage is one step of a stack's way to production.
type Stage struct {
	Name     string
	Confirm  bool `json:",omitempty"` // a second rider has to confirm it
	External bool // something else deploys it: no rollout, `.at` makes it green
}

// Find returns the stack that word names by its name or an alias, in any case.
func (r Rules) Find(word string) (Stack, bool) {
	for _, s := range r.Stacks {
		if strings.EqualFold(s.Name, word) || slices.ContainsFunc(s.Aliases, func(a string) bool { return strings.EqualFold(a, word) }) {
			return s, true
		}
	}
	return Stack{}, false
}

// Names are those of the stacks, in their order.
func (r Rules) Names() (names []string) {
	for _, s := range r.Stacks {
		names = append(names, s.Name)
	}
	return names
}

// Default is the name of the first stack, "" without stacks.
func (r Rules) Default() string {
	if len(r.Stacks) == 0 {
		return ""
	}
	return r.Stacks[0].Name
}
