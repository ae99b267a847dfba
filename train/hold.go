package train

import (
	"fmt"
)

// halt holds the line, or one lane.
func (t *turn) halt(e Halt) error {
	stack, err := t.stackNamed(e.Stack)
	if err != nil {
		return err
	}
	h := Hold{Stack: stack, Why: CleanMessage(e.Why), By: Visible(t.by.Nick), Since: t.at}
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
	stack, err := t.stackNamed(e.Stack)
	if err != nil {
		return err
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
			refused = refuse("not aboard", "%s", whoLifts(h))
		default:
			lifted = true
			if h.Train != 0 && !t.aboard(h) {
				t.overrule(".unhold")
			}
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
	for _, tr := range t.Queue.Trains {
		for _, r := range tr.Riders {
			if r.Hold && (stack == "" || t.stackOf(r) == stack) {
				return refuse("not aboard", "%s holds the line with their train: .unhold or .leave by %s, or `.kick %s`, frees it", r.Nick, r.Nick, r.Nick)
			}
		}
	}
	if len(t.Queue.Holds) > 0 {
		return refuse("not held", "%s is not held by itself: %s", stack, describeHold(t.Queue.Holds[0]))
	}
	return refuse("not held", "nothing is held")
}

// whoLifts says who may lift the hold of a rollback.
func whoLifts(h Hold) string {
	return fmt.Sprintf("%s is held by the rollback of %s at %s: a rider of that train (%s) or an op lifts the hold", h.Stack, h.By, clock(h.Since), whoNames(h.Crew))
}

// mayLift: anyone may, but a rollback's hold is for the riders of that train and ops.
func (t *turn) mayLift(h Hold) bool {
	return h.Train == 0 || t.by.Op || t.aboard(h)
}

// aboard reports whether By rides, or rode, in the train whose rollback set h.
func (t *turn) aboard(h Hold) bool {
	i := t.find(h.Train)
	return i >= 0 && t.seat(t.Queue.Trains[i], t.by) >= 0 || t.among(h.Crew)
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
