package train

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func windows(t testing.TB, text string) []Window {
	t.Helper()
	w, err := ParseWindows(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

const office = "mon-thu 09:00-18:00, fri 09:00-16:00"

func TestCalendar(t *testing.T) {
	const nights = "sun 02:30-02:45"
	for _, c := range []struct {
		hours, zone, at string // at as the zone's clock shows it, with its offset
		closed          bool
		until, name     string // "" = never
		why             string
	}{
		{office, "Europe/Berlin", "2026-11-27T08:59:59+01:00", true, "2026-11-27T09:00:00+01:00", "CET", ""},
		{office, "Europe/Berlin", "2026-11-27T09:00:00+01:00", false, "2026-11-27T16:00:00+01:00", "CET", ""},
		{office, "Europe/Berlin", "2026-11-27T15:59:59+01:00", false, "2026-11-27T16:00:00+01:00", "CET", ""},
		{office, "Europe/Berlin", "2026-11-27T16:00:00+01:00", true, "2026-11-30T09:00:00+01:00", "CET", ""},
		{office, "Europe/Berlin", "2026-12-24T18:00:00+01:00", true, "2026-12-28T09:00:00+01:00", "CET", ""}, // the 25th is a holiday, then comes a weekend
		{office, "Europe/Berlin", "2026-12-25T10:00:00+01:00", true, "2026-12-28T09:00:00+01:00", "CET", "Christmas"},
		{office, "UTC", "2026-11-27T09:00:00Z", false, "2026-11-27T16:00:00Z", "UTC", ""},
		// Over a weekend on which the clock changes the opening has another offset, and 64 or 66 hours lie between.
		{office, "Europe/Berlin", "2026-03-27T16:00:00+01:00", true, "2026-03-30T09:00:00+02:00", "CEST", ""},
		{office, "Europe/Berlin", "2026-10-23T16:00:00+02:00", true, "2026-10-26T09:00:00+01:00", "CET", ""},
		// A day of 23 hours, and one of 25: midnight to midnight.
		{"sun 00:00-24:00", "Europe/Berlin", "2026-03-29T00:00:00+01:00", false, "2026-03-30T00:00:00+02:00", "CEST", ""},
		{"sun 00:00-24:00", "Europe/Berlin", "2026-10-25T00:00:00+02:00", false, "2026-10-26T00:00:00+01:00", "CET", ""},
		// 02:30 does not exist on the day of spring, and comes twice in autumn.
		{"sun 02:30-05:00", "Europe/Berlin", "2026-03-29T01:59:59+01:00", true, "2026-03-29T03:00:00+02:00", "CEST", ""},
		{nights, "Europe/Berlin", "2026-03-29T01:59:59+01:00", true, "2026-04-05T02:30:00+02:00", "CEST", ""},
		{nights, "Europe/Berlin", "2026-10-25T02:00:00+02:00", true, "2026-10-25T02:30:00+02:00", "CEST", ""},
		{nights, "Europe/Berlin", "2026-10-25T02:45:00+02:00", true, "2026-10-25T02:30:00+01:00", "CET", ""},
		{nights, "Europe/Berlin", "2026-10-25T02:30:00+01:00", false, "2026-10-25T02:45:00+01:00", "CET", ""},
		// Half an hour in Lord Howe; in Havana midnight itself is jumped over.
		{"sun 01:45-03:00", "Australia/Lord_Howe", "2026-04-05T01:44:00+11:00", true, "2026-04-05T01:45:00+11:00", "+11", ""},
		{"sun 01:45-03:00", "Australia/Lord_Howe", "2026-04-05T01:59:59+11:00", false, "2026-04-05T01:30:00+10:30", "+1030", ""},
		{"sun 00:00-24:00", "America/Havana", "2026-03-07T23:59:59-05:00", true, "2026-03-08T01:00:00-04:00", "CDT", ""},
		// Windows that touch are one; without an end there is none.
		{"sat 22:00-24:00, sun 00:00-02:00", "UTC", "2026-11-28T23:00:00Z", false, "2026-11-29T02:00:00Z", "UTC", ""},
		{"sat-fri 00:00-24:00", "Europe/Berlin", "2027-11-28T23:00:00+01:00", false, "", "", ""},
		{"", "Europe/Berlin", "2026-12-24T23:00:00+01:00", false, "2026-12-25T00:00:00+01:00", "CET", ""},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		cal := Calendar{Zone: zone(t, c.zone), Holidays: map[string]string{"2026-12-25": "Christmas"}}
		if c.hours != "" {
			cal.Windows = windows(t, c.hours)
		}
		got := cal.At(at.UTC())
		until := ""
		if !got.Until.IsZero() {
			until = got.Until.Format(time.RFC3339)
		}
		if got.Closed != c.closed || until != c.until || got.Zone != c.name || got.Why != c.why {
			t.Errorf("%s in %s at %s: closed %v until %s %s %q, want %v until %s %s %q", c.hours, c.zone, c.at, got.Closed, until, got.Zone, got.Why, c.closed, c.until, c.name, c.why)
		}
	}
	if h := (Calendar{}).At(time.Unix(1e9, 0)); h != (Hours{}) {
		t.Errorf("without hours: %+v", h)
	}
}

// TestCalendarHolds: up to the end that At tells nothing changes, and then it does.
func TestCalendarHolds(t *testing.T) {
	zones := []*time.Location{zone(t, "Europe/Berlin"), zone(t, "Australia/Lord_Howe"), zone(t, "America/Havana"), zone(t, "America/New_York"), time.UTC}
	rapid.Check(t, func(t *rapid.T) {
		c := Calendar{Zone: rapid.SampledFrom(zones).Draw(t, "zone"), Holidays: map[string]string{}}
		for range rapid.IntRange(1, 3).Draw(t, "windows") {
			from := time.Duration(rapid.IntRange(0, 95).Draw(t, "from")) * 15 * time.Minute
			to := min(from+time.Duration(rapid.IntRange(1, 40).Draw(t, "long"))*15*time.Minute, 24*time.Hour)
			c.Windows = append(c.Windows, Window{time.Weekday(rapid.IntRange(0, 6).Draw(t, "day")), from, to})
		}
		year := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		near := rapid.SampledFrom([]string{"2026-03-06", "2026-03-27", "2026-04-03", "2026-10-02", "2026-10-24", "2026-10-31"}).Draw(t, "near") // the clock changes somewhere
		at, err := time.Parse(time.DateOnly, near)
		if err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Duration(rapid.IntRange(0, 4*24*60).Draw(t, "minutes")) * time.Minute)
		c.Holidays[year.AddDate(0, 0, rapid.IntRange(0, 364).Draw(t, "holiday")).Format(time.DateOnly)] = ""
		h := c.At(at)
		for m := at; m.Before(h.Until); m = m.Add(max(h.Until.Sub(at)/50, time.Second)) {
			if o := c.At(m); o.Closed != h.Closed || !o.Until.Equal(h.Until) {
				t.Fatalf("%+v: at %s until %s, but at %s it is %v until %s", c.Windows, at, h.Until, m, o.Closed, o.Until)
			}
		}
		if o := c.At(h.Until.Add(-time.Second)); o.Closed != h.Closed && h.Until.After(at) {
			t.Fatalf("%+v: at %s until %s, but a second before it is otherwise", c.Windows, at, h.Until)
		}
		if o := c.At(h.Until); o.Closed == h.Closed {
			t.Fatalf("%+v: at %s until %s, and then it is the same", c.Windows, at, h.Until)
		}
	})
}

func TestParseWindows(t *testing.T) {
	if got := windows(t, "Fri-mon 22:00-24:00,tue 00:00-00:15"); len(got) != 5 ||
		got[0] != (Window{time.Friday, 22 * time.Hour, 24 * time.Hour}) || got[3].Day != time.Monday || got[4] != (Window{time.Tuesday, 0, 15 * time.Minute}) {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]string{
		"":                           "is no day with its hours",
		"mon":                        "is no day with its hours",
		"mon 9:00-18:00":             "is no time from one to another",
		"mon 09:00-18:60":            "is no time from one to another",
		"mon 09:00":                  "is no time from one to another",
		"mon 24:00-24:00":            "ends before it begins",
		"mon 22:00-02:00":            "ends before it begins",
		"monday 09:00-18:00":         "is no day, or days",
		"mon-tues 09:00-18:00":       "is no day, or days",
		"mon-fri 09:00-18:00, x y z": "is no day with its hours",
	} {
		if _, err := ParseWindows(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
