package train

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Question is what Stats is to sum up.
type Question struct {
	To    time.Time // the end; days are those of its time zone
	Days  int       // up to and with the day of To; at most 90
	Stack string    // "" = all
	Nick  string    // only what this person rode in or drove; "" = everybody
	Open  time.Duration
	Cap   int // riders a train takes
}

// Stats is what a period looked like; the words are defined at Tally. Its JSON has
// durations in seconds, as the names there say.
type Stats struct {
	From    time.Time     `json:"from"`
	To      time.Time     `json:"to"`
	Stack   string        `json:"stack,omitempty"`
	Nick    string        `json:"nick,omitempty"`
	Pushes  int           `json:"pushes"`
	Today   int           `json:"pushes_today"`     // since midnight of To
	PerDay  float64       `json:"pushes_per_day"`   // over days on which there was one
	Days    []int         `json:"pushes_by_day"`    // oldest first, To's day last
	Hours   [24]int       `json:"pushes_by_hour"`   // of the day, in To's time zone
	Riders  float64       `json:"riders_per_train"` // mean of the pushes that had any
	Wait    Quantiles     `json:"wait"`
	Live    Quantiles     `json:"live"`
	Cycle   Quantiles     `json:"cycle"`
	Parts   Parts         `json:"-"` // the mean of each
	Lead    Quantiles     `json:"lead"`
	Restore Quantiles     `json:"restored"`
	Tried   Rollouts      `json:"rollouts"`
	Hotfix  int           `json:"hotfixes"`
	Stages  []StageStats  `json:"stages"`    // in the order of their names
	Drivers []Driver      `json:"drivers"`   // most pushes first
	Lanes   []Lane        `json:"lanes"`     // in the order of their names; none when asked for a nick
	Told    Forecasts     `json:"forecasts"` // of all lanes
	Open    time.Duration `json:"-"`
	Cap     int           `json:"cap"`
}

// MarshalJSON writes s with its durations in seconds.
func (s Stats) MarshalJSON() ([]byte, error) {
	parts := map[string]float64{}
	for _, p := range s.Parts.All() {
		parts[strings.ReplaceAll(p.Name, " ", "_")+"_mean_seconds"] = p.Took.Seconds()
	}
	type plain Stats
	return json.Marshal(struct {
		plain
		Parts map[string]float64 `json:"cycle_parts"`
		Open  float64            `json:"open_seconds_per_day"`
	}{plain(s), parts, s.Open.Seconds()})
}

// Rollouts are forward rollouts by what became of them.
type Rollouts struct {
	All        int `json:"ended"`
	Done       int `json:"done"`
	Aborted    int `json:"aborted"`
	RolledBack int `json:"rolled_back"` // by a check, an .abort after COMMIT, or a later .rollback
}

func (r *Rollouts) count(t Tried) {
	r.All++
	switch {
	case t.Outcome == OutAborted:
		r.Aborted++
	case t.Undone || t.Outcome == OutRolledBack:
		r.RolledBack++
	default:
		r.Done++
	}
}

// StageStats are the rollouts of one stage of one stack.
type StageStats struct {
	Stack string `json:"stack"`
	Stage string `json:"stage"`
	Rollouts
}

// Driver is a person who drove.
type Driver struct {
	Nick   string `json:"nick"`
	Pushes int    `json:"pushes"`
}

// Lane is what a stack's trains can carry in a day, and what is asked of them.
type Lane struct {
	Stack  string
	Median time.Duration // of its cycles
	Trains float64       // a day, one behind the other
	Seats  float64       // Trains × the cap
	Demand float64
	Minute float64 // seats more a day if the median cycle were a minute shorter
}

// MarshalJSON writes l with its duration in seconds.
func (l Lane) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Stack  string  `json:"stack"`
		Median float64 `json:"median_cycle_seconds"`
		Trains float64 `json:"capacity_trains_per_day"`
		Seats  float64 `json:"capacity_riders_per_day"`
		Demand float64 `json:"demand_riders_per_day"`
		Minute float64 `json:"riders_per_day_per_minute_saved"`
	}{l.Stack, l.Median.Seconds(), l.Trains, l.Seats, l.Demand, l.Minute})
}

