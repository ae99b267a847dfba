package train

import (
	"slices"
	"time"
)

// Parts is how the time of a cycle went. All but Wait add up to the cycle exactly.
// The time of several rollouts of one train that run side by side is split as that
// of the one that ended last.
type Parts struct {
	Wait     time.Duration // before the cycle: from the first rider's Joined to "You're up"
	Build    time.Duration // a release was built
	Princess time.Duration // the rest of the rollouts to stages that are not the last: copy, proof, flip, check
	Tests    time.Duration // every host held the proved release, and only the tests were not through
	Votes    time.Duration // a stage that is not the last was green: until everyone was good, or the next step
	Copy     time.Duration // the last stage: from the rollout's start, or its build, to COMMIT
	Flip     time.Duration // the last stage: from COMMIT to the rollout's end, with its check
	Watch    time.Duration // the last stage was green: until everyone was good, or `.done`
	Idle     time.Duration // nothing ran and nobody else was asked: the driver's turn; after a failure too
	Held     time.Duration // the same, while the line was held
	Rollback time.Duration // rollbacks, and rollouts that were STUCK
}

// Part is one of Parts with its name.
type Part struct {
	Name string
	Took time.Duration
}

// All lists the parts in the order in which they come.
func (p Parts) All() []Part {
	return []Part{{"wait", p.Wait}, {"build", p.Build}, {"princess", p.Princess}, {"tests", p.Tests}, {"votes", p.Votes},
		{"prod copy", p.Copy}, {"flip", p.Flip}, {"watch", p.Watch}, {"idle driver", p.Idle}, {"held", p.Held}, {"rollback", p.Rollback}}
}

// Cycle is the sum of the parts that belong to the cycle.
func (p Parts) Cycle() time.Duration {
	sum := -p.Wait
	for _, part := range p.All() {
		sum += part.Took
	}
	return sum
}

// add adds q to p.
func (p *Parts) add(q Parts) {
	p.Wait += q.Wait
	p.Build += q.Build
	p.Princess += q.Princess
	p.Tests += q.Tests
	p.Votes += q.Votes
	p.Copy += q.Copy
	p.Flip += q.Flip
	p.Watch += q.Watch
	p.Idle += q.Idle
	p.Held += q.Held
	p.Rollback += q.Rollback
}

// by returns p with each part divided by n.
func (p Parts) by(n int) Parts {
	d := time.Duration(n)
	return Parts{p.Wait / d, p.Build / d, p.Princess / d, p.Tests / d, p.Votes / d, p.Copy / d, p.Flip / d, p.Watch / d, p.Idle / d, p.Held / d, p.Rollback / d}
}

// doing is what a train that is up is at.
type doing string

const (
	idle     doing = ""
	votes    doing = "votes"
	watch    doing = "watch"
	rolling  doing = "rolling" // split by the rollout's own account when it has ended
	goesBack doing = "goes back"
)

// open is a train that is up: a Cycle in the making.
type open struct {
	Stacks  []string
	Up      time.Time
	Riders  []Ride
	Shipped bool
	Parts   Parts
	Since   time.Time // up to when the parts are told
	Doing   doing
	Held    bool
	Running int   // rollouts under way, and STUCK ones
	Asked   doing // what was asked of the riders last
}

// charge adds the time since the last charge to what the train was at.
func (o *open) charge(at time.Time) {
	d := max(at.Sub(o.Since), 0)
	o.Since = o.Since.Add(d)
	switch p := &o.Parts; {
	case o.Doing == votes:
		p.Votes += d
	case o.Doing == watch:
		p.Watch += d
	case o.Doing == goesBack:
		p.Rollback += d
	case o.Doing == rolling:
		p.Copy += d
	case o.Held:
		p.Held += d
	default:
		p.Idle += d
	}
}

