package train

import (
	"fmt"
	"slices"
	"strings"
)

func (t *turn) cap() int {
	if t.Rules.Cap == 0 {
		return 8
	}
	return t.Rules.Cap
}

// newRider is By as a rider of the stack that was named, "" = the default one.
func (t *turn) newRider(named string) (r Rider, stack string, err error) {
	if stack, err = t.stackNamed(named); err != nil {
		return r, stack, err
	}
	if shown := Visible(t.by.Nick); shown != t.by.Nick {
		return r, stack, refuse("nick", "your nick has signs that nobody sees, %s: take another one", shown)
	}
	r = Rider{Nick: t.by.Nick, Who: t.by.identity(), Joined: t.at}
	if stack == "" {
		stack = t.Rules.Default()
	}
	if stack != t.Rules.Default() {
		r.Stack = stack
	}
	return r, stack, nil
}

// join takes a seat: see Join, and DESIGN §4 for where.
func (t *turn) join(e Join) error {
	r, stack, err := t.newRider(e.Stack)
	if err != nil {
		return err
	}
	r.AskMe, r.Hold = e.AskMe, e.Hold
	if err := t.waitsAlready(stack); err != nil {
		return err
	}
	i := -1
	switch {
	case e.With != "":
		k, err := t.trainOf(e.With, stack)
		if err != nil {
			return err
		}
		tr := t.Queue.Trains[k]
		switch {
		case tr.Left():
			return refuse("left the platform", "%s's train has left the platform (%s): .join takes the next one", e.With, t.whereabouts(tr))
		case len(tr.Riders) >= t.cap():
			return refuse("full", "%s's train is full (%d riders): .join takes the next one", e.With, len(tr.Riders))
		case t.seat(tr, t.by) >= 0 || t.named(tr, t.by.Nick) >= 0:
			return refuse("twice", "you ride with %s already, in %s: .leave gives the seat up", e.With, t.lanePlace(k))
		}
		i = k
	case e.Before != "":
		k, err := t.trainOf(e.Before, stack)
		if err != nil {
			return err
		}
		tr := t.Queue.Trains[k]
		if tr.Haste.Why != "" {
			return refuse("hotfix", "%s's train is a hotfix (%s), nobody gets in front of it: .join takes the next one", e.Before, tr.Haste.Why)
		}
		if tr.Left() {
			return refuse("left the platform", "%s's train has left the platform (%s), nobody gets in front of it: .join takes the next one", e.Before, t.whereabouts(tr))
		}
		t.Queue.Trains = slices.Insert(t.Queue.Trains, k, Train{})
		i = k
	case !e.Last && !e.AskMe && !e.Hold:
		i = t.roomFor(stack)
	}
	if i < 0 {
		t.Queue.Trains = append(t.Queue.Trains, Train{})
		i = len(t.Queue.Trains) - 1
		t.Queue.Trains[i].Before, t.Queue.Rest = t.Queue.Rest, nil
	}
	tr := &t.Queue.Trains[i]
	tr.Riders = append(tr.Riders, r)
	if m := CleanMessage(e.Message); m != "" {
		if tr.Message != "" {
			m = tr.Message + ", " + m
		}
		tr.Message = CleanMessage(m)
	}
	t.renumber()
	tr = &t.Queue.Trains[i]
	b := Boarded{Nick: r.Nick, Stack: stack, Train: tr.ID, Place: t.Place(i), Size: len(tr.Riders)}
	b.Shut = t.shut(*tr)
	if b.Place == 0 {
		b.Held = t.heldFor(*tr)
	}
	t.emit(b)
	t.hand(tr.ID, &tr.Riders[len(tr.Riders)-1])
	if !tr.Up.IsZero() && b.Place == 0 {
		t.emit(Up{Train: tr.ID, Riders: seats(*tr), Fresh: []string{r.Nick}, Stacks: t.Stacks(*tr), Held: t.heldFor(*tr), Again: true})
	}
	return nil
}

// waitsAlready refuses a second waiting seat on a stack: nobody waits twice.
func (t *turn) waitsAlready(stack string) error {
	for i, tr := range t.Queue.Trains {
		if tr.Left() {
			continue
		}
		for _, r := range tr.Riders {
			if !t.is(r, t.by) && !t.Casemap.Same(r.Nick, t.by.Nick) || t.stackOf(r) != stack {
				continue
			}
			if !t.is(r, t.by) {
				return refuse("name taken", "somebody else rides as %s: take another nick, or have that seat freed with .kick %s", r.Nick, r.Nick)
			}
			return refuse("twice", "you are in the queue already, in %s%s: .leave gives the seat up", t.lanePlace(i), t.company(tr))
		}
	}
	return nil
}

// roomFor is the first train of the lane, not its head, that carries just that
// stack and takes one more; -1 without one.
func (t *turn) roomFor(stack string) int {
	head := t.HeadOf(stack)
	for i, tr := range t.Queue.Trains {
		if i == head || tr.Left() || tr.Haste.Why != "" || len(tr.Riders) >= t.cap() {
			continue
		}
		if st := t.Stacks(tr); len(st) != 1 || st[0] != stack {
			continue
		}
		closed := slices.ContainsFunc(tr.Riders, func(r Rider) bool { return r.AskMe || r.Hold || t.Casemap.Same(r.Nick, t.by.Nick) })
		if !closed {
			return i
		}
	}
	return -1
}

