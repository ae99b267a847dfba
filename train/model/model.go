// Package model is a push train in numbers: riders who come as they like, trains of
// a cap, lanes that run side by side, changes that fail. It answers what a wait would
// be if the cap, the cycle or the lanes were others.
//
// It takes no part in a real push, and knows nothing of the package train: it is a
// discrete-event simulation, and the same seed gives the same numbers.
//
// # What it assumes
//
//   - Riders come one by one, independent of each other, at a rate that depends on the
//     hour alone. Nobody turns away because the queue is long.
//   - As `.join` does it, a rider takes a seat in the first waiting train of the lane
//     that has room, never in the head; else a new train. Trains do not wait to be full.
//   - The clock stands still while it is closed: who waits at closing time goes on
//     waiting in the morning, and the night does not count.
//   - Each change fails by itself, at princess or in production, with the same chance.
//     Then the one whose change it was is found and leaves, and the others go again; or
//     nobody is found, and all leave. Who left comes again when the change is mended.
//   - The parts of a cycle that people do not decide vary together, by one factor a try.
//     Riders vote one beside the other: the slowest one counts.
//
// # Where it is wrong
//
// People do turn away, or push at noon because the morning was full: a real queue
// is shorter than an overloaded one here. Failures come in bunches (a broken main, a
// sick database), so real bad days are worse. A big train is not slower to build or
// to test here, two changes never break each other, and nobody learns. Holds, hand
// edits and riders of two stacks do not occur. Trains of several days are not real:
// at the end of a day people stop.
package model

import (
	"cmp"
	"slices"
	"time"
)

// Params is a channel to simulate.
type Params struct {
	Lanes []Lane
	Cap   int // riders a train takes; at least 1
	Open  int // hour of the day at which it opens
	Close int // and closes; the first hour that is closed, at most 24
	Days  int // that are simulated; the first tenth does not count
	Seed  uint64
}

// Lane is a stack of its own.
type Lane struct {
	Name   string
	Riders [24]float64 // who come in each hour of the day, on average
	Way    Way
	Past   []Past // cycles that were; when there are any they are drawn from, and Way is not used
}

// Way is what a cycle is made of.
type Way struct {
	Idle     time.Duration // before each try: the driver's turn
	Build    time.Duration
	Princess time.Duration
	Tests    time.Duration // beyond Princess
	Vote     time.Duration // of one rider, on average; each takes an exponential time
	Copy     time.Duration
	Flip     time.Duration
	Watch    time.Duration
	Spread   float64       // how the parts but Vote vary: sigma of the logarithm; 0 = not at all
	Fail     float64       // chance that one change fails at princess
	Bad      float64       // chance that one change fails in production, and all is rolled back
	Found    float64       // share of failures of which the one who caused it is found at once
	Fix      time.Duration // until who left comes again
}

// Past is a cycle as it was.
type Past struct {
	Took time.Duration
	Live time.Duration // from "You're up" to live; 0 = it shipped nothing, and its riders have left
}

// Default is a cycle of about 15 min with 8 riders.
func Default() Way {
	m := time.Minute
	return Way{Idle: m, Build: 2 * m, Princess: m, Tests: 3 * m, Vote: m, Copy: 2 * m, Flip: 10 * time.Second, Watch: 2 * m,
		Spread: 0.25, Fail: 0.02, Bad: 0.005, Found: 0.8, Fix: 30 * m}
}

// Shorter takes d off the parts that people do not decide, each by the same share.
func (w Way) Shorter(d time.Duration) Way {
	fixed := w.Build + w.Princess + w.Tests + w.Copy + w.Flip
	if fixed <= 0 {
		return w
	}
	by := max(0, 1-float64(d)/float64(fixed))
	for _, p := range []*time.Duration{&w.Build, &w.Princess, &w.Tests, &w.Copy, &w.Flip} {
		*p = time.Duration(float64(*p) * by)
	}
	return w
}

// Shorter takes d off a cycle that was, but leaves a tenth of it.
func (p Past) Shorter(d time.Duration) Past {
	took := max(p.Took-d, p.Took/10)
	if p.Live > 0 {
		p.Live = max(p.Live-(p.Took-took), 1)
	}
	p.Took = took
	return p
}

// Result is what came of it, all lanes together or one.
type Result struct {
	Name       string
	Trains     float64 // that ended, a day
	Riders     float64 // who went live, a day
	Came       float64 // riders a day
	PerTrain   float64 // riders of a train when it came up
	Failed     float64 // share of trains that failed at least once
	Cycle      Spread
	Wait       Spread            // from joining to "You're up"
	Live       Spread            // from joining for the first time to live
	Backlog    int               // riders who waited at the end
	WaitByHour [24]time.Duration // the mean wait of those who joined in that hour
	Days       int
}

