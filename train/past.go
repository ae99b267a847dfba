package train

import (
	"maps"
	"slices"
	"time"
)

// LanePast is what a simulation of a lane starts from.
type LanePast struct {
	Stack  string      `json:"stack"`
	Riders [24]float64 `json:"riders_by_hour"` // who joined in each hour of the day, the mean of days on which anybody did
	Cycles []CyclePast `json:"cycles"`
}

// CyclePast is a cycle in seconds.
type CyclePast struct {
	Took float64 `json:"seconds"`
	Live float64 `json:"live_seconds"` // from "You're up" to live; 0 = it shipped nothing
}

// Past returns the lanes of the days up to and with that of to, by name; the hours are
// those of its time zone. Riders whom a hand put into the topic are counted nowhere.
func (t *Tally) Past(to time.Time, days int) []LanePast {
	lanes := map[string]*LanePast{}
	lane := func(stack string) *LanePast {
		if lanes[stack] == nil {
			lanes[stack] = &LanePast{Stack: stack}
		}
		return lanes[stack]
	}
	busy := 0
	for _, d := range t.days {
		if first := int(to.Unix()/86400) - days; d.Number <= first {
			continue
		}
		if len(d.Joined) > 0 {
			busy++
		}
		for stack, hours := range d.Joined {
			for h, n := range hours {
				if stack != "" {
					at := time.Unix(int64(d.Number)*86400+int64(h)*3600, 0).In(to.Location())
					lane(stack).Riders[at.Hour()] += float64(n)
				}
			}
		}
		for _, c := range d.Cycles {
			past := CyclePast{Took: c.Took.Seconds()}
			if len(c.Riders) > 0 && c.Shipped {
				past.Live = min(max((c.Riders[0].Live-c.Riders[0].Wait).Seconds(), 0), past.Took)
			}
			for _, stack := range c.Stacks {
				lane(stack).Cycles = append(lane(stack).Cycles, past)
			}
		}
	}
	var out []LanePast
	for _, stack := range slices.Sorted(maps.Keys(lanes)) {
		l := lanes[stack]
		for h := range l.Riders {
			l.Riders[h] /= float64(max(busy, 1))
		}
		out = append(out, *l)
	}
	return out
}
