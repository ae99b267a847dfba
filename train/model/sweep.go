package model

import "time"

// Caps simulates p once for each cap from 1 to most.
func Caps(p Params, most int) []Result {
	var out []Result
	for p.Cap = 1; p.Cap <= most; p.Cap++ {
		all, _ := Run(p)
		out = append(out, all)
	}
	return out
}

// Knee is the smallest cap that is as good as any: as many riders go live, within 2 %,
// and the median of them at most five minutes later than at best. byCap begins with cap 1.
func Knee(byCap []Result) int {
	best, most := never, 0.0
	for _, r := range byCap {
		most = max(most, r.Riders)
	}
	enough := func(r Result) bool { return r.Riders >= 0.98*most }
	for _, r := range byCap {
		if enough(r) {
			best = min(best, r.Live.P50)
		}
	}
	for i, r := range byCap {
		if enough(r) && r.Live.P50 <= best+5*time.Minute {
			return i + 1
		}
	}
	return 0
}

// Flat is a load of so many riders a day, the same in each hour from open to close.
func Flat(riders float64, open, close int) [24]float64 {
	var out [24]float64
	for h := open; h < close; h++ {
		out[h] = riders / float64(close-open)
	}
	return out
}

// Busy is a load of so many riders a day with two tops, late in the morning and in
// the afternoon, and less at its ends and at noon.
func Busy(riders float64, open, close int) [24]float64 {
	shape := []float64{0.7, 1.2, 1.3, 0.7, 1.0, 1.3, 1.2, 0.6} // of eighths of the day
	var out [24]float64
	sum := 0.0
	for h := open; h < close; h++ {
		out[h] = shape[(h-open)*len(shape)/(close-open)]
		sum += out[h]
	}
	for h := range out {
		out[h] *= riders / sum
	}
	return out
}