// trainOf finds the train of a person who is named: one of the stack before others, a waiting one before started ones.
func (t *turn) trainOf(nick, stack string) (int, error) {
	best, score := -1, -1
	for i, tr := range t.Queue.Trains {
		if t.named(tr, nick) < 0 {
			continue
		}
		n := 0
		if !tr.Left() {
			n += 2
		}
		if slices.Contains(t.Stacks(tr), stack) {
			n++
		}
		if n > score {
			best, score = i, n
		}
	}
	if best < 0 {
		return 0, refuse("not in the queue", "%s is not in the queue: .queue shows who is", nick)
	}
	return best, nil
}

// leave gives up By's seats.
func (t *turn) leave(e Leave) error {
	var at []int
	for i, tr := range t.Queue.Trains {
		if t.seat(tr, t.by) >= 0 {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		if err := t.stranger(); err != nil {
			return err
		}
		return refuse("not in the queue", "you are not in the queue: .queue shows who is")
	}
	if e.Last {
		at = at[len(at)-1:]
	}
	for _, i := range at {
		tr := t.Queue.Trains[i]
		switch {
		case tr.Runs != "":
			return refuse("rollout runs", "the rollout of %s runs with your change: .abort stops it, .leave works when it has ended", tr.Runs)
		case tr.Started() && t.seat(tr, t.by) == 0:
			if len(tr.Riders) == 1 {
				return refuse("drives", "you drive a train that is under way: .done ends it")
			}
			return refuse("drives", "you drive a train that is under way: `.drive %s` hands it over, .done ends it", tr.Riders[1].Nick)
		}
	}
	t.unseat(at, func(tr Train) int { return t.seat(tr, t.by) }, t.by.Nick, "")
	return nil
}

// kick takes a person's seats.
func (t *turn) kick(e Kick) error {
	var at []int
	refused := error(nil)
	for i, tr := range t.Queue.Trains {
		if t.named(tr, e.Nick) < 0 {
			continue
		}
		switch {
		case tr.Runs != "":
			refused = refuse("rollout runs", "the rollout of %s runs with %s's change: .abort stops it, .kick works when it has ended", tr.Runs, e.Nick)
		case tr.Started() && t.seat(tr, t.by) < 0 && !t.by.Op:
			refused = refuse("not aboard", "that train is under way: its riders (%s) or an op can kick %s", joinNicks(tr), e.Nick)
		case tr.Started() && t.named(tr, e.Nick) == 0 && !tr.Driver().Gone && !t.by.Op:
			refused = refuse("drives", "%s drives a train that is under way: when they are away or silent .drive takes the wheel, and then .kick works", e.Nick)
		default:
			if tr.Started() && t.seat(tr, t.by) < 0 {
				t.overrule(".kick in a train under way")
			}
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		if refused != nil {
			return refused
		}
		return refuse("not in the queue", "%s is not in the queue: .queue shows who is", e.Nick)
	}
	t.unseat(at, func(tr Train) int { return t.named(tr, e.Nick) }, e.Nick, t.by.Nick)
	return nil
}

// unseat takes one seat from each of the trains, and tells who rode there.
func (t *turn) unseat(at []int, seat func(Train) int, nick, by string) {
	d := Departed{Nick: nick, By: by, Seats: len(at)}
	for _, i := range slices.Backward(at) {
		for j, other := range nicks(t.Queue.Trains[i]) {
			if j != seat(t.Queue.Trains[i]) {
				d.Riders = append(d.Riders, other)
			}
		}
	}
	wheel := t.remove(at, seat, nick)
	t.emit(d)
	for _, w := range wheel {
		t.emit(w)
	}
}

// remove takes one seat from each of the trains, last first, and returns who drives them now.
func (t *turn) remove(at []int, seat func(Train) int, nick string) (wheel []Wheel) {
	for _, i := range slices.Backward(at) {
		tr := &t.Queue.Trains[i]
		j := seat(*tr)
		tr.Riders = slices.Delete(tr.Riders, j, j+1)
		switch {
		case len(tr.Riders) == 0:
			t.drop(i)
		case j == 0 && !tr.Up.IsZero():
			tr.moved(t.at)
			wheel = append(wheel, Wheel{Train: tr.ID, Driver: tr.Driver().Nick, Was: nick, Because: "the driver is out"})
		}
	}
	return wheel
}

// lanePlace names a train by its place: "train 2 of web".
func (t *turn) lanePlace(i int) string {
	stacks := strings.Join(t.Stacks(t.Queue.Trains[i]), " and ")
	if n := t.Place(i); n > 0 {
		return fmt.Sprintf("train %d of %s", n+1, stacks)
	}
	return "the head train of " + stacks
}

// company says with whom By rides in tr.
func (t *turn) company(tr Train) string {
	others := slices.DeleteFunc(nicks(tr), func(n string) bool { return t.Casemap.Same(n, t.by.Nick) })
	if len(others) == 0 {
		return ""
	}
	return ", with " + strings.Join(others, ", ")
}

// stackNamed returns the stack that a name or an alias means; "" stays "".
func (t *turn) stackNamed(word string) (string, error) {
	if word == "" {
		return "", nil
	}
	if s, ok := t.Rules.Find(word); ok {
		return s.Name, nil
	}
	return "", refuse("no such stack", "there is no stack %s: it is one of %s", word, strings.Join(t.Rules.Names(), ", "))
}

// whereabouts says in a few words how far a train is.
func (t *turn) whereabouts(tr Train) string {
	switch {
	case tr.Runs != "":
		return tr.Runs + " runs since " + clock(tr.Since)
	case tr.Stage != "":
		return "it is at " + tr.Stage
	}
	return "its commit is pinned"
}
