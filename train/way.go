package train

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// pick finds the one train that a command of By means: the started or head train,
// of the stack if one is named, in which has holds. role completes "you … no train".
func (t *turn) pick(stack, role string, has func(Train) bool) (int, error) {
	stack, err := t.stackNamed(stack)
	if err != nil {
		return 0, err
	}
	var at []int
	for i, tr := range t.Queue.Trains {
		if (tr.Started() || t.IsHead(i) && !tr.Up.IsZero()) && (stack == "" || slices.Contains(t.Stacks(tr), stack)) && has(tr) {
			at = append(at, i)
		}
	}
	switch len(at) {
	case 1:
		return at[0], nil
	case 0:
		return 0, t.notUp(stack, role)
	}
	var names []string
	for _, i := range at {
		names = append(names, t.Stacks(t.Queue.Trains[i])...)
	}
	return 0, refuse("which", "you %s several trains: name the stack, one of %s", role, strings.Join(names, ", "))
}

// notUp says why no head train, of the stack if one is named, is By's.
func (t *turn) notUp(stack, role string) error {
	for i, tr := range t.Queue.Trains {
		if t.seat(tr, t.by) < 0 {
			continue
		}
		if t.shut(tr) {
			return t.offHours()
		}
		if t.Place(i) > 0 && !tr.Started() {
			return refuse("not up", "you ride in %s, behind %s: wait for \"You're up\"", t.lanePlace(i), t.front(tr))
		}
		if stacks := t.Stacks(tr); stack != "" && !slices.Contains(stacks, stack) {
			return refuse("other stack", "your train carries %s, not %s: leave the stack out, or .join %s", strings.Join(stacks, " and "), stack, stack)
		}
		return refuse("not driver", "%s drives this train, up since %s: `.drive %s` by %s hands you the wheel", tr.Driver().Nick, clock(tr.Up), t.by.Nick, tr.Driver().Nick)
	}
	if err := t.stranger(); err != nil {
		return err
	}
	if t.Hours.Closed {
		return t.offHours()
	}
	return refuse("not in the queue", "you %s no train: .join takes a seat", role)
}

// stranger refuses By when a seat has their nick and is another person's; nil when none is.
func (t *turn) stranger() error {
	for _, tr := range t.Queue.Trains {
		if j := t.named(tr, t.by.Nick); j >= 0 {
			return refuse("not you", "the seat of %s is another person's (%s): come back as you joined, or have it freed with .kick %s", t.by.Nick, describe(tr.Riders[j].Who), tr.Riders[j].Nick)
		}
	}
	return nil
}

// front names the riders of the trains that head the lanes of tr.
func (t *turn) front(tr Train) string {
	var out []string
	for _, stack := range t.Stacks(tr) {
		if head := t.Queue.Trains[t.HeadOf(stack)]; head.ID != tr.ID && !slices.Contains(out, joinNicks(head)) {
			out = append(out, joinNicks(head))
		}
	}
	return strings.Join(out, ", and ")
}

// overrule notes, once a turn, that By acts as an op.
func (t *turn) overrule(what string) {
	if !slices.ContainsFunc(t.effects, func(e Effect) bool { _, ok := e.(Overruled); return ok }) {
		t.emit(Overruled{By: t.by.Nick, What: what})
	}
}

// vote marks By's seat.
func (t *turn) vote(e Vote) error {
	i, err := t.pick(e.Stack, "ride in", func(tr Train) bool { return t.seat(tr, t.by) >= 0 })
	if err != nil {
		return err
	}
	tr := &t.Queue.Trains[i]
	j := t.seat(*tr, t.by)
	r := &tr.Riders[j]
	waited := len(t.missing(*tr)) > 0
	if e.Mark == Uhoh && r.Mark != Uhoh {
		t.emit(Trouble{Nick: r.Nick, Train: tr.ID, Driver: tr.Driver().Nick})
	}
	r.Mark = e.Mark
	if j == 0 {
		tr.Since, tr.Nudge = t.at, 0
	}
	if waited && len(t.missing(*tr)) == 0 {
		tr.moved(t.at) // from now on it waits for the driver
	}
	return nil
}