// Overloaded says that more came than went: the waits would grow with the days.
func (r Result) Overloaded() bool { return r.Riders < 0.97*r.Came && float64(r.Backlog) > r.Came/4 }

// Spread is a distribution in four numbers; N = 0 says that there were none.
type Spread struct {
	N                   int
	Mean, P50, P80, P95 time.Duration
}

func spread(d []time.Duration) Spread {
	if len(d) == 0 {
		return Spread{}
	}
	slices.Sort(d)
	sum := 0.0
	for _, x := range d {
		sum += float64(x)
	}
	rank := func(p int) time.Duration { return d[max((len(d)*p+99)/100-1, 0)] }
	return Spread{N: len(d), Mean: time.Duration(sum / float64(len(d))), P50: rank(50), P80: rank(80), P95: rank(95)}
}

// Run simulates p: all lanes together, and each.
func Run(p Params) (all Result, lanes []Result) {
	var runs []*run
	for i, l := range p.Lanes {
		seed := p.Seed + uint64(i)*0x9e3779b97f4a7c15
		r := &run{Params: p, lane: l, come: random(seed), random: random(^seed)}
		r.play()
		runs = append(runs, r)
		lanes = append(lanes, result(l.Name, r))
	}
	return result("", runs...), lanes
}

// run is one lane under way. Its times count open time only, from the first opening.
type run struct {
	Params
	lane    Lane
	come    random // decides when riders come: the same in each channel that differs in the rest
	random  random
	now     time.Duration
	queue   []*convoy // the first is up
	ends    time.Duration
	again   []rider // who come again, the next one first
	counted struct {
		trains, riders, came, up, seats, failed int
		cycle, wait, live                       []time.Duration
		byHour                                  [24]struct {
			sum float64
			n   int
		}
	}
}

// convoy is a train.
type convoy struct {
	riders []rider
	up     time.Duration
	live   time.Duration // of the riders who go live with it
}

type rider struct {
	first  time.Duration // joined for the first time
	joined time.Duration
}

const never = time.Duration(1<<63 - 1)

func (r *run) openFor() time.Duration { return time.Duration(r.Close-r.Open) * time.Hour }

// warm is when counting begins.
func (r *run) warm() time.Duration { return r.openFor() * time.Duration(r.Days) / 10 }

func (r *run) play() {
	end := r.openFor() * time.Duration(r.Days)
	next := r.arrival(0)
	for {
		over, back := never, never
		if len(r.queue) > 0 {
			over = r.ends
		}
		if len(r.again) > 0 {
			back = r.again[0].joined
		}
		switch r.now = min(next, over, back); {
		case r.now >= end:
			return
		case r.now == over:
			r.finish()
		case r.now == back:
			x := r.again[0]
			r.again = r.again[1:]
			r.join(x)
		default:
			if r.now >= r.warm() {
				r.counted.came++
			}
			r.join(rider{first: r.now, joined: r.now})
			next = r.arrival(r.now)
		}
	}
}

// arrival is when the next rider comes after at: by thinning a steady stream.
func (r *run) arrival(at time.Duration) time.Duration {
	top := slices.Max(r.lane.Riders[r.Open:r.Close])
	if top <= 0 {
		return never
	}
	for {
		at += time.Duration(r.come.exp() * float64(time.Hour) / top)
		if r.come.float()*top < r.lane.Riders[r.hour(at)] {
			return at
		}
		if at > r.openFor()*time.Duration(r.Days) {
			return never
		}
	}
}

// hour is the hour of the day at a moment of open time.
func (r *run) hour(at time.Duration) int { return r.Open + int(at%r.openFor()/time.Hour) }

func (r *run) join(x rider) {
	if n := len(r.queue); n > 1 && len(r.queue[n-1].riders) < r.Cap { // those before it are full: nobody leaves a waiting train
		r.queue[n-1].riders = append(r.queue[n-1].riders, x)
		return
	}
	r.queue = append(r.queue, &convoy{riders: []rider{x}})
	if len(r.queue) == 1 {
		r.depart()
	}
}

