package train

import (
	"slices"
	"strings"
	"time"
)

// askLife is how long a driver's word waits for a second one.
const askLife = 15 * time.Minute

// Ask is a driver's word for a stage that wants a second person's, and what it was
// said of. It is void as soon as any of that is otherwise.
type Ask struct {
	Stage  string
	By     Who
	At     time.Time
	Ships  []Shipment  // releases and manifests
	Riders []time.Time // when each seat was taken, in order
}

// Until is when it is too late for the second one.
func (a Ask) Until() time.Time { return a.At.Add(askLife) }

// wantsOther reports whether a stage of one of these stacks wants a second person's
// word. One that is STUCK has had it.
func (t *turn) wantsOther(todo []Stack, stage string) bool {
	return slices.ContainsFunc(todo, func(st Stack) bool {
		return t.run(st.Name) == nil && slices.ContainsFunc(st.Stages, func(g Stage) bool { return g.Name == stage && g.Confirm })
	})
}

// ask has a stage of tr wait for a second person.
func (t *turn) ask(tr *Train, todo []Stack, stage string) error {
	for _, st := range todo {
		if ship := tr.ship(st.Name); ship == nil || ship.Digest == "" {
			return refuse("not built", "there is no release of %s yet that somebody could confirm: .%s first", st.Name, st.Stages[0].Name)
		}
	}
	if len(tr.Riders) == 1 {
		return refuse("alone", "%s wants a second person's .confirm, and you ride alone: write somebody into your train by hand, or `pushtrain deploy --override` says why not", stage)
	}
	tr.Asks = Ask{Stage: stage, By: t.by.identity(), At: t.at, Ships: shipped(*tr), Riders: taken(*tr)}
	tr.moved(t.at)
	t.emit(Asked{Train: tr.ID, Stage: stage, By: tr.Driver().Nick, Riders: nicks(*tr)[1:], Ships: tr.Asks.Ships})
	return nil
}

// confirm starts what the driver has asked for.
func (t *turn) confirm(e Confirm) error {
	i, err := t.pick(e.Stack, "ride in", func(tr Train) bool { return t.seat(tr, t.by) >= 0 })
	if err != nil {
		return err
	}
	tr := &t.Queue.Trains[i]
	j, ask := t.seat(*tr, t.by), tr.Asks
	switch {
	case ask.Stage == "":
		return refuse("nothing asked", "nothing waits for a second person: the driver, %s, asks by the stage's command", tr.Driver().Nick)
	case !t.at.Before(ask.Until()):
		return refuse("too late", "%s asked at %s, more than %s ago: .%s asks again", ask.By.Nick, clock(ask.At), short(askLife), ask.Stage)
	case j == 0 || t.Identity() != "nick" && t.sameIdentity(ask.By, t.by):
		return refuse("same person", "%s asked for %s, and so far as I know that is you: it takes another rider", ask.By.Nick, ask.Stage)
	case t.Identity() == "account" && t.by.Account == "":
		return refuse("no account", "log in to services first: only an account can start a rollout here")
	}
	r := &tr.Riders[j]
	if err := t.unproven(*r, e.Code, ".confirm"); err != nil {
		return err
	}
	if e.Code != 0 {
		t.hand(tr.ID, r)
	}
	t.emit(Confirmed{Train: tr.ID, Stage: ask.Stage, By: t.by.Nick, For: tr.Driver().Nick})
	return t.depart(i, ask.Stage, tr.Driver().Nick, "", true)
}

// askings voids what waits for a second person and is not any more what was asked for.
func (t *turn) askings() {
	for i := range t.Queue.Trains {
		if tr := &t.Queue.Trains[i]; tr.Asks.Stage != "" && !t.stands(i) {
			t.emit(AskVoid{Train: tr.ID, Stage: tr.Asks.Stage, Driver: tr.Driver().Nick})
			tr.Asks = Ask{}
		}
	}
}

// stands reports whether all that train i asked for is as it was.
func (t *turn) stands(i int) bool {
	tr := t.Queue.Trains[i]
	todo, err := t.todo(tr, tr.Asks.Stage)
	return err == nil && t.IsHead(i) && t.gates(tr, tr.Asks.Stage, todo) == nil &&
		slices.EqualFunc(tr.Asks.Ships, shipped(tr), sameShip) && slices.EqualFunc(tr.Asks.Riders, taken(tr), time.Time.Equal)
}

// unask takes the word back of a driver whose train By rides in; it reports whether there was one.
func (t *turn) unask() bool {
	i := slices.IndexFunc(t.Queue.Trains, func(tr Train) bool { return tr.Asks.Stage != "" && t.seat(tr, t.by) >= 0 })
	if i < 0 {
		return false
	}
	tr := &t.Queue.Trains[i]
	t.emit(AskVoid{Train: tr.ID, Stage: tr.Asks.Stage, Driver: tr.Driver().Nick, By: t.by.Nick})
	tr.Asks = Ask{}
	return true
}

// sameShip reports whether a and b are the same tree of the same stack.
func sameShip(a, b Shipment) bool {
	return a.Stack == b.Stack && a.Commit == b.Commit && a.Release == b.Release && a.Digest == b.Digest
}

func shipped(tr Train) []Shipment {
	out := slices.Clone(tr.Ships)
	for i := range out {
		out[i].Green = nil
	}
	return out
}

func taken(tr Train) []time.Time {
	var out []time.Time
	for _, r := range tr.Riders {
		out = append(out, r.Joined)
	}
	return out
}

// Releases names what an Ask is about: "web 1a2b3c4".
func (a Asked) Releases() string {
	var out []string
	for _, s := range a.Ships {
		out = append(out, s.Stack+" "+s.Release)
	}
	return strings.Join(out, " and ")
}
