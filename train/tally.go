package train

import (
	"math"
	"slices"
	"time"
)

// Tally is what the stats and the forecasts are made of: a fold over the effects in
// the journal, in order. The zero Tally is ready for use. It keeps an entry a train
// and a rollout of the last 90 days, by the UTC day on which they ended, and of at
// most 20,000 trains; older days are forgotten as newer ones come. That is some 20
// MB at the very most, and 2 MB with 50 trains a day.
//
// Its words, here and wherever they are shown:
//
//   - a push is a rollout that ended DONE on the last stage of its stack: no rollback, no sync;
//   - wait is from a rider's Joined to the "You're up" of their train;
//   - live is from a rider's Joined to the end of the last stage's rollout;
//   - a cycle is from a train's "You're up" to its end; it shipped when it came to the
//     last stage of its stacks. Shown are those that shipped, with all that failed in
//     between; forecasts are made of all, those that shipped nothing too;
//   - the parts of a cycle are at Parts;
//   - lead is from the time of each commit that a push brought, merges left out and the
//     newest 50 at most, to its end. Where it is not known what a push brought, which is
//     so of the first one, the commit that was built counts alone. A repeat brings
//     nothing; a commit that comes again after a rollback counts again;
//   - restored is from when a bad release went live (its COMMIT, or the end of the
//     rollback before) to the end of the rollback that took it away, by a check or by hand;
//   - a rollout is done when it ended DONE and was not rolled back later, aborted when
//     nothing live was touched, rolled back when its release was live and was taken
//     away. One that is STUCK counts when people have decided. Rollbacks and syncs do not count;
//   - capacity is open hours × 60 / the median cycle in minutes × the cap, for each lane:
//     the talk's "15 min a deploy gives 32 deploys in 8 hours", times the riders;
//   - demand is how many seats are taken a day, over days on which any was;
//   - a hotfix is a .hotfix that was said, whatever came of it.
//
// Trains and waits are counted when the train has ended.
type Tally struct {
	days  []*Day
	open  map[int]*open       // by train: those that are up
	told  map[int]promise     // by train: what its first rider was told to wait
	lanes map[string]*history // by stack
}

// What the tally keeps.
const (
	tallyDays   = 90
	tallyTrains = 20_000
	tallyLeads  = 50 // of a push
)

// Day is what ended on one day.
type Day struct {
	Number   int // days since 1970-01-01 UTC
	Cycles   []Cycle
	Rollouts []Tried
	Joined   map[string][]int // seats taken, by stack and hour of the day, UTC; stack "" = by hands
	Hotfixes []Hurry          `json:",omitempty"`
	Told     int              // forecasts that came out
	Kept     int              // of those, how many lay in their range

	saved bool
}

// Hurry is a .hotfix that was said.
type Hurry struct {
	At          time.Time
	Stack, Nick string
}

// Cycle is a train that was up and has ended.
type Cycle struct {
	End     time.Time
	Took    time.Duration // from "You're up"
	Stacks  []string
	Shipped bool
	Riders  []Ride // in their order when it shipped or ended: the first one drove
	Parts   Parts
}

// Ride is one rider's part in a cycle.
type Ride struct {
	Nick string
	Wait time.Duration
	Live time.Duration // 0 = it never went live with them aboard

	Joined time.Time `json:",omitzero"` // only while the train is up
}

// Tried is a rollout that has ended.
type Tried struct {
	At           time.Time
	Stack, Stage string
	Last         bool // the last stage of the stack
	Outcome      Outcome
	Back         bool `json:",omitempty"`
	Undone       bool `json:",omitempty"` // it was DONE, and was rolled back later
	Train        int  `json:",omitempty"` // 0 = from the shell
	Driver       string
	Riders       []string      `json:",omitempty"` // nicks; none until the train has arrived, and from the shell
	Flip         time.Duration `json:",omitempty"` // from COMMIT to its end
	Leads        []int32       `json:",omitempty"` // of a push's commits, in seconds
	Restored     time.Duration `json:",omitempty"` // how long its bad release was live; 0 = it was not bad
}

// push reports whether it is one.
func (r Tried) push() bool { return r.Last && !r.Back && r.Outcome == OutDone }

// Counts reports whether the tally reads effects of that TypeName: others need not be decoded.
func Counts(name string) bool {
	switch name {
	case "Boarded", "Adopted", "Up", "EveryoneReady", "Trouble", "Marker", "Paused", "Deploy", "FlipBack", "Landed", "Arrived", "Over", "Passed", "Gone", "Hotfixed", "Closing":
		return true
	}
	return false
}

// Add folds one effect in. last reports whether a stage is the last of its stack.
func (t *Tally) Add(at time.Time, e Effect, last func(stack, stage string) bool) {
	switch e := e.(type) {
	case Boarded:
		t.joined(at, e.Stack, 1)
		t.promise(at, e)
	case Adopted:
		t.joined(at, "", len(e.Added))
	case Up:
		t.up(at, e)
	case EveryoneReady:
		t.turn(at, e.Train, idle)
	case Trouble:
		if o := t.open[e.Train]; o != nil && o.Asked != "" {
			t.turn(at, e.Train, o.Asked)
		}
	case Marker:
		if o := t.open[e.Train]; o != nil {
			o.Asked = votes
			if slices.ContainsFunc(o.Stacks, func(s string) bool { return last(s, e.Stage) }) {
				o.Asked = watch
			}
			t.turn(at, e.Train, o.Asked)
		}
	case Paused:
		if o := t.open[e.Train]; o != nil {
			o.charge(at)
			o.Held = e.On
		}
	case Deploy:
		t.started(at, e.Train, false)
	case FlipBack:
		t.started(at, e.Train, true)
	case Landed:
		t.landed(at, e, last)
	case Arrived:
		t.arrived(at, e, last)
	case Over:
		for i := range e.Riders {
			if o := t.open[e.Train]; o != nil && !o.Shipped {
				o.seat(i, e.Riders)
			}
		}
		t.ended(at, e.Train, slices.ContainsFunc(e.Stacks, func(s string) bool { return last(s, e.Stage) }))
	case Passed:
		delete(t.open, e.Train)
	case Gone:
		t.ended(at, e.Train, false)
	case Hotfixed:
		t.joined(at, e.Stack, 1)
		d := t.day(at)
		d.Hotfixes = append(d.Hotfixes, Hurry{At: at, Stack: e.Stack, Nick: e.Nick})
	case Closing:
		clear(t.told) // what is told of waits knows of no closing time
	}
}