// depart brings the first train up, and decides how its cycle will go.
func (r *run) depart() {
	c := r.queue[0]
	c.up = r.now
	counts := r.now >= r.warm()
	if counts {
		r.counted.up++
		r.counted.seats += len(c.riders)
		for _, x := range c.riders {
			w := r.now - x.joined
			r.counted.wait = append(r.counted.wait, w)
			h := &r.counted.byHour[r.hour(x.joined)]
			h.sum += float64(w)
			h.n++
		}
	}
	took, live, failed := r.cycle(c)
	c.live = r.now + live
	r.ends = r.now + took
	if counts && failed {
		r.counted.failed++
	}
}

// cycle draws how long a train takes, and takes out who does not go live with it.
func (r *run) cycle(c *convoy) (took, live time.Duration, failed bool) {
	if len(r.lane.Past) > 0 {
		p := r.lane.Past[int(r.random.float()*float64(len(r.lane.Past)))]
		if p.Live == 0 {
			c.riders = nil // they join again: that is in how many come
		}
		return p.Took, p.Live, p.Live == 0
	}
	w := r.lane.Way
	for len(c.riders) > 0 {
		by := r.random.lognormal(w.Spread)
		took += scale(w.Idle+w.Build+w.Princess+w.Tests, by)
		if r.fails(c, w.Fail, took) {
			failed = true
			continue
		}
		slowest := 0.0
		for range c.riders {
			slowest = max(slowest, r.random.exp())
		}
		took += scale(w.Vote, slowest) + scale(w.Copy+w.Flip, by)
		live = took
		took += scale(w.Watch, by)
		if r.fails(c, w.Bad, took) {
			took += scale(w.Flip, by)
			failed = true
			continue
		}
		return took, live, failed
	}
	return took, live, failed
}

// fails decides whether one of the changes aboard fails; who leaves for it comes again later.
func (r *run) fails(c *convoy, chance float64, took time.Duration) bool {
	culprit := slices.IndexFunc(c.riders, func(rider) bool { return r.random.float() < chance })
	if culprit < 0 {
		return false
	}
	leave := c.riders[culprit : culprit+1]
	if r.random.float() >= r.lane.Way.Found {
		leave = c.riders
	}
	for _, x := range leave {
		x.joined = r.now + took + r.lane.Way.Fix
		i, _ := slices.BinarySearchFunc(r.again, x, func(a, b rider) int { return cmp.Compare(a.joined, b.joined) })
		r.again = slices.Insert(r.again, i, x)
	}
	if len(leave) == len(c.riders) {
		c.riders = nil
	} else {
		c.riders = slices.Delete(slices.Clone(c.riders), culprit, culprit+1)
	}
	return true
}

// finish ends the first train's cycle, and brings up the next.
func (r *run) finish() {
	c := r.queue[0]
	r.queue = r.queue[1:]
	if c.up >= r.warm() {
		r.counted.trains++
		r.counted.riders += len(c.riders)
		r.counted.cycle = append(r.counted.cycle, r.now-c.up)
		for _, x := range c.riders {
			r.counted.live = append(r.counted.live, c.live-x.first)
		}
	}
	if len(r.queue) > 0 {
		r.depart()
	}
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

// result sums up runs of the same Params.
func result(name string, runs ...*run) Result {
	out := Result{Name: name}
	if len(runs) == 0 {
		return out
	}
	r := runs[0]
	days := float64(r.openFor()*time.Duration(r.Days)-r.warm()) / float64(r.openFor())
	out.Days = r.Days
	var trains, riders, came, seats, failed, up int
	var cycle, wait, live []time.Duration
	var sum [24]float64
	var n [24]int
	for _, r := range runs {
		c := r.counted
		trains, riders, came, seats, failed = trains+c.trains, riders+c.riders, came+c.came, seats+c.seats, failed+c.failed
		up += c.up
		cycle, wait, live = append(cycle, c.cycle...), append(wait, c.wait...), append(live, c.live...)
		for _, q := range r.queue {
			out.Backlog += len(q.riders)
		}
		for h := range c.byHour {
			sum[h] += c.byHour[h].sum
			n[h] += c.byHour[h].n
		}
	}
	out.Trains, out.Riders, out.Came = float64(trains)/days, float64(riders)/days, float64(came)/days
	if up > 0 {
		out.PerTrain, out.Failed = float64(seats)/float64(up), float64(failed)/float64(up)
	}
	for h := range n {
		if n[h] > 0 {
			out.WaitByHour[h] = time.Duration(sum[h] / float64(n[h]))
		}
	}
	out.Cycle, out.Wait, out.Live = spread(cycle), spread(wait), spread(live)
	return out
}
