package train

import (
	"fmt"
	"slices"
	"time"
)

// Refusal is an event that changed nothing because a rule says so. Its text is
// for the person who asked: why, and what to do.
type Refusal struct {
	Code string // the rule, for counting: "not driver", "held", …
	Text string
}

func (r *Refusal) Error() string { return r.Text }

func refuse(code, format string, args ...any) error {
	return &Refusal{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Apply returns the state after in, and what came of it. It never changes s; on
// an error the state is s as it was, and the error is a *Refusal.
func (s State) Apply(in Input) (State, []Effect, error) {
	t := turn{State: s.clone(), at: in.At, by: in.By}
	held := t.held()
	t.bind(in.Event)
	if err := t.do(in.Event); err != nil {
		return s, nil, err
	}
	t.gone(s.Queue.Trains)
	t.settle(held)
	t.askings()
	t.write()
	return t.State, t.effects, nil
}

// turn is one Apply under way.
type turn struct {
	State
	at      time.Time
	by      Who
	effects []Effect
}

func (t *turn) emit(e Effect) { t.effects = append(t.effects, e) }

func (t *turn) do(e Event) error {
	switch e := e.(type) {
	case Join:
		return t.join(e)
	case Leave:
		return t.leave(e)
	case Kick:
		return t.kick(e)
	case Hotfix:
		return t.hotfix(e)
	case Drive:
		return t.drive(e)
	case Vote:
		return t.vote(e)
	case Step:
		return t.step(e)
	case Confirm:
		return t.confirm(e)
	case Sync:
		return t.sync(e)
	case Ship:
		return t.shipByShell(e)
	case At:
		return t.mark(e)
	case Done:
		return t.done(e)
	case Abort:
		return t.abort(e)
	case Rollback:
		return t.rollback(e)
	case Halt:
		return t.halt(e)
	case Lift:
		return t.lift(e)
	case Note:
		return t.note(e)
	case Edited:
		return t.edited(e)
	case Log:
		t.emit(Logged{Text: CleanMessage(e.Text), By: t.by.Nick})
	case Quiet:
		return t.quiet(e)
	case Online:
		t.online(e)
	case Shown:
		t.see(e.Text, "")
	case Renamed:
		t.renamed(e)
	case Handed:
		t.handed(e)
	case Voided:
		t.voided(e)
	case Identified:
		t.identified(e)
	case Parted:
		t.parted()
	case Heard:
		t.heard(e)
	case Configured:
		t.configured(e)
	case Pinned:
		t.pinned(e)
	case Ended:
		t.ended(e)
	case Hours:
		t.hours(e)
	case Tick:
		t.tick()
	default:
		panic(fmt.Sprintf("train: unknown event %T", e))
	}
	return nil
}

// configured takes over the rules. A seat that named no stack stays in the lane that it is in
// when another stack is the default now.
func (t *turn) configured(e Configured) {
	was, there := e.Rules.Find(t.Rules.Default())
	t.Rules = e.Rules
	if !there || was.Name == e.Rules.Default() {
		return
	}
	for _, tr := range t.Queue.Trains {
		for j := range tr.Riders {
			switch r := &tr.Riders[j]; r.Stack {
			case "":
				r.Stack = was.Name
			case e.Rules.Default():
				r.Stack = ""
			}
		}
	}
}

// held lists the IDs of the trains that may not take their next step.
func (t *turn) held() []int {
	var ids []int
	for _, tr := range t.Queue.Trains {
		if t.heldFor(tr) != "" {
			ids = append(ids, tr.ID)
		}
	}
	return ids
}

// gone tells of the trains of before that were up and are no more, but for those
// that Over tells of.
func (t *turn) gone(before []Train) {
	for _, tr := range before {
		over := slices.ContainsFunc(t.effects, func(e Effect) bool { o, ok := e.(Over); return ok && o.Train == tr.ID })
		if !tr.Up.IsZero() && !over && t.find(tr.ID) < 0 {
			t.emit(Gone{Train: tr.ID, Stacks: t.Stacks(tr), Up: tr.Up, Stage: tr.Stage})
		}
	}
}

// settle says what has become true of the queue: new heads, ready trains. The
// time of those that were held before counts from the hold's end.
func (t *turn) settle(held []int) {
	t.Queue.Trains, _ = t.startedFirst(t.Queue.Trains)
	for i := range t.Queue.Trains {
		tr := &t.Queue.Trains[i]
		t.calm(tr)
		was, is := slices.Contains(held, tr.ID), t.heldFor(*tr) != ""
		if was && !is {
			tr.moved(t.at)
		}
		if !tr.Started() && !t.IsHead(i) || t.sleeps(*tr) {
			if !tr.Up.IsZero() {
				t.emit(Passed{Train: tr.ID})
			}
			tr.Up = time.Time{} // it is told again
		}
		if was != is && !tr.Up.IsZero() {
			t.emit(Paused{Train: tr.ID, On: is})
			if !is {
				t.freed(tr.Driver().Nick)
			}
		}
		if tr.Up.IsZero() && t.mayBeUp(i) {
			t.rise(tr)
		}
		switch all := !slices.ContainsFunc(tr.Riders, func(r Rider) bool { return r.Mark != Good }); {
		case !all:
			tr.Ready = false
		case !tr.Ready && !tr.Up.IsZero() && tr.Runs == "":
			t.emit(EveryoneReady{Train: tr.ID, Riders: seats(*tr), Next: t.Next(*tr)})
			tr.Ready = true
			tr.moved(t.at)
		}
	}
}

// freed notes beside the hold that was lifted whose train it held.
func (t *turn) freed(driver string) {
	for i, e := range slices.Backward(t.effects) {
		if l, ok := e.(Lifted); ok {
			l.Freed = append(l.Freed, driver)
			t.effects[i] = l
			return
		}
	}
}

// mayBeUp reports whether train i is the head and the hours are no reason to wait. A
// marker that a hand wrote outside of them is none to leave.
func (t *turn) mayBeUp(i int) bool {
	tr := t.Queue.Trains[i]
	return t.IsHead(i) && (!t.Hours.Closed || tr.Haste.Why != "")
}

// rise tells the riders of tr that they are up.
func (t *turn) rise(tr *Train) {
	tr.Up = t.at
	tr.moved(t.at)
	t.emit(Up{Train: tr.ID, Riders: seats(*tr), Fresh: nicks(*tr), Stacks: t.Stacks(*tr), Held: t.heldFor(*tr)})
}

// moved notes that tr did, and that nobody was reminded since.
func (tr *Train) moved(at time.Time) { tr.Since, tr.Nudge, tr.Pings = at, 0, nil }

// startedFirst moves started trains in front of the waiting ones of their lanes,
// and returns those that it moved.
func (t *turn) startedFirst(trains []Train) (out, moved []Train) {
	for _, tr := range trains {
		at := len(out)
		if tr.Started() {
			stacks := t.Stacks(tr)
			if i := slices.IndexFunc(out, func(o Train) bool { return !o.Started() && shareStack(t.Stacks(o), stacks) }); i >= 0 {
				at = i
				moved = append(moved, tr)
			}
		}
		out = slices.Insert(out, at, tr)
	}
	return out, moved
}

// write remembers the text that the queue is written as, so that a restart knows its own.
func (t *turn) write() {
	text := t.Topic()
	if len(t.Own) > 0 && t.Own[0] == text {
		return
	}
	t.Own = slices.DeleteFunc(t.Own, func(o string) bool { return o == text })
	t.Own = slices.Insert(t.Own, 0, text)
	t.Own = t.Own[:min(len(t.Own), 8)]
}

// renumber gives every train without an ID the next one.
func (t *turn) renumber() {
	for i := range t.Queue.Trains {
		if t.Queue.Trains[i].ID == 0 {
			t.Last++
			t.Queue.Trains[i].ID = t.Last
		}
	}
}

// drop removes train i; what people wrote in front of it stays.
func (t *turn) drop(i int) {
	q := &t.Queue
	before := q.Trains[i].Before
	q.Trains = slices.Delete(q.Trains, i, i+1)
	if i < len(q.Trains) {
		q.Trains[i].Before = append(before, q.Trains[i].Before...)
	} else {
		q.Rest = append(before, q.Rest...)
	}
}

// clearMarks asks the riders anew. An uh-oh stays: its rider clears it (DESIGN §10.1).
func clearMarks(tr *Train) {
	for i := range tr.Riders {
		if tr.Riders[i].Mark == Good {
			tr.Riders[i].Mark = None
		}
	}
}

func seats(tr Train) []Seat {
	var out []Seat
	for _, r := range tr.Riders {
		out = append(out, Seat{Nick: r.Nick, Joined: r.Joined})
	}
	return out
}

func nicks(tr Train) []string {
	var out []string
	for _, r := range tr.Riders {
		out = append(out, r.Nick)
	}
	return out
}

func clock(at time.Time) string { return at.UTC().Format("15:04") + " UTC" }