// seat gives rider i of all that place, and returns their ride.
func (o *open) seat(i int, all []Seat) *Ride {
	s := all[i]
	k := slices.IndexFunc(o.Riders, func(r Ride) bool { return r.Nick == s.Nick && r.Joined.Equal(s.Joined) })
	if k < 0 { // they have another nick now
		k = slices.IndexFunc(o.Riders, func(r Ride) bool {
			return r.Joined.Equal(s.Joined) && !slices.ContainsFunc(all, func(s Seat) bool { return s.Nick == r.Nick })
		})
	}
	r := Ride{Joined: s.Joined}
	if k >= 0 {
		r = o.Riders[k]
		o.Riders = slices.Delete(o.Riders, k, k+1)
	}
	r.Nick = s.Nick
	i = min(i, len(o.Riders))
	o.Riders = slices.Insert(o.Riders, i, r)
	return &o.Riders[i]
}

// up begins a cycle, or notes who came aboard.
func (t *Tally) up(at time.Time, e Up) {
	o := t.open[e.Train]
	if o == nil || !e.Again {
		o = &open{Up: at, Since: at, Held: e.Held != ""}
		if t.open == nil {
			t.open = map[int]*open{}
		}
		t.open[e.Train] = o
		first := at
		for _, s := range e.Riders {
			if !s.Joined.IsZero() && s.Joined.Before(first) {
				first = s.Joined
			}
		}
		o.Parts.Wait = at.Sub(first)
		t.outcome(at, e)
	}
	o.Stacks = e.Stacks
	for i, s := range e.Riders {
		if slices.Contains(e.Fresh, s.Nick) && !s.Joined.IsZero() {
			o.seat(i, e.Riders).Wait = max(at.Sub(s.Joined), 0)
		}
	}
}

// turn says what the train is at from now on, unless a rollout runs.
func (t *Tally) turn(at time.Time, train int, next doing) {
	if o := t.open[train]; o != nil && o.Running == 0 {
		o.charge(at)
		o.Doing = next
	}
}

// started notes that a rollout of the train began.
func (t *Tally) started(at time.Time, train int, back bool) {
	o := t.open[train]
	if o == nil {
		return
	}
	if o.Running == 0 {
		o.charge(at)
		o.Doing = rolling
	}
	if back {
		o.Doing = goesBack
	}
	o.Running++
}

// stops splits the time of the train's rollouts when the last one has ended.
func (t *Tally) stops(at time.Time, e Landed, last bool) {
	o := t.open[e.Train]
	if o == nil {
		return
	}
	stuck := e.Outcome == OutStuck // it is under way still, on people's decision
	if !stuck {
		o.Running = max(o.Running-1, 0)
	}
	switch {
	case o.Running > 0 && !stuck:
		return
	case o.Doing != rolling:
		o.charge(at)
	default:
		whole := max(at.Sub(o.Since), 0)
		o.Since = o.Since.Add(whole)
		p := &o.Parts
		take := func(d time.Duration) time.Duration { // some accounts may be longer than the time that there was
			d = min(max(d, 0), whole)
			whole -= d
			return d
		}
		flip := take(e.Spent.Flip)
		p.Build += take(e.Spent.Build)
		p.Tests += take(e.Spent.Tests)
		if last {
			p.Flip += flip
			p.Copy += whole
		} else {
			p.Princess += flip + whole
		}
	}
	o.Doing = idle
	if stuck {
		o.Doing = goesBack
	}
}

// ended closes a cycle.
func (t *Tally) ended(at time.Time, train int, shipped bool) {
	o := t.open[train]
	delete(t.told, train)
	if o == nil {
		return
	}
	delete(t.open, train)
	o.charge(at)
	took := o.Since.Sub(o.Up)
	for i := range o.Riders {
		o.Riders[i].Joined = time.Time{}
	}
	d := t.day(at)
	d.Cycles = append(d.Cycles, Cycle{End: at, Took: took, Stacks: o.Stacks, Shipped: o.Shipped || shipped, Riders: o.Riders, Parts: o.Parts})
	for _, stack := range o.Stacks {
		t.lane(stack).add(at, took)
	}
}
