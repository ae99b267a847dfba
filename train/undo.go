package train

import (
	"fmt"
	"slices"
	"strings"
)

// This file is about what is stopped and taken back: .abort and .rollback, who may, and what they mean.

// abort stops what runs for a train of By's.
func (t *turn) abort(e Abort) error {
	var stopped []Run
	stack, err := t.stackNamed(e.Stack)
	if err != nil {
		return err
	}
	var other *Run
	for k, run := range t.Busy {
		if stack != "" && run.Stack != stack {
			continue
		}
		if !t.mayStop(run) {
			other = &t.Busy[k]
			continue
		}
		stopped = append(stopped, run)
	}
	if stack == "" {
		if own := slices.DeleteFunc(slices.Clone(stopped), func(r Run) bool { return !t.rides(r) }); len(own) > 0 {
			stopped = own
		}
		if err := oneTrain(".abort", stopped); err != nil {
			return err
		}
	}
	for _, run := range stopped {
		if run.Stuck { // after COMMIT it means .rollback (DESIGN §10.8)
			if err := t.rollback(Rollback{Stack: run.Stack, Stage: run.Stage}); err != nil {
				return err
			}
			continue
		}
		t.run(run.Stack).Stopped = t.by.Nick
		t.emit(Stop{Stack: run.Stack, By: t.by.Nick, Why: ".abort"})
		if !t.rides(run) {
			t.overrule(".abort")
		}
	}
	switch {
	case len(stopped) > 0, t.unask():
		return nil
	case other != nil:
		return refuse("not aboard", "%s/%s runs for other people, by %s since %s: its riders or an op can stop it", other.Stack, other.Stage, other.By, clock(other.Since))
	}
	return refuse("nothing runs", "no rollout runs; .rollback takes back the last one")
}

// oneTrain refuses a word without a stack that would mean the rollouts of several trains.
func oneTrain(word string, runs []Run) error {
	var stacks []string
	several := false
	for _, r := range runs {
		stacks = append(stacks, r.Stack)
		several = several || r.Train != runs[0].Train || r.Train == 0 && len(runs) > 1
	}
	if several {
		return refuse("which", "rollouts of %s are under way: say which, %s %s", strings.Join(stacks, " and "), word, stacks[0])
	}
	return nil
}

func (t *turn) mayStop(run Run) bool { return t.by.Op || t.rides(run) }

// rides reports whether a rollout is By's: as a rider of its train or, when it has none, of those who may roll it back.
func (t *turn) rides(run Run) bool {
	if i := t.find(run.Train); i >= 0 {
		return t.seat(t.Queue.Trains[i], t.by) >= 0
	}
	return t.mayFlipBack(run.Stack, t.live(run.Stack, run.Stage))
}

// mayRollback: riders of the train that shipped what is live, riders of the lane's head, ops.
func (t *turn) mayRollback(stack string, l *Live) bool { return t.by.Op || t.mayFlipBack(stack, l) }

// mayFlipBack is mayRollback without the ops.
func (t *turn) mayFlipBack(stack string, l *Live) bool {
	if i := t.HeadOf(stack); i >= 0 && t.seat(t.Queue.Trains[i], t.by) >= 0 {
		return true
	}
	if l == nil {
		return false
	}
	if i := t.find(l.Train); i >= 0 && t.seat(t.Queue.Trains[i], t.by) >= 0 {
		return true
	}
	return t.among(l.Riders)
}

// among reports whether By is one of these people.
func (t *turn) among(people []Who) bool {
	return slices.ContainsFunc(people, func(w Who) bool {
		named := t.Casemap.Same(w.Nick, t.by.Nick) || t.Identity() == "account"
		return w != Who{} && named && t.sameIdentity(w, t.by)
	})
}

// rollback takes back what a stage serves, and holds the stack.
func (t *turn) rollback(e Rollback) error {
	stack, stage, err := t.undoes(e)
	if err != nil {
		return err
	}
	run := t.run(stack)
	l := t.live(stack, stage)
	running := run != nil && run.Stage == stage
	switch {
	case l == nil && !running:
		return refuse("nothing live", "nothing was shipped to %s%s yet: there is nothing to take back", stack, strings.TrimSuffix("/"+stage, "/"))
	case !t.mayRollback(stack, l) && !(running && t.mayStop(*run)):
		whose := fmt.Sprintf("%s serves what %s shipped: those riders", stack, shippers(l))
		if l == nil {
			whose = fmt.Sprintf("%s/%s is rolled out by %s: the riders of that train", stack, stage, run.By)
		}
		return refuse("not aboard", "%s, the riders of the lane's head (%s), and ops can roll it back", whose, t.headNames(stack))
	case running && run.Back && run.Stuck:
		t.goOn(run, t.by.Nick) // to try again is all that can be meant
		return nil
	case running && run.Back:
		return refuse("busy", "%s/%s is being rolled back already, by %s since %s", stack, run.Stage, run.By, clock(run.Since))
	}
	why := CleanMessage(e.Why)
	t.holdBack(stack, t.by.Nick, why, l, run)
	if !t.mayFlipBack(stack, l) && !(running && t.rides(*run)) {
		t.overrule(".rollback")
	}
	p := PendingUndo{Stack: stack, Stage: stage, By: Visible(t.by.Nick), Why: why}
	if run == nil {
		t.flipBack(p)
		return nil
	}
	stuck := run.Stuck
	switch {
	case !run.Back:
		t.emit(Stop{Stack: stack, By: t.by.Nick, Why: strings.TrimSuffix(".rollback: "+why, ": ")})
		run.Stuck = false
	case stuck: // another stage is on its way back, which has to end first
		t.goOn(run, t.by.Nick)
	}
	if i := t.find(run.Train); i >= 0 {
		t.Queue.Trains[i].Runs = run.Stage
	}
	if l != nil && !(stuck && running && run.Host == "") {
		t.Undo = append(slices.DeleteFunc(t.Undo, func(o PendingUndo) bool { return o.Stack == stack }), p)
	}
	return nil
}

