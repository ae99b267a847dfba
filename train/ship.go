package train

import (
	"fmt"
	"slices"
	"strings"
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
		run.Stuck = false // there is no train whose command could decide it
		t.emit(GoOn{Stack: st.Name, By: t.by.Nick})
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
		if e.Outcome != OutRolledBack || run.Stage != p.Stage {
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
	case run != nil && run.Back && run.Stuck:
		run.Stuck = false // to try again is all that can be meant
		t.emit(GoOn{Stack: stack, By: t.by.Nick})
		return nil
	case run != nil && run.Back:
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
	t.emit(Stop{Stack: stack, By: t.by.Nick, Why: strings.TrimSuffix(".rollback: "+why, ": ")})
	stuck := run.Stuck
	run.Stuck = false
	if i := t.find(run.Train); i >= 0 {
		t.Queue.Trains[i].Runs = run.Stage
	}
	if l != nil && !(stuck && run.Stage == stage) {
		t.Undo = append(slices.DeleteFunc(t.Undo, func(o PendingUndo) bool { return o.Stack == stack }), p)
	}
	return nil
}

// holdBack holds the stack of a rollback, for the riders of the train that it
// undoes. A hold that stands already is not replaced.
func (t *turn) holdBack(stack, by, why string, l *Live, run *Run) {
	if slices.ContainsFunc(t.Queue.Holds, func(h Hold) bool { return h.Stack == stack }) {
		return
	}
	h := Hold{Stack: stack, Why: CleanMessage(strings.TrimSuffix("rolled back: "+why, ": ")), By: Visible(by), Since: t.at}
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