// Forecasts are the waits that first riders were told, and that came out.
type Forecasts struct {
	All    int `json:"told"`
	Inside int `json:"inside_range"`
}

// Quantiles of a set of durations, by nearest rank; N = 0 says that there were none.
type Quantiles struct {
	N             int
	P50, P80, P95 time.Duration
}

// MarshalJSON writes q in seconds.
func (q Quantiles) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		N   int     `json:"count"`
		P50 float64 `json:"p50_seconds"`
		P80 float64 `json:"p80_seconds"`
		P95 float64 `json:"p95_seconds"`
	}{q.N, q.P50.Seconds(), q.P80.Seconds(), q.P95.Seconds()})
}

// Stats sums up what q's period of days holds.
func (t *Tally) Stats(q Question) Stats {
	y, m, d := q.To.Date()
	midnight := time.Date(y, m, d, 0, 0, 0, 0, q.To.Location())
	q.Days = min(max(q.Days, 1), tallyDays)
	a := adding{Question: q, midnight: midnight, lanes: map[string]*laneSum{}, stages: map[StageStats]*Rollouts{}, drivers: map[string]int{}}
	a.s = Stats{From: midnight.AddDate(0, 0, 1-q.Days), To: q.To, Stack: q.Stack, Nick: q.Nick, Days: make([]int, q.Days), Open: q.Open, Cap: q.Cap}
	first := int(a.s.From.Unix() / 86400)
	for _, day := range t.days {
		if day.Number >= first {
			a.day(day)
		}
	}
	return a.sum()
}

// adding is one Stats in the making.
type adding struct {
	Question
	s                                 Stats
	midnight                          time.Time
	wait, live, cycle, lead, restored []time.Duration
	parts                             Parts
	seats, manned                     int
	lanes                             map[string]*laneSum
	stages                            map[StageStats]*Rollouts // by stack and stage
	drivers                           map[string]int
}

type laneSum struct {
	cycles       []time.Duration
	joined, days int
}

func (a *adding) lane(stack string) *laneSum {
	if a.lanes[stack] == nil {
		a.lanes[stack] = &laneSum{}
	}
	return a.lanes[stack]
}

func (a *adding) within(at time.Time) bool { return !at.Before(a.s.From) && !at.After(a.To) }

func (a *adding) named(nicks ...string) bool {
	return a.Nick == "" || slices.ContainsFunc(nicks, func(n string) bool { return strings.EqualFold(n, a.Nick) })
}

func (a *adding) day(d *Day) {
	if a.Nick == "" {
		for stack, hours := range d.Joined {
			if a.Stack == "" || a.Stack == stack {
				l := a.lane(stack)
				l.days++
				for _, n := range hours {
					l.joined += n
				}
			}
		}
	}
	a.s.Told.All += d.Told
	a.s.Told.Inside += d.Kept
	for _, r := range d.Rollouts {
		if a.within(r.At) && (a.Stack == "" || a.Stack == r.Stack) && a.named(append(r.Riders, r.Driver)...) {
			a.rollout(r)
		}
	}
	for _, h := range d.Hotfixes {
		if a.within(h.At) && (a.Stack == "" || a.Stack == h.Stack) && a.named(h.Nick) {
			a.s.Hotfix++
		}
	}
	for _, c := range d.Cycles {
		if a.within(c.End) && (a.Stack == "" || slices.Contains(c.Stacks, a.Stack)) {
			a.train(c)
		}
	}
}

func (a *adding) rollout(r Tried) {
	if r.Restored > 0 {
		a.restored = append(a.restored, r.Restored)
	}
	if r.Back {
		return
	}
	a.s.Tried.count(r)
	key := StageStats{Stack: r.Stack, Stage: r.Stage}
	if a.stages[key] == nil {
		a.stages[key] = &Rollouts{}
	}
	a.stages[key].count(r)
	if !r.push() {
		return
	}
	a.s.Pushes++
	a.drivers[r.Driver]++
	if n := len(r.Riders); n > 0 {
		a.seats += n
		a.manned++
	}
	for _, seconds := range r.Leads {
		a.lead = append(a.lead, time.Duration(seconds)*time.Second)
	}
	at := r.At.In(a.To.Location())
	if !at.Before(a.midnight) {
		a.s.Today++
	}
	a.s.Hours[at.Hour()]++
	noon := time.Date(at.Year(), at.Month(), at.Day(), 12, 0, 0, 0, at.Location()) // a day may have 23 or 25 hours
	a.s.Days[min(max(int(noon.Sub(a.s.From).Hours()/24), 0), a.Days-1)]++
}

