package train

import "slices"

// Fit is Format in at most limit bytes. What is too long shows whole trains, the
// first ones, and ends in `… +7`: the number of riders left out.
//
// When even the first train is too long the messages and reasons go first, then the
// banner and the texts between the trains, then its riders one by one from the end, then the
// holds; the driver stays. Nothing is cut inside a name: where there is no room for the
// driver, who takes some 80 bytes at most unless nick, stack or stage are long, there is
// "… +7" alone, and where there is none for that either, "".
//
// Only riders are counted: a topic that lost nothing but texts has no `… +7`.
func Fit(q Queue, limit int) string {
	if s, ok := fitTrains(q, limit); ok {
		return s
	}
	q = withoutMessages(q)
	if s, ok := fitTrains(q, limit); ok {
		return s
	}
	q = withoutTexts(q)
	if s, ok := fitTrains(q, limit); ok {
		return s
	}
	if s, ok := fitRiders(q, limit); ok {
		return s
	}
	q.Holds = nil
	if s, ok := fitRiders(q, limit); ok {
		return s
	}
	if s := Format(first(q, 0, 0)); len(s) <= limit {
		return s
	}
	return ""
}

// fitTrains writes as many of q's trains as there is room for, at least the first.
func fitTrains(q Queue, limit int) (s string, ok bool) {
	if s := Format(q); len(s) <= limit {
		return s, true
	}
	q.Rest = nil
	if s := Format(q); len(s) <= limit {
		return s, true
	}
	for n := 1; n < len(q.Trains); n++ {
		longer := Format(first(q, n, len(q.Trains[n-1].Riders)))
		if len(longer) > limit {
			break // one more train is never shorter
		}
		s, ok = longer, true
	}
	return s, ok
}

// fitRiders writes as many riders of q's first train as there is room for, at least the driver.
func fitRiders(q Queue, limit int) (s string, ok bool) {
	if len(q.Trains) == 0 {
		s = Format(q)
		return s, len(s) <= limit
	}
	for n := 1; n <= len(q.Trains[0].Riders); n++ {
		longer := Format(first(q, 1, n))
		if len(longer) > limit {
			break
		}
		s, ok = longer, true
	}
	return s, ok
}

// first returns q with its first trains, the last of them with its first riders.
// The others are counted in More.
func first(q Queue, trains, riders int) Queue {
	all := 0
	for _, t := range q.Trains {
		all += len(t.Riders)
	}
	kept := slices.Clone(q.Trains[:trains])
	if trains > 0 {
		last := &kept[trains-1]
		last.Riders = last.Riders[:riders]
	}
	for _, t := range kept {
		all -= len(t.Riders)
	}
	q.Trains, q.Rest, q.More = kept, nil, q.More+all
	return q
}

// withoutMessages returns q without what people wrote in quotes.
func withoutMessages(q Queue) Queue {
	q.Message = ""
	q.Holds = slices.Clone(q.Holds)
	for i := range q.Holds {
		q.Holds[i].Why = ""
	}
	q.Trains = slices.Clone(q.Trains)
	for i := range q.Trains {
		q.Trains[i].Message = ""
	}
	return q
}

// withoutTexts returns q without the banner and the texts between the trains.
func withoutTexts(q Queue) Queue {
	q.Banner, q.Rest = "", nil
	q.Trains = slices.Clone(q.Trains)
	for i := range q.Trains {
		q.Trains[i].Before = nil
	}
	return q
}
