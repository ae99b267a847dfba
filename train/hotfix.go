package train

import (
	"slices"
	"time"
)

// Haste is why a train goes first, at any hour, and on whose word. It holds while
// the one who gave it rides there.
type Haste struct {
	Why   string // "" = it is no hotfix
	By    Who
	Known string    // what proved who By is: account, hostmask or nick
	At    time.Time // when their seat was taken
}

// hotfix puts By into a train that goes next: behind those of the lane that have
// left, and behind earlier hotfixes. The seat where they wait is given up.
func (t *turn) hotfix(e Hotfix) error {
	r, stack, err := t.newRider(e.Stack)
	if err != nil {
		return err
	}
	why := CleanMessage(e.Why)
	switch {
	case why == "":
		return refuse("no reason", "say why: `.hotfix \"why\"`; the journal keeps it")
	case t.Identity() == "account" && t.by.Account == "":
		return refuse("no account", "log in to services first: only an account can start a rollout here")
	}
	var at []int // where By waits
	for i, tr := range t.Queue.Trains {
		for _, other := range tr.Riders {
			mine := t.is(other, t.by)
			switch {
			case tr.Left() || !mine && !t.Casemap.Same(other.Nick, t.by.Nick) || t.stackOf(other) != stack:
			case !mine:
				return refuse("name taken", "somebody else rides as %s: take another nick, or have that seat freed with .kick %[1]s", other.Nick)
			case tr.Haste.Why != "":
				return refuse("twice", "your train is a hotfix already, %s: .leave gives the seat up", t.lanePlace(i))
			case !tr.Up.IsZero() && t.seat(tr, t.by) == 0:
				return refuse("up", "you're up already: .%s rolls out", t.Next(tr))
			default:
				at = append(at, i)
			}
		}
	}
	wheel := t.remove(at, func(tr Train) int { return t.seat(tr, t.by) }, t.by.Nick)
	k, passed := t.nextPlace(stack)
	tr := Train{Riders: []Rider{r}, Message: CleanMessage("hotfix: " + why), Haste: Haste{Why: why, By: r.Who, Known: t.Identity(), At: t.at}}
	if k == len(t.Queue.Trains) {
		tr.Before, t.Queue.Rest = t.Queue.Rest, nil
	}
	t.Queue.Trains = slices.Insert(t.Queue.Trains, k, tr)
	t.renumber()
	made := &t.Queue.Trains[k]
	h := Hotfixed{Nick: r.Nick, Stack: stack, Train: made.ID, Place: t.Place(k), Known: made.Haste.Known, As: describe(r.Who), Why: why, Passed: passed}
	if h.Place > 0 {
		h.Behind = t.front(*made)
	} else {
		h.Held = t.heldFor(*made)
	}
	t.emit(h)
	for _, w := range wheel {
		t.emit(w)
	}
	t.hand(made.ID, &made.Riders[0])
	return nil
}

// nextPlace is where a hotfix of a stack gets in, and who is up there and has to wait for it.
func (t *turn) nextPlace(stack string) (k int, passed []string) {
	k = -1
	for i, tr := range t.Queue.Trains {
		if !slices.Contains(t.Stacks(tr), stack) {
			continue
		}
		if k < 0 {
			k = i
		}
		if tr.Left() || tr.Haste.Why != "" {
			k = i + 1
		}
	}
	if k < 0 {
		return len(t.Queue.Trains), nil
	}
	for _, tr := range t.Queue.Trains[k:] {
		if slices.Contains(t.Stacks(tr), stack) && !tr.Up.IsZero() {
			passed = append(passed, nicks(tr)...)
		}
	}
	return k, passed
}

// calm ends the haste of a train that the one who asked for it has left.
func (t *turn) calm(tr *Train) {
	if tr.Haste.Why != "" && !tr.Started() && !slices.ContainsFunc(tr.Riders, func(r Rider) bool { return r.Hand == "" && r.Joined.Equal(tr.Haste.At) }) {
		tr.Haste = Haste{}
	}
}