// day returns the day of at; today is almost always the last one.
func (t *Tally) day(at time.Time) *Day {
	n := int(at.Unix() / 86400)
	for _, d := range slices.Backward(t.days) {
		if d.Number == n {
			d.saved = false
			return d
		}
		if d.Number < n {
			break
		}
	}
	d := &Day{Number: n}
	i, _ := slices.BinarySearchFunc(t.days, n, func(d *Day, n int) int { return d.Number - n })
	t.days = slices.Insert(t.days, i, d)
	t.forget(n)
	return d
}

// forget drops the days that are too old on day newest, and the oldest while there are too many
// trains. A day that a wrong clock has put behind it makes none old.
func (t *Tally) forget(newest int) {
	n, keep := 0, len(t.days)
	for keep > 0 {
		d := t.days[keep-1]
		n += max(len(d.Cycles), len(d.Rollouts)/2)
		if d.Number <= newest-tallyDays-1 || n > tallyTrains && keep < len(t.days) {
			break
		}
		keep--
	}
	t.days = slices.Delete(t.days, 0, keep)
	for id, o := range t.open {
		if int(o.Up.Unix()/86400) < newest-tallyDays {
			delete(t.open, id) // unreachable but for a journal that misses its end
		}
	}
}

func (t *Tally) joined(at time.Time, stack string, n int) {
	if n == 0 {
		return
	}
	d := t.day(at)
	if d.Joined == nil {
		d.Joined = map[string][]int{}
	}
	if d.Joined[stack] == nil {
		d.Joined[stack] = make([]int, 24)
	}
	d.Joined[stack][at.UTC().Hour()] += n
}

// landed takes in the end of a rollout.
func (t *Tally) landed(at time.Time, e Landed, last func(stack, stage string) bool) {
	t.stops(at, e, last(e.Stack, e.Stage))
	if e.Outcome == OutStuck || e.Host != "" {
		return
	}
	r := Tried{At: at, Stack: e.Stack, Stage: e.Stage, Last: last(e.Stack, e.Stage), Outcome: e.Outcome, Back: e.Back,
		Train: e.Train, Driver: e.Driver, Flip: e.Spent.Flip}
	if r.push() {
		r.Leads = leads(at, e)
	}
	switch {
	case r.Back && r.Outcome == OutDone:
		t.undo(at, r)
	case r.Last && r.Outcome == OutRolledBack && !r.Back:
		r.Restored = r.Flip
	}
	d := t.day(at)
	d.Rollouts = append(d.Rollouts, r)
}

// leads are those of the commits that a push brought.
func leads(at time.Time, e Landed) []int32 {
	made := e.Commits[:min(len(e.Commits), tallyLeads)]
	if c := e.Shipment.Committed; len(made) == 0 && !c.IsZero() {
		made = []int64{c.Unix()}
	}
	var out []int32
	for _, m := range made {
		if took := at.Unix() - m; took > 0 && took <= math.MaxInt32 {
			out = append(out, int32(took))
		}
	}
	return out
}

// undo notes which rollout the rollback back has taken away.
func (t *Tally) undo(at time.Time, back Tried) {
	var since time.Time // when the last one that changed what is live ended
	for _, d := range slices.Backward(t.days) {
		for i := range slices.Backward(d.Rollouts) {
			r := &d.Rollouts[i]
			if r.Stack != back.Stack || r.Stage != back.Stage || r.Outcome != OutDone {
				continue
			}
			if since.IsZero() {
				if since = r.At; !r.Back {
					since = r.At.Add(-r.Flip)
				}
			}
			if !r.Back && !r.Undone {
				r.Undone, d.saved = true, false
				if r.Last {
					r.Restored = at.Sub(since)
				}
				return
			}
		}
	}
}

// arrived notes who rode, and that what is asked of them now are votes, or eyes.
func (t *Tally) arrived(at time.Time, e Arrived, last func(stack, stage string) bool) {
	o := t.open[e.Train]
	if o == nil {
		return
	}
	o.Asked = votes
	if e.Next == "" {
		o.Asked = watch
	}
	t.turn(at, e.Train, o.Asked)
	if e.Next != "" {
		return
	}
	o.Shipped = o.Shipped || slices.ContainsFunc(e.Stacks, func(s string) bool { return last(s, e.Stage) })
	var crew []string
	for i, s := range e.Riders {
		crew = append(crew, s.Nick)
		if r := o.seat(i, e.Riders); r.Live == 0 {
			r.Live = max(at.Sub(s.Joined), 1)
		}
	}
	for _, d := range slices.Backward(t.days) {
		for i := range d.Rollouts {
			if r := &d.Rollouts[i]; r.Train == e.Train && r.Riders == nil && !r.At.Before(o.Up) {
				r.Riders, d.saved = crew, false
			}
		}
		if d.Number <= int(o.Up.Unix()/86400) {
			break
		}
	}
}