// goOn sends a rollout that is STUCK the way that it went. A rollback of the stage that waited for its end is called off.
func (t *turn) goOn(run *Run, by string) {
	run.Stuck = false
	t.Undo = slices.DeleteFunc(t.Undo, func(p PendingUndo) bool { return p.Stack == run.Stack && p.Stage == run.Stage })
	t.emit(GoOn{Stack: run.Stack, By: by})
}

// holdBack holds the stack of a rollback, for the riders of the train that it
// undoes. A hold that stands already is not replaced.
func (t *turn) holdBack(stack, by, why string, l *Live, run *Run) {
	if slices.ContainsFunc(t.Queue.Holds, func(h Hold) bool { return h.Stack == stack }) {
		return
	}
	h := Hold{Stack: stack, Why: CleanMessage(strings.TrimSuffix("rollback: "+why, ": ")), By: Visible(by), Since: t.at}
	switch {
	case run != nil && (l == nil || run.Stage == l.Stage):
		h.Train = run.Train
	case l != nil:
		h.Train, h.Crew = l.Train, l.Riders
	}
	if i := t.find(h.Train); i >= 0 {
		h.Crew = crew(t.Queue.Trains[i])
	}
	t.Queue.Holds = append(t.Queue.Holds, h)
	t.emit(Held{Hold: h})
}

// crew are the people of a train.
func crew(tr Train) []Who {
	var out []Who
	for _, r := range tr.Riders {
		out = append(out, r.Who)
	}
	return out
}

// shippers names those who shipped what is live.
func shippers(l *Live) string {
	if l == nil || len(l.Riders) == 0 {
		return "the shell"
	}
	return whoNames(l.Riders)
}

func whoNames(people []Who) string {
	var out []string
	for _, w := range people {
		out = append(out, w.Nick)
	}
	return strings.Join(out, ", ")
}

func (t *turn) headNames(stack string) string {
	if i := t.HeadOf(stack); i >= 0 {
		return joinNicks(t.Queue.Trains[i])
	}
	return "nobody now"
}

// undoes is the stage that e takes back. Whoever does not name it means what flips for them or is
// STUCK before what has flipped last, and what is theirs before what they may take back as an op.
func (t *turn) undoes(e Rollback) (stack, stage string, err error) {
	if stack, err = t.stackNamed(e.Stack); err != nil {
		return "", "", err
	}
	if stack == "" {
		if stack, err = t.undoesStack(e); err != nil {
			return "", "", err
		}
	}
	run := t.run(stack)
	switch {
	case e.Stage != "":
		return stack, e.Stage, nil
	case run != nil && e.meant(*run):
		return stack, run.Stage, nil
	}
	l := t.latest(func(l Live) bool { return l.Stack == stack && t.mayFlipBack(stack, &l) })
	if l == nil {
		l = t.latest(func(l Live) bool { return l.Stack == stack })
	}
	switch {
	case l != nil:
		stage = l.Stage
	case run != nil:
		stage = run.Stage
	}
	return stack, stage, nil
}

// meant reports whether a rollout waits for this word, or is what burns.
func (e Rollback) meant(run Run) bool {
	return run.Stuck || run.Host == "" && slices.Contains(e.Flipping, run.Stack)
}

// undoesStack is the stack that a Rollback means which names none.
func (t *turn) undoesStack(e Rollback) (string, error) {
	var own, flips []Run
	for _, run := range t.Busy {
		if run.Host != "" || !t.rides(run) || e.Stage != "" && run.Stage != e.Stage {
			continue
		}
		own = append(own, run)
		if e.meant(run) {
			flips = append(flips, run)
		}
	}
	if err := oneTrain(".rollback", flips); err != nil {
		return "", err
	}
	last := t.latest(func(l Live) bool {
		switch {
		case e.Stage != "" && l.Stage != e.Stage:
			return false
		case len(flips) > 0:
			return slices.ContainsFunc(flips, func(r Run) bool { return r.Stack == l.Stack })
		case len(own) > 0:
			return t.mayFlipBack(l.Stack, &l)
		}
		return t.mayRollback(l.Stack, &l)
	})
	switch {
	case last != nil:
		return last.Stack, nil
	case len(flips) > 0:
		return flips[0].Stack, nil
	case len(own) > 0:
		return own[0].Stack, nil
	}
	return t.Rules.Default(), nil
}

// Undoes says which stage a Rollback by by takes back; "" when there is none.
func (s State) Undoes(e Rollback, by Who) (stack, stage string) {
	t := turn{State: s, by: by}
	stack, stage, _ = t.undoes(e) // a stack that there is not has no stage: Apply says so
	return stack, stage
}

// latest is what went live last among those that ok allows.
func (t *turn) latest(ok func(Live) bool) *Live {
	var best *Live
	for i := range t.Live {
		if l := &t.Live[i]; ok(*l) && (best == nil || l.At.After(best.At)) {
			best = l
		}
	}
	return best
}

func (t *turn) flipBack(p PendingUndo) {
	id := 0
	if l := t.live(p.Stack, p.Stage); l != nil && t.find(l.Train) >= 0 {
		id = l.Train
		t.Queue.Trains[t.find(id)].Runs = p.Stage
	}
	t.Busy = append(t.Busy, Run{Stack: p.Stack, Stage: p.Stage, Train: id, By: p.By, Since: t.at, Back: true})
	t.emit(FlipBack{Train: id, Stack: p.Stack, Stage: p.Stage, By: p.By, Why: p.Why})
}
