package train

import (
	"slices"
	"time"
)

// shipByShell starts a rollout from the shell: for the lane's head train if there
// is one, and then by its driver or over the gates; else without a train. One that
// is STUCK, and has no train or none any more, goes on.
func (t *turn) shipByShell(e Ship) error {
	name, err := t.stackNamed(e.Stack)
	if err != nil {
		return err
	}
	st, _ := t.Rules.Find(name)
	k := slices.IndexFunc(st.Stages, func(g Stage) bool { return g.Name == e.Stage })
	switch {
	case k < 0:
		return refuse("no such stage", "%s has no stage %s", st.Name, e.Stage)
	case st.Stages[k].External:
		return refuse("external", "%s of %s is deployed by something else", e.Stage, st.Name)
	}
	if run := t.run(st.Name); run != nil && run.Stuck && t.find(run.Train) < 0 && run.Stage == e.Stage {
		t.goOn(run, t.by.Nick) // there is no train whose command could decide it
		return nil
	}
	i := t.HeadOf(st.Name)
	if e.Override == "" && t.Hours.Closed && (i < 0 || t.shut(t.Queue.Trains[i])) {
		return refuse("off-hours", "%s; --override \"why\" goes ahead", t.Shut())
	}
	if e.Override == "" && t.wantsOther([]Stack{st}, e.Stage) {
		return refuse("alone", "%s of %s wants two people of a train, who say .%[1]s and .confirm in the channel; --override \"why\" goes ahead", e.Stage, st.Name)
	}
	if i >= 0 {
		tr := t.Queue.Trains[i]
		if e.Override == "" && !t.Casemap.Same(tr.Driver().Nick, t.by.Nick) {
			return refuse("not your turn", "%s drives the head train of %s (%s): not your turn; --override \"why\" goes ahead", tr.Driver().Nick, st.Name, joinNicks(tr))
		}
		return t.depart(i, e.Stage, t.by.Nick, e.Override, false)
	}
	if err := t.free(nil, []Stack{st}, e.Stage); err != nil {
		return err
	}
	if e.Override == "" {
		for _, h := range t.Queue.Holds {
			if h.Stack == "" || h.Stack == st.Name {
				return refuse("held", "%s", describeHold(h))
			}
		}
	}
	d := Deploy{Stack: st.Name, Stage: e.Stage, By: t.by.Nick, Override: e.Override, Shipment: Shipment{Stack: st.Name}}
	if k > 0 {
		before := t.live(st.Name, st.Stages[k-1].Name)
		if before == nil {
			return refuse("not green", "nothing has passed %s of %s: deploy that first", st.Stages[k-1].Name, st.Name)
		}
		d.Shipment = before.Shipment
	}
	t.launch(d)
	return nil
}

// sync brings a host up to what its stage serves. It ships nothing, so it has no
// gates but that the stack must be free.
func (t *turn) sync(e Sync) error {
	name, err := t.stackNamed(e.Stack)
	if err != nil {
		return err
	}
	st, _ := t.Rules.Find(name)
	if err := t.free(nil, []Stack{st}, e.Stage); err != nil {
		return err
	}
	l := t.live(st.Name, e.Stage)
	if l == nil {
		return refuse("nothing live", "nothing was shipped to %s/%s yet: there is nothing to bring %s up to", st.Name, e.Stage, e.Host)
	}
	t.launch(Deploy{Stack: st.Name, Stage: e.Stage, By: t.by.Nick, Shipment: l.Shipment, Host: e.Host})
	return nil
}

// pinned takes over what a train's rollout found out about its commit.
func (t *turn) pinned(e Pinned) {
	i := t.find(e.Train)
	if i < 0 {
		return // a rollout from the shell has no train
	}
	ship := t.Queue.Trains[i].ship(e.Shipment.Stack)
	if ship == nil || ship.Release != "" && len(ship.Green) > 0 {
		return // a repeat replaces what is green only when it is green itself
	}
	green := ship.Green
	*ship = e.Shipment
	ship.Green = green
}