func (a *adding) train(c Cycle) {
	rode := false
	for _, r := range c.Riders {
		if !a.named(r.Nick) {
			continue
		}
		rode = true
		a.wait = append(a.wait, r.Wait)
		if r.Live > 0 {
			a.live = append(a.live, r.Live)
		}
	}
	if !c.Shipped || !rode {
		return
	}
	a.cycle = append(a.cycle, c.Took)
	a.parts.add(c.Parts)
	for _, stack := range c.Stacks {
		if a.Nick == "" && (a.Stack == "" || a.Stack == stack) {
			a.lane(stack).cycles = append(a.lane(stack).cycles, c.Took)
		}
	}
}

func (a *adding) sum() Stats {
	s := a.s
	s.Stages, s.Drivers, s.Lanes = []StageStats{}, []Driver{}, []Lane{} // never null in JSON
	busy := 0
	for _, n := range s.Days {
		if n > 0 {
			busy++
		}
	}
	if busy > 0 {
		s.PerDay = float64(s.Pushes) / float64(busy)
	}
	if a.manned > 0 {
		s.Riders = float64(a.seats) / float64(a.manned)
	}
	s.Wait, s.Live, s.Cycle, s.Lead, s.Restore = quantiles(a.wait), quantiles(a.live), quantiles(a.cycle), quantiles(a.lead), quantiles(a.restored)
	if n := len(a.cycle); n > 0 {
		s.Parts = a.parts.by(n)
	}
	for key, r := range a.stages {
		key.Rollouts = *r
		s.Stages = append(s.Stages, key)
	}
	slices.SortFunc(s.Stages, func(a, b StageStats) int {
		return cmp.Or(cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Stage, b.Stage))
	})
	for nick, n := range a.drivers {
		s.Drivers = append(s.Drivers, Driver{nick, n})
	}
	slices.SortFunc(s.Drivers, func(a, b Driver) int { return cmp.Or(b.Pushes-a.Pushes, cmp.Compare(a.Nick, b.Nick)) })
	for _, stack := range slices.Sorted(maps.Keys(a.lanes)) {
		if l := a.lanes[stack]; stack != "" {
			s.Lanes = append(s.Lanes, capacity(stack, *l, a.Open, a.Cap))
		}
	}
	return s
}

// capacity is what the lane can carry: see Tally.
func capacity(stack string, l laneSum, open time.Duration, riders int) Lane {
	out := Lane{Stack: stack, Median: quantiles(l.cycles).P50}
	if l.days > 0 {
		out.Demand = float64(l.joined) / float64(l.days)
	}
	if m := out.Median; m > 0 {
		out.Trains = float64(open) / float64(m)
		out.Seats = out.Trains * float64(riders)
		if m > time.Minute {
			out.Minute = float64(open)/float64(m-time.Minute)*float64(riders) - out.Seats
		}
	}
	return out
}

// Capacity adds up the lanes, which run side by side.
func (s Stats) Capacity() Lane {
	var all Lane
	for _, l := range s.Lanes {
		all.Trains += l.Trains
		all.Seats += l.Seats
		all.Demand += l.Demand
		all.Minute += l.Minute
	}
	return all
}

// quantiles sorts d.
func quantiles(d []time.Duration) Quantiles {
	if len(d) == 0 {
		return Quantiles{}
	}
	slices.Sort(d)
	return Quantiles{N: len(d), P50: rank(d, 50), P80: rank(d, 80), P95: rank(d, 95)}
}

// rank is the nearest one: the smallest that is not exceeded by p percent of sorted.
func rank(sorted []time.Duration, p int) time.Duration {
	return sorted[max((len(sorted)*p+99)/100-1, 0)]
}
