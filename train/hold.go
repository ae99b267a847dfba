package train

import (
	"slices"
)

// halt holds the line, or one lane.
func (t *turn) halt(e Halt) error {
	h := Hold{Why: CleanMessage(e.Why), By: t.by.Nick, Since: t.at}
	if e.Stack != "" {
		s, ok := t.Rules.Find(e.Stack)
		if !ok {
			return refuse("no such stack", "there is no stack %s: it is one of %s", e.Stack, t.stackNames())
		}
		h.Stack = s.Name
	}
	for _, o := range t.Queue.Holds {
		if o.Stack == h.Stack {
			return refuse("held", "%s", describeHold(o))
		}
	}
	t.Queue.Holds = append(t.Queue.Holds, h)
	t.emit(Held{Hold: h})
	return nil
}

// lift ends the holds of a stack, or all that By may lift.
func (t *turn) lift(e Lift) error {
	stack := ""
	if e.Stack != "" {
		s, ok := t.Rules.Find(e.Stack)
		if !ok {
			return refuse("no such stack", "there is no stack %s: it is one of %s", e.Stack, t.stackNames())
		}
		stack = s.Name
	}
	var kept []Hold
	var refused error
	lifted := false
	for _, h := range t.Queue.Holds {
		switch {
		case stack != "" && h.Stack != stack:
			kept = append(kept, h)
		case !t.mayLift(h):
			kept = append(kept, h)
			refused = refuse("not aboard", "%s was rolled back: a rider of that train or an op lifts the hold", h.Stack)
		default:
			lifted = true
			t.emit(Lifted{Hold: h, By: t.by.Nick})
		}
	}
	for i := range t.Queue.Trains {
		for j := range t.Queue.Trains[i].Riders {
			if r := &t.Queue.Trains[i].Riders[j]; r.Hold && t.is(*r, t.by) && (stack == "" || t.stackOf(*r) == stack) {
				r.Hold, lifted = false, true
				t.emit(Lifted{Hold: Hold{By: r.Nick}, By: r.Nick})
			}
		}
	}
	switch {
	case lifted:
		t.Queue.Holds = kept
		return nil
	case refused != nil:
		return refused
	}
	return refuse("not held", "nothing is held")
}

// mayLift: anyone may, but a rollback's hold is for those who may roll back.
func (t *turn) mayLift(h Hold) bool {
	if h.Train == 0 || t.by.Op {
		return true
	}
	if i := t.find(h.Train); i >= 0 && t.seat(t.Queue.Trains[i], t.by) >= 0 {
		return true
	}
	return slices.ContainsFunc(t.Live, func(l Live) bool { return l.Stack == h.Stack && t.mayRollback(l.Stack, &l) })
}

// note sets the message at the end of the topic.
func (t *turn) note(e Note) error {
	text := CleanMessage(e.Text)
	if text == t.Queue.Message {
		if text == "" {
			return refuse("no message", "there is no message to remove")
		}
		return refuse("same", "the message says that already")
	}
	t.Queue.Message = text
	t.emit(Noted{Text: text, By: t.by.Nick})
	return nil
}