// ended takes over a rollout's outcome.
func (t *turn) ended(e Ended) {
	k := slices.IndexFunc(t.Busy, func(r Run) bool { return r.Stack == e.Stack && r.Stage == e.Stage })
	if k < 0 {
		return // said twice
	}
	run := t.Busy[k]
	if e.Outcome == OutStuck {
		t.Busy[k].Stuck = true
	} else {
		t.Busy = slices.Delete(t.Busy, k, k+1)
	}
	i := t.find(run.Train)
	e.Shipment.Committed = t.committed(e.Shipment)
	landed := Landed{Train: run.Train, Stack: e.Stack, Stage: e.Stage, Outcome: e.Outcome, Shipment: e.Shipment, Reason: e.Reason, Driver: run.By, Began: run.Since, Back: run.Back, Host: run.Host, Spent: e.Spent, Commits: e.Commits}
	if i >= 0 {
		landed.Driver = t.Queue.Trains[i].Driver().Nick
	}
	if l := t.live(e.Stack, e.Stage); l != nil && l.Shipment.Digest == e.Shipment.Digest { // a repeat brings nothing
		landed.Shipment.Committed, landed.Commits = time.Time{}, nil
	}
	t.emit(landed)
	if e.Outcome == OutRolledBack && run.Stopped != "" { // .abort came after COMMIT: it meant .rollback (DESIGN §10.8)
		t.holdBack(e.Stack, run.Stopped, "", nil, &run)
	}
	if e.Outcome == OutDone && run.Host == "" {
		t.serves(run, e)
	}
	if i >= 0 {
		t.arrive(&t.Queue.Trains[i], run, e)
	}
	if u := slices.IndexFunc(t.Undo, func(p PendingUndo) bool { return p.Stack == e.Stack }); u >= 0 && e.Outcome != OutStuck {
		p := t.Undo[u]
		t.Undo = slices.Delete(t.Undo, u, u+1)
		if e.Outcome != OutRolledBack || run.Stage != p.Stage || run.Host != "" {
			t.flipBack(p)
		}
	}
}

// committed is when the commit of s was made, if that is known of it already.
func (t *turn) committed(s Shipment) time.Time {
	if !s.Committed.IsZero() || s.Commit == "" {
		return s.Committed
	}
	for _, tr := range t.Queue.Trains {
		if ship := tr.ship(s.Stack); ship != nil && ship.Commit == s.Commit {
			return ship.Committed
		}
	}
	for _, l := range t.Live {
		if l.Stack == s.Stack && l.Shipment.Commit == s.Commit {
			return l.Shipment.Committed
		}
	}
	return time.Time{}
}

// serves records what the stage is on now and who brought it there.
func (t *turn) serves(run Run, e Ended) {
	l := Live{Stack: e.Stack, Stage: e.Stage, Shipment: e.Shipment, Train: run.Train, At: t.at}
	l.Shipment.Green = nil
	if i := t.find(run.Train); i >= 0 {
		l.Riders = crew(t.Queue.Trains[i])
	} else if run.Back {
		if old := t.live(e.Stack, e.Stage); old != nil {
			l.Riders, l.Train = old.Riders, old.Train
		}
	}
	if old := t.live(e.Stack, e.Stage); old != nil {
		*old = l
		return
	}
	t.Live = append(t.Live, l)
}

// arrive moves the train's marker when all its rollouts of the stage are over and green.
func (t *turn) arrive(tr *Train, run Run, e Ended) {
	if ship := tr.ship(run.Stack); ship != nil && e.Outcome == OutDone {
		ship.passed(run, e.Shipment)
		if run.Back {
			tr.Stage = ""
			if len(ship.Green) > 0 {
				tr.Stage = ship.Green[len(ship.Green)-1]
			}
			clearMarks(tr)
		}
	}
	if slices.ContainsFunc(t.Busy, func(r Run) bool { return r.Train == tr.ID && !r.Stuck }) {
		return // another stack of it is under way
	}
	stage := tr.Runs
	tr.Runs = ""
	tr.moved(t.at)
	if stage == "" || run.Back || e.Outcome != OutDone {
		return
	}
	var there []string
	for _, name := range t.Stacks(*tr) {
		s, _ := t.Rules.Find(name)
		if !slices.ContainsFunc(s.Stages, func(g Stage) bool { return g.Name == stage }) {
			continue
		}
		if sh := tr.ship(name); sh == nil || !slices.Contains(sh.Green, stage) {
			return
		}
		there = append(there, name)
	}
	tr.Stage = stage
	clearMarks(tr)
	t.emit(Arrived{Train: tr.ID, Stage: stage, Stacks: there, Riders: seats(*tr), Next: t.Next(*tr), Up: tr.Up})
}

// passed notes that a rollout of shipped is DONE: the stage is green for it, and
// no other is for a release that is new; after a rollback it is green no more.
func (s *Shipment) passed(run Run, shipped Shipment) {
	s.Green = slices.DeleteFunc(s.Green, func(g string) bool { return g == run.Stage })
	if run.Back {
		return
	}
	green := s.Green
	if s.Digest != shipped.Digest {
		green = nil
	}
	*s = shipped
	s.Green = append(green, run.Stage)
}
