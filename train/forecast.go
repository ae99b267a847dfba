package train

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A forecast of a wait is made of the lane's own cycles, whatever came of them: the
// newest 40 of the last 30 days, each counting half as much as the one 12 newer.
// The wait behind n trains is what is left of the first one's cycle, which is at
// least as long as it has been up, and n-1 more, drawn from these 200 times. Its
// range runs from the 10th to the 90th percentile, so that 8 waits of 10 should end
// inside. Each end is then moved out or in by a factor that is learned: what the
// first rider of each train was told is compared with what came, so a channel whose
// cycles hang together, or have just become longer, gets the wider range that it needs.
//
// It knows nothing of closing time: then no wait is told, and those told before are
// not looked at again. A held line waits for longer than it says.
type history struct {
	Cycles []took // oldest first
	Low    float64
	High   float64 // how far each end lies from the middle, of what the cycles say; 1 = as they say
}

type took struct {
	End  time.Time
	Took time.Duration
}

// promise is a forecast that waits to come out.
type promise struct {
	At        time.Time
	Stack     string
	Low, High time.Duration
}

const (
	laneKeeps   = 40
	laneHalf    = 12.0
	laneDays    = 30
	laneLearns  = 0.1 // how fast the factors move
	laneDraws   = 200
	laneOutside = 0.1 // of the waits should lie below the range, and as many above
)

func (t *Tally) lane(stack string) *history {
	h := t.lanes[stack]
	if h == nil {
		if t.lanes == nil {
			t.lanes = map[string]*history{}
		}
		h = &history{Low: 1, High: 1}
		t.lanes[stack] = h
	}
	return h
}

func (h *history) add(at time.Time, d time.Duration) {
	h.Cycles = append(h.Cycles, took{at, d})
	h.Cycles = h.Cycles[max(0, len(h.Cycles)-laneKeeps):]
}

// Wait is a forecast: of ten waits, one is shorter than Low and one longer than High.
type Wait struct{ Low, High time.Duration }

// Forecast says what a seat waits that has n trains of a lane in front of it. ok is
// false when fewer than three cycles of the last 30 days are known.
func (t *Tally) Forecast(now time.Time, stack string, n int) (w Wait, ok bool) {
	h := t.lanes[stack]
	if h == nil {
		return Wait{}, false
	}
	i := slices.IndexFunc(h.Cycles, func(c took) bool { return now.Sub(c.End) <= laneDays*24*time.Hour })
	if i < 0 || len(h.Cycles)-i < 3 {
		return Wait{}, false
	}
	if n <= 0 {
		return Wait{}, true
	}
	p10, p50, p90 := draw(h.Cycles[i:], t.upFor(now, stack), n)
	return Wait{Low: max(0, p50-scale(p50-p10, h.Low)), High: p50 + scale(p90-p50, h.High)}, true
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

// upFor is how long the head of a lane has been up: of two that are, the later one.
func (t *Tally) upFor(now time.Time, stack string) time.Duration {
	least := time.Duration(-1)
	for _, o := range t.open {
		if d := max(now.Sub(o.Up), 0); slices.Contains(o.Stacks, stack) && (least < 0 || d < least) {
			least = d
		}
	}
	return max(least, 0)
}

// draw returns percentiles of the sum of what is left of a cycle after up, and of n-1 more.
func draw(cycles []took, up time.Duration, n int) (p10, p50, p90 time.Duration) {
	first, whole := strata(cycles, up), strata(cycles, 0)
	sums := make([]time.Duration, laneDraws)
	random := uint64(len(cycles))
	for k := range n {
		from, less := whole, time.Duration(0)
		if k == 0 {
			from, less = first, up
		}
		for i, part := range shuffled(&random) { // one draw from each part of the distribution, in an order of its own
			sums[i] += from[part] - less
		}
	}
	slices.Sort(sums)
	return rank(sums, 10), rank(sums, 50), rank(sums, 90)
}

// strata are laneDraws durations that stand for the cycles longer than more, ascending.
// With none of them it is as long again as more, at most.
func strata(cycles []took, more time.Duration) []time.Duration {
	type weighed struct {
		d     time.Duration
		share float64
	}
	var w []weighed
	sum := 0.0
	for i, c := range cycles {
		if c.Took > more || more == 0 {
			age := float64(len(cycles) - 1 - i)
			w = append(w, weighed{c.Took, math.Exp2(-age / laneHalf)})
			sum += w[len(w)-1].share
		}
	}
	slices.SortFunc(w, func(a, b weighed) int { return cmp.Compare(a.d, b.d) })
	out := make([]time.Duration, laneDraws)
	k, upTo := -1, 0.0
	for i := range out {
		u := (float64(i) + 0.5) / laneDraws
		if len(w) == 0 {
			out[i] = more + scale(more, u)
			continue
		}
		for k < 0 || upTo < u*sum && k < len(w)-1 {
			k++
			upTo += w[k].share
		}
		out[i] = w[k].d
	}
	return out
}

// shuffled is 0 to laneDraws-1 in an order that random decides, and that is the
// same each time for the same random: a forecast must not change while nothing does.
func shuffled(random *uint64) []int {
	out := make([]int, laneDraws)
	for i := range out {
		*random += 0x9e3779b97f4a7c15 // splitmix64
		z := *random
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		k := int(z % uint64(i+1))
		out[i] = out[k]
		out[k] = i
	}
	return out
}

// promise notes what the first rider of a train is told.
func (t *Tally) promise(at time.Time, e Boarded) {
	if e.Place == 0 || e.Size > 1 || e.Shut {
		return
	}
	w, ok := t.Forecast(at, e.Stack, e.Place)
	if !ok {
		return
	}
	if t.told == nil {
		t.told = map[int]promise{}
	}
	for id, p := range t.told { // trains that left the queue before they were up
		if at.Sub(p.At) > 7*24*time.Hour {
			delete(t.told, id)
		}
	}
	t.told[e.Train] = promise{At: at, Stack: e.Stack, Low: w.Low, High: w.High}
}

// outcome compares a promise with what has come.
func (t *Tally) outcome(at time.Time, e Up) {
	p, ok := t.told[e.Train]
	if !ok {
		return
	}
	delete(t.told, e.Train)
	h := t.lane(p.Stack)
	got := at.Sub(p.At)
	h.Low = learned(h.Low, got < p.Low)
	h.High = learned(h.High, got > p.High)
	d := t.day(at)
	d.Told++
	if got >= p.Low && got <= p.High {
		d.Kept++
	}
}

// learned moves a factor so that it rests when one wait in ten lies outside.
func learned(factor float64, outside bool) float64 {
	step := -laneOutside
	if outside {
		step = 1 - laneOutside
	}
	return min(max(factor*math.Exp(laneLearns*step), 0.5), 5)
}