// step asks for a stage's rollouts, one for each stack of the train that has the stage and needs it.
func (t *turn) step(e Step) error {
	if t.Identity() == "account" && t.by.Account == "" {
		return refuse("no account", "log in to services first: only an account can start a rollout here")
	}
	i, err := t.pick(e.Stack, "drive", func(tr Train) bool { return t.seat(tr, t.by) == 0 })
	if err != nil {
		return err
	}
	if err := t.unproven(t.Queue.Trains[i].Driver(), e.Code, "."+e.Stage); err != nil {
		return err
	}
	if err := t.depart(i, e.Stage, t.by.Nick, "", false); err != nil {
		return err
	}
	if e.Code != 0 {
		t.hand(t.Queue.Trains[i].ID, &t.Queue.Trains[i].Riders[0])
	}
	return nil
}

// depart checks the gates of a stage for train i and starts what has to run for by,
// or asks for a second person who has not yet confirmed. With override the gates are passed over.
func (t *turn) depart(i int, stage, by, override string, confirmed bool) error {
	tr := &t.Queue.Trains[i]
	todo, err := t.todo(*tr, stage)
	if err != nil {
		return err
	}
	if !t.IsHead(i) {
		return refuse("not up", "another train is in front of this one: wait for \"You're up\"")
	}
	if err := t.free(tr, todo, stage); err != nil {
		return err
	}
	if override == "" {
		if t.shut(*tr) {
			return t.offHours()
		}
		if err := t.gates(*tr, stage, todo); err != nil {
			return err
		}
		if !confirmed && t.wantsOther(todo, stage) {
			return t.ask(tr, todo, stage)
		}
	}
	if tr.Up.IsZero() { // outside of the hours, by an override
		t.rise(tr)
	}
	tr.Asks = Ask{}
	tr.Runs = stage
	tr.moved(t.at)
	for _, st := range todo {
		if run := t.run(st.Name); run != nil { // STUCK, or free would have refused
			t.goOn(run, by)
			continue
		}
		if tr.ship(st.Name) == nil {
			tr.Ships = append(tr.Ships, Shipment{Stack: st.Name})
		}
		ships := *tr.ship(st.Name)
		if st.Stages[0].Name == stage { // the first stage ships what the branch holds now, the later ones what it proved
			ships = Shipment{Stack: st.Name}
		}
		t.launch(Deploy{Train: tr.ID, Stack: st.Name, Stage: stage, By: by, Shipment: ships, Override: override, Hotfix: tr.Haste.Why})
	}
	return nil
}

func (t *turn) launch(d Deploy) {
	d.Shipment.Green = nil
	t.Busy = append(t.Busy, Run{Stack: d.Stack, Stage: d.Stage, Train: d.Train, By: d.By, Since: t.at, Host: d.Host})
	t.emit(d)
}

// todo lists the stacks of tr that a stage has to be rolled out for: those that
// have the stage and are not green; when all are, all of them again.
func (t *turn) todo(tr Train, stage string) ([]Stack, error) {
	var todo, again []Stack
	for _, name := range t.Stacks(tr) {
		s, ok := t.Rules.Find(name)
		k := slices.IndexFunc(s.Stages, func(g Stage) bool { return g.Name == stage })
		switch {
		case !ok || k < 0:
			continue
		case s.Stages[k].External:
			return nil, refuse("external", "%s of %s is deployed by something else: say `.at %s` when it is there", stage, name, stage)
		}
		if ship := tr.ship(name); ship != nil && slices.Contains(ship.Green, stage) {
			again = append(again, s)
			continue
		}
		todo = append(todo, s)
	}
	if len(todo) == 0 {
		todo = again
	}
	if len(todo) == 0 {
		if next := t.Next(tr); next != "" {
			return nil, refuse("no such stage", "%s has no stage %s: next is .%s", strings.Join(t.Stacks(tr), ", "), stage, next)
		}
		return nil, refuse("no such stage", "%s has no stage %s", strings.Join(t.Stacks(tr), ", "), stage)
	}
	return todo, nil
}

