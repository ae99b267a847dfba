package train

import (
	"cmp"
	"slices"
	"time"
)

// Tally is a fold over the effects in the journal, in order. The zero Tally is
// ready for use. It keeps one small entry a train and a rollout of the last 90
// days; older ones are forgotten as newer ones come.
//
// Its words, here and wherever they are shown:
//
//   - a push is a rollout that ended DONE on the last stage of its stack, and no rollback;
//   - riders is how many rode the train when its last stage ended DONE;
//   - wait is from a rider's Joined to the "You're up" of their train;
//   - live is from a rider's Joined to the end of the last stage's rollout;
//   - cycle is from a train's "You're up" to its `.done`, of trains whose marker stood at the last stage;
//   - capacity is open hours × 60 / the median cycle in minutes × the cap: the
//     talk's "15 min a deploy gives 32 deploys in 8 hours", times the riders.
type Tally struct {
	pushes []Push
	waits  []span
	lives  []span
	cycles []span
}

// Push is one push.
type Push struct {
	At           time.Time
	Stack, Stage string
	Release      string
	Train        int // ID; 0 = from the shell
	Riders       int // 0 until the train has arrived, and from the shell
	Driver       string
}

type span struct {
	at     time.Time // when it ended
	took   time.Duration
	stacks []string // of the train
}

const tallyKeeps = 90 * 24 * time.Hour

// Add folds one effect in. last reports whether a stage is the last of its stack.
func (t *Tally) Add(at time.Time, e Effect, last func(stack, stage string) bool) {
	switch e := e.(type) {
	case Up:
		for _, s := range e.Riders {
			if slices.Contains(e.Fresh, s.Nick) {
				t.waits = add(t.waits, at, s.Joined, e.Stacks)
			}
		}
	case Landed:
		if e.Outcome == OutDone && !e.Back && e.Host == "" && last(e.Stack, e.Stage) {
			t.pushes = append(t.pushes, Push{At: at, Stack: e.Stack, Stage: e.Stage, Release: e.Shipment.Release, Train: e.Train, Driver: e.Driver})
		}
	case Arrived:
		if e.Next != "" {
			break
		}
		for _, s := range e.Riders {
			t.lives = add(t.lives, at, s.Joined, e.Stacks)
		}
		for i := len(t.pushes) - 1; i >= 0 && !t.pushes[i].At.Before(e.Up); i-- {
			if p := &t.pushes[i]; p.Train == e.Train && p.Riders == 0 {
				p.Riders = len(e.Riders)
			}
		}
	case Over:
		if slices.ContainsFunc(e.Stacks, func(s string) bool { return last(s, e.Stage) }) {
			t.cycles = add(t.cycles, at, e.Up, e.Stacks)
		}
	}
	t.forget(at.Add(-tallyKeeps))
}

func add(to []span, at, from time.Time, stacks []string) []span {
	if from.IsZero() || at.Before(from) {
		return to
	}
	return append(to, span{at, at.Sub(from), stacks})
}

func (t *Tally) forget(before time.Time) {
	if len(t.pushes) > 0 && t.pushes[0].At.Before(before) {
		t.pushes = t.pushes[1:]
	}
	for _, s := range []*[]span{&t.waits, &t.lives, &t.cycles} {
		if len(*s) > 0 && (*s)[0].at.Before(before) {
			*s = (*s)[1:]
		}
	}
}

// Stats is what a period looked like. Durations of which there is none are zero.
type Stats struct {
	From, To   time.Time
	Pushes     int
	Today      int     // pushes since midnight of To, in To's time zone
	PerDay     float64 // pushes a day, over days in which there was at least one
	Days       []int   // pushes a day, oldest first, To's day last
	Riders     float64 // mean a push
	Wait       Quantiles
	Live       Quantiles
	Cycle      Quantiles
	Capacity   int // riders a day at the median cycle; 0 = unknown
	DeploysDay int // trains a day at the median cycle; 0 = unknown
}

// Quantiles of a set of durations; N = 0 says that there were none.
type Quantiles struct {
	N        int
	P50, P80 time.Duration
}

// Stats sums up the period that ends at to. open is how long a day pushes are
// made; riders is the cap of a train.
func (t *Tally) Stats(to time.Time, days int, stack string, open time.Duration, riders int) Stats {
	midnight := time.Date(to.Year(), to.Month(), to.Day(), 0, 0, 0, 0, to.Location())
	from := midnight.AddDate(0, 0, 1-days)
	s := Stats{From: from, To: to, Days: make([]int, days)}
	seats, busy, manned := 0, 0, 0
	for _, p := range t.pushes {
		if p.At.Before(from) || p.At.After(to) || stack != "" && p.Stack != stack {
			continue
		}
		s.Pushes++
		if p.Riders > 0 {
			seats += p.Riders
			manned++
		}
		if !p.At.Before(midnight) {
			s.Today++
		}
		at := p.At.In(to.Location())
		day := int(time.Date(at.Year(), at.Month(), at.Day(), 12, 0, 0, 0, to.Location()).Sub(from).Hours() / 24)
		s.Days[min(max(day, 0), days-1)]++
	}
	for _, n := range s.Days {
		if n > 0 {
			busy++
		}
	}
	if busy > 0 {
		s.PerDay = float64(s.Pushes) / float64(busy)
	}
	if manned > 0 {
		s.Riders = float64(seats) / float64(manned)
	}
	s.Wait, s.Live, s.Cycle = quantiles(t.waits, from, to, stack), quantiles(t.lives, from, to, stack), quantiles(t.cycles, from, to, stack)
	if m := s.Cycle.P50; m > 0 {
		s.DeploysDay = int(open / m)
		s.Capacity = s.DeploysDay * riders
	}
	return s
}

// Wait is how long a seat waits with n trains in front of it: n times the middle
// of this channel's own cycles of the last 30 days. ok is false with fewer than three of them.
func (t *Tally) Wait(now time.Time, n int) (p50, p80 time.Duration, ok bool) {
	q := quantiles(t.cycles, now.AddDate(0, 0, -30), now, "")
	return time.Duration(n) * q.P50, time.Duration(n) * q.P80, q.N >= 3
}

// quantiles are by nearest rank, of one stack or, with "", of all.
func quantiles(all []span, from, to time.Time, stack string) Quantiles {
	var d []time.Duration
	for _, s := range all {
		if !s.at.Before(from) && !s.at.After(to) && (stack == "" || slices.Contains(s.stacks, stack)) {
			d = append(d, s.took)
		}
	}
	if len(d) == 0 {
		return Quantiles{}
	}
	slices.SortFunc(d, cmp.Compare)
	rank := func(p int) time.Duration { return d[(len(d)*p+99)/100-1] }
	return Quantiles{N: len(d), P50: rank(50), P80: rank(80)}
}
