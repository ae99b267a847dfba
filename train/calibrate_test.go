package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// channel makes up the facts of a lane: riders come as they like, each train takes as
// long as cycle says. The forecaster sees nothing of it but these facts.
type channel struct {
	name   string
	cycle  func(r *rand.Rand, n int) time.Duration // of the n-th train
	change int                                     // the train from which on it is another regime; 0 = it never is
}

func lognormal(r *rand.Rand, median time.Duration, sigma float64) time.Duration {
	return time.Duration(float64(median) * math.Exp(sigma*r.NormFloat64()))
}

var channels = []channel{
	{name: "steady, 15 min", cycle: func(r *rand.Rand, n int) time.Duration { return lognormal(r, 15*time.Minute, 0.4) }},
	{name: "one in five fails and starts again", cycle: func(r *rand.Rand, n int) time.Duration {
		d := lognormal(r, 15*time.Minute, 0.25)
		for r.Float64() < 0.2 {
			d += lognormal(r, 12*time.Minute, 0.3)
		}
		return d
	}},
	{name: "days that hang together", cycle: func(r *rand.Rand, n int) time.Duration {
		day := rand.New(rand.NewPCG(uint64(n/20), 5))
		return lognormal(r, lognormal(day, 15*time.Minute, 0.35), 0.25)
	}},
	{name: "twice as slow from the middle on", change: 300, cycle: func(r *rand.Rand, n int) time.Duration {
		if n >= 300 {
			return lognormal(r, 30*time.Minute, 0.4)
		}
		return lognormal(r, 15*time.Minute, 0.4)
	}},
	{name: "three times as fast from the middle on", change: 300, cycle: func(r *rand.Rand, n int) time.Duration {
		if n >= 300 {
			return lognormal(r, 6*time.Minute, 0.4)
		}
		return lognormal(r, 18*time.Minute, 0.4)
	}},
	{name: "a failing week in the middle", change: 300, cycle: func(r *rand.Rand, n int) time.Duration {
		if n >= 300 && n < 400 && r.Float64() < 0.6 {
			return lognormal(r, 15*time.Minute, 0.3) + lognormal(r, 40*time.Minute, 0.6)
		}
		return lognormal(r, 15*time.Minute, 0.3)
	}},
}

// covered is a count of waits that lay in the range that was told.
type covered struct{ in, all int }

func (c covered) share() float64 { return float64(c.in) / float64(max(c.all, 1)) }

func (c *covered) count(in bool) {
	c.all++
	if in {
		c.in++
	}
}

// play runs a channel of 600 trains and tells how many waits were told right, of
// all, and of the 30 trains after the change.
func (c channel) play(seed uint64) (all, after covered, width time.Duration) {
	r := rand.New(rand.NewPCG(seed, 1))
	var t Tally
	type waits struct {
		id     int
		joined time.Time
		told   Wait
		ok     bool
	}
	var queue []waits // the first is up
	var ends time.Time
	at := day(1)
	up := func(now time.Time) {
		q := queue[0]
		t.Add(now, Up{Train: q.id, Stacks: []string{"web"}, Riders: []Seat{{"a", q.joined}}, Fresh: []string{"a"}}, lastStage)
		ends = now.Add(c.cycle(r, q.id))
		if q.ok {
			got := now.Sub(q.joined)
			in := got >= q.told.Low && got <= q.told.High
			all.count(in)
			width += q.told.High - q.told.Low
			if c.change > 0 && q.id >= c.change && q.id < c.change+30 {
				after.count(in)
			}
		}
	}
	for id := 1; id <= 600; {
		next := at.Add(time.Duration(r.ExpFloat64() * float64(12*time.Minute)))
		if len(queue) >= 5 { // people turn away
			next = ends.Add(time.Second)
		}
		for len(queue) > 0 && !ends.After(next) {
			end := ends
			t.Add(end, Over{Train: queue[0].id, Stacks: []string{"web"}, Stage: "prod"}, lastStage)
			if queue = queue[1:]; len(queue) > 0 {
				up(end)
			}
		}
		at = next
		q := waits{id: id, joined: at}
		q.told, q.ok = t.Forecast(at, "web", len(queue))
		q.ok = q.ok && len(queue) > 0
		t.Add(at, Boarded{Stack: "web", Train: id, Place: len(queue), Size: 1}, lastStage)
		queue = append(queue, q)
		if len(queue) == 1 {
			up(at)
		}
		id++
	}
	return all, after, width / time.Duration(max(all.all, 1))
}

// TestForecastCalibrated: of waits that are told as a range of 80 %, about 80 % end
// in it, in channels that were made up, over all and after a change of regime. Those
// are simulated figures: the channel's own are in its stats (`forecasts`).
func TestForecastCalibrated(t *testing.T) {
	t.Log("simulated: share of waits that ended in the 80 % range that was told")
	for _, c := range channels {
		var all, after covered
		var width time.Duration
		for seed := range uint64(8) {
			a, f, w := c.play(seed + 1)
			all.in, all.all = all.in+a.in, all.all+a.all
			after.in, after.all = after.in+f.in, after.all+f.all
			width += w / 8
		}
		line := fmt.Sprintf("%-40s %.0f %% of %d, mean width %s", c.name, 100*all.share(), all.all, width.Round(time.Minute))
		if c.change > 0 {
			line += fmt.Sprintf("; %.0f %% of the %d waits of 30 trains after the change", 100*after.share(), after.all)
		}
		t.Log(line)
		if s := all.share(); s < 0.76 || s > 0.85 {
			t.Errorf("%s: %.0f %% lie in the range", c.name, 100*s)
		}
		if c.change > 0 && after.share() < 0.65 {
			t.Errorf("%s: after the change %.0f %% lie in the range", c.name, 100*after.share())
		}
	}
}