// free refuses while a rollout of the train or of one of the stacks runs.
func (t *turn) free(tr *Train, todo []Stack, stage string) error {
	for _, st := range todo {
		run := t.run(st.Name)
		switch {
		case run == nil:
		case run.Stuck && tr != nil && run.Train == tr.ID && run.Stage == stage:
			continue // the stage's command decides STUCK: see depart
		case run.Stuck && t.find(run.Train) < 0:
			return refuse("stuck", "%s/%s is STUCK since %s, its hosts differ: `.rollback %[1]s` goes back, `pushtrain deploy %[1]s %[2]s` goes on", run.Stack, run.Stage, clock(run.Since))
		case run.Stuck:
			return refuse("stuck", "%s/%s is STUCK since %s, its hosts differ: `.rollback %s` or `.%s` by that train decides", run.Stack, run.Stage, clock(run.Since), run.Stack, run.Stage)
		default:
			return refuse("busy", "%s is busy: %s by %s since %s; .abort stops it", st.Name, run.Stage, run.By, clock(run.Since))
		}
	}
	if tr != nil && tr.Runs != "" {
		return refuse("busy", "the rollout of %s runs since %s; .abort stops it", tr.Runs, clock(tr.Since))
	}
	return nil
}

// gates are what a stage asks of a train: nothing held, nobody unhappy, and from
// the second stage on the one before green and everybody but the driver good.
func (t *turn) gates(tr Train, stage string, todo []Stack) error {
	if why := t.heldFor(tr); why != "" {
		return refuse("held", "%s", why)
	}
	var missing []string
	for j, r := range tr.Riders {
		switch {
		case r.Mark == Uhoh:
			return refuse("uhoh", "%s said uh-oh: %s's .good or .leave, or a .kick, clears it", r.Nick, r.Nick)
		case r.Mark != Good && j > 0:
			missing = append(missing, r.Nick)
		}
	}
	later := false
	for _, st := range todo {
		k := slices.IndexFunc(st.Stages, func(g Stage) bool { return g.Name == stage })
		if k == 0 {
			continue
		}
		later = true
		if err := green(tr, st, k); err != nil {
			return err
		}
	}
	if later && len(missing) > 0 {
		return refuse("not ready", "not everyone is good: waiting for %s", strings.Join(missing, ", "))
	}
	return nil
}

// green refuses a stage that comes before one that is not green: stage k of the stack.
func green(tr Train, st Stack, k int) error {
	ship := tr.ship(st.Name)
	for _, g := range st.Stages[:k] {
		if ship != nil && slices.Contains(ship.Green, g.Name) {
			continue
		}
		way := "."
		if g.External {
			way = ".at "
		}
		return refuse("not green", "%s of %s is not green: %s%s first", g.Name, st.Name, way, g.Name)
	}
	return nil
}

// mark sets the marker by hand.
func (t *turn) mark(e At) error {
	i, err := t.ending(e.Stack)
	if err != nil {
		return err
	}
	tr := &t.Queue.Trains[i]
	if tr.Runs != "" {
		return refuse("rollout runs", "the rollout of %s runs: it sets the marker itself", tr.Runs)
	}
	stage, external, found := e.Stage, false, false
	for _, name := range t.Stacks(*tr) {
		s, _ := t.Rules.Find(name)
		for k, g := range s.Stages {
			if !strings.EqualFold(g.Name, e.Stage) {
				continue
			}
			stage, found = g.Name, true
			if !g.External {
				continue
			}
			if err := green(*tr, s, k); err != nil {
				return err
			}
			external = true
			ship := tr.ship(name)
			if ship == nil {
				tr.Ships = append(tr.Ships, Shipment{Stack: name})
				ship = &tr.Ships[len(tr.Ships)-1]
			}
			if !slices.Contains(ship.Green, stage) {
				ship.Green = append(ship.Green, stage)
			}
		}
	}
	if !found {
		return refuse("no such stage", "%s has no stage %s", strings.Join(t.Stacks(*tr), ", "), e.Stage)
	}
	tr.Stage = stage
	clearMarks(tr)
	tr.moved(t.at)
	t.emit(Marker{Train: tr.ID, Stage: stage, By: t.by.Nick, For: t.standsIn(*tr, ".at"), Proves: external})
	return nil
}

