package train

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Calendar says when trains depart: in the windows of each week, at any time without
// windows, but on no holiday. With the zero Calendar it is always.
//
// A window is told by the clock on the wall. Where that jumps over a window's begin,
// it begins at the jump; what it shows twice counts twice.
type Calendar struct {
	Windows  []Window
	Holidays map[string]string // names by date, such as 2026-12-25; "" = it has none
	Zone     *time.Location    // nil = UTC
}

// Window is a time of one day of the week, from From on and before To, both since midnight.
type Window struct {
	Day      time.Weekday
	From, To time.Duration
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseWindows reads "mon-thu 09:00-18:00, fri 09:00-16:00".
func ParseWindows(text string) ([]Window, error) {
	var out []Window
	for _, part := range strings.Split(text, ",") {
		words := strings.Fields(part)
		if len(words) != 2 {
			return nil, fmt.Errorf("%q is no day with its hours: write `mon-thu 09:00-18:00, fri 09:00-16:00`", strings.TrimSpace(part))
		}
		first, last, several := strings.Cut(strings.ToLower(words[0]), "-")
		if !several {
			last = first
		}
		day, end := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if day < 0 || end < 0 {
			return nil, fmt.Errorf("%q is no day, or days from one to another: they are %s", words[0], strings.Join(weekdays, ", "))
		}
		begins, ends, _ := strings.Cut(words[1], "-")
		w := Window{From: wall(begins), To: wall(ends)}
		switch {
		case w.From < 0 || w.To < 0:
			return nil, fmt.Errorf("%q is no time from one to another: write 09:00-18:00, with 24:00 for the end of a day", words[1])
		case w.To <= w.From:
			return nil, fmt.Errorf("%q ends before it begins: over midnight it takes two, such as `fri 22:00-24:00, sat 00:00-02:00`", words[1])
		}
		for ; ; day = (day + 1) % len(weekdays) {
			w.Day = time.Weekday(day)
			out = append(out, w)
			if day == end {
				break
			}
		}
	}
	return out, nil
}

// wall reads a time of day, -1 when it is none.
func wall(text string) time.Duration {
	if text == "24:00" {
		return 24 * time.Hour
	}
	at, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return -1
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
}

// farthest is how many days ahead a change is looked for.
const farthest = 800

// At says how it is at t, and until when.
func (c Calendar) At(t time.Time) Hours {
	if len(c.Windows)+len(c.Holidays) == 0 {
		return Hours{}
	}
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	why, closed := c.closed(t)
	h := Hours{Closed: closed, Why: why}
	y, m, d := t.Date()
	for i := range farthest {
		for _, edge := range c.edges(time.Date(y, m, d+i, 0, 0, 0, 0, time.UTC), zone) {
			if _, then := c.closed(edge); edge.After(t) && then != closed {
				h.Until, h.Zone = edge, edge.Format("MST")
				return h
			}
		}
	}
	return h
}

// closed reports whether no train departs at t, and the name of the holiday that says so.
func (c Calendar) closed(t time.Time) (why string, closed bool) {
	if name, holiday := c.Holidays[t.Format(time.DateOnly)]; holiday {
		return name, true
	}
	if len(c.Windows) == 0 {
		return "", false
	}
	hour, minute, second := t.Clock()
	at := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	return "", !slices.ContainsFunc(c.Windows, func(w Window) bool {
		return w.Day == t.Weekday() && w.From <= at && at < w.To
	})
}

// edges are the moments of a day, in order, at which something may change. day is
// its midnight as UTC has it.
func (c Calendar) edges(day time.Time, zone *time.Location) []time.Time {
	var out []time.Time
	add := func(at time.Time) {
		if at.Format(time.DateOnly) == day.Format(time.DateOnly) {
			out = append(out, at)
		}
	}
	walls := []time.Duration{0}
	for _, w := range c.Windows {
		if w.Day == day.Weekday() {
			walls = append(walls, w.From, w.To)
		}
	}
	for _, away := range []time.Duration{-24 * time.Hour, 24 * time.Hour} { // the zone has one offset before a jump and another behind it
		near := day.Add(away).In(zone)
		_, offset := near.Zone()
		for _, w := range walls {
			shown := day.Add(w)
			if at := shown.Add(-time.Duration(offset) * time.Second).In(zone); at.Format(time.DateTime) == shown.Format(time.DateTime) {
				add(at)
			}
		}
		if _, jump := near.ZoneBounds(); !jump.IsZero() {
			add(jump.In(zone))
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// Says names the moment up to which h holds, as seen at at: "Mon 09:00 CET", with
// the date when that is a week away or more.
func (h Hours) Says(at time.Time) string {
	switch {
	case h.Until.IsZero():
		return "at no time that is known"
	case h.Until.Sub(at) < 6*24*time.Hour:
		return h.Until.Format("Mon 15:04 ") + h.Zone
	}
	return h.Until.Format("Mon 2 Jan 15:04 ") + h.Zone
}

// Same reports whether h and o say the same.
func (h Hours) Same(o Hours) bool {
	return h.Closed == o.Closed && h.Until.Equal(o.Until) && h.Zone == o.Zone && h.Why == o.Why
}