// ending finds the train that By may end or mark: the driver's; a rider's whose
// driver has left the channel; anybody's when all its riders have; any for an op.
func (t *turn) ending(stack string) (int, error) {
	may := func(tr Train) bool {
		j := t.seat(tr, t.by)
		allGone := !slices.ContainsFunc(tr.Riders, func(r Rider) bool { return !r.Gone })
		return j == 0 || j > 0 && tr.Driver().Gone || allGone || t.by.Op
	}
	if t.by.Op {
		if i, err := t.pick(stack, "drive", func(tr Train) bool { return t.seat(tr, t.by) == 0 }); err == nil {
			return i, nil
		}
	}
	i, err := t.pick(stack, "drive", may)
	if r, ok := err.(*Refusal); ok && r.Code == "not in the queue" && len(t.Queue.Trains) > 0 {
		tr := t.Queue.Trains[0]
		return 0, refuse("not driver", "%s drives the head train, up since %s: that is the driver's, a rider's when the driver has left, or anyone's when all riders have", tr.Driver().Nick, clock(tr.Up))
	}
	return i, err
}

// standsIn returns the driver in whose place By acts, "" when By drives. What an op does alone is noted.
func (t *turn) standsIn(tr Train, what string) string {
	j := t.seat(tr, t.by)
	if j == 0 {
		return ""
	}
	here := slices.ContainsFunc(tr.Riders, func(r Rider) bool { return !r.Gone })
	if here && (j < 0 || !tr.Driver().Gone) {
		t.overrule(what)
	}
	return tr.Driver().Nick
}

// done ends a train.
func (t *turn) done(e Done) error {
	i, err := t.ending(e.Stack)
	if err != nil {
		return err
	}
	tr := t.Queue.Trains[i]
	if tr.Runs != "" {
		return refuse("rollout runs", "the rollout of %s runs: .done works when it has ended, .abort stops it", tr.Runs)
	}
	for _, st := range t.Stacks(tr) {
		if run := t.run(st); run != nil && run.Train == tr.ID && run.Stuck {
			return refuse("stuck", "%s/%s is STUCK since %s, its hosts differ: `.rollback %s` goes back or `.%s` goes on, then .done", run.Stack, run.Stage, clock(run.Since), run.Stack, run.Stage)
		} else if run != nil && run.Train == tr.ID {
			return refuse("rollout runs", "%s/%s is under way since %s: .done works when it has ended", run.Stack, run.Stage, clock(run.Since))
		}
	}
	over := Over{Train: tr.ID, Stacks: t.Stacks(tr), Stage: tr.Stage, Riders: seats(tr), Up: tr.Up, By: t.by.Nick, For: t.standsIn(tr, ".done")}
	for _, r := range tr.Riders {
		if r.Mark != Good && !t.is(r, t.by) {
			over.NotGood = append(over.NotGood, r.Nick)
		}
	}
	t.drop(i)
	t.emit(over)
	return nil
}

// heldFor says why a train may not take its next step, "" when it may.
func (t *turn) heldFor(tr Train) string {
	for _, h := range t.Queue.Holds {
		if h.Stack == "" || slices.Contains(t.Stacks(tr), h.Stack) {
			return describeHold(h)
		}
	}
	for _, r := range tr.Riders {
		if r.Hold {
			return fmt.Sprintf("%s holds the line with this train: .unhold or .leave by %s, or a .kick, frees it", r.Nick, r.Nick)
		}
	}
	return ""
}

func describeHold(h Hold) string {
	s := "the line is held"
	if h.Stack != "" {
		s = h.Stack + " is held"
	}
	if h.By != "" {
		s += " by " + h.By
	}
	if !h.Since.IsZero() {
		s += " since " + clock(h.Since)
	}
	if h.Why != "" {
		s += fmt.Sprintf(" (%s)", h.Why)
	}
	lift := ".unhold"
	if h.Stack != "" {
		lift += " " + h.Stack
	}
	if h.Train != 0 {
		lift += " by its riders (" + whoNames(h.Crew) + ") or an op"
	}
	return s + ": " + lift + " lifts it"
}

func describe(w Who) string {
	switch {
	case w.Account != "":
		return "account " + w.Account
	case w.Host != "":
		return w.User + "@" + w.Host
	}
	return "not seen yet, under an account of that name"
}

func joinNicks(tr Train) string { return strings.Join(nicks(tr), ", ") }

// short writes a duration as people say it: "45 s", "3 min", "2 h 5 min".
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
