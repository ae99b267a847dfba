package watch

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"took 12 ms", "took 3 ms", "took 120 ms"},
		{"[2026-11-25 14:03:59.123] x", "[2026-11-25 14:04:00.9] x"},
		{"from 10.0.0.1:443", "from 192.168.7.200:51234", "from 2001:db8::1"},
		{"session deadbeef01 lost", "session 0badcafe77 lost"},
		{"id 550e8400-e29b-41d4-a716-446655440000", "id f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
		{"at 0x7ffe01", "at 0x55d1"},
	} {
		for _, line := range same[1:] {
			if Fold(line) != Fold(same[0]) {
				t.Errorf("%q is %q, and %q is %q", line, Fold(line), same[0], Fold(same[0]))
			}
		}
	}
	for line, want := range map[string]string{
		"":                           "",
		"PHP Notice: x in a.php:12":  "PHP Notice: x in a.php:12",
		"undefined index face":       "undefined index face",
		"decade":                     "decade",
		"lib/a2.php on line 7":       "lib/a2.php on line #",
		"é 1":                        "é #",
		strings.Repeat("x", 1000):    strings.Repeat("x", kindMax),
		strings.Repeat("x ", 1000):   strings.Repeat("x ", kindMax/2),
		strings.Repeat("1 ", 100000): strings.Repeat("# ", kindMax/2),
	} {
		if got := Fold(line); got != want {
			t.Errorf("Fold(%.40q) = %q, want %q", line, got, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "a 1 b", "10.0.0.1 - - [x]", "deadbeef", "\xff\x00", ":::", "a.-b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k := Fold(s)
		if len(k) > kindMax {
			t.Errorf("%d bytes", len(k))
		}
		if len(s) < kindMax && Fold(k) != k && !strings.ContainsAny(k, "#") {
			t.Errorf("Fold(%q) = %q, and that folds to %q", s, k, Fold(k))
		}
	})
}

// play is a log on a clock of its own.
type play struct {
	*Log
	now time.Time
}

func newPlay(r Rules) *play {
	now := time.Unix(1_800_000_000, 0)
	return &play{New(r, now.Add(-time.Hour)), now}
}

// say has each line come, a second after the one before.
func (p *play) say(lines ...string) (fresh []string, bad bool) {
	for _, line := range lines {
		p.now = p.now.Add(time.Second)
		k, b := p.Line(p.now, "web1", line)
		if k != nil {
			fresh = append(fresh, k.Text)
		}
		bad = bad || b
	}
	return fresh, bad
}

func TestNew(t *testing.T) {
	p := newPlay(Rules{Window: time.Minute, Ignore: []*regexp.Regexp{regexp.MustCompile("^debug")}})
	if got, _ := p.say("before any flip 1"); got != nil {
		t.Errorf("new with no flip: %q", got)
	}
	p.say("usual 1", "usual 2")
	p.Flip(p.now)
	got, bad := p.say("usual 3", "debug 1", "fatal in lib/a.php line 7", "fatal in lib/a.php line 9", "other 1", "fatal in lib/a.php line 7")
	if fmt.Sprint(got) != "[fatal in lib/a.php line 7 other 1]" || bad {
		t.Errorf("new: %q, bad %v", got, bad)
	}
	if !p.Ends().Equal(p.now.Add(54 * time.Second)) {
		t.Errorf("ends %v at %v", p.Ends(), p.now)
	}
	r := p.Close()
	if len(r.New) != 2 || r.New[0].Count != 3 || r.New[1].Text != "other 1" || r.New[0].From != "web1" || r.Lines != 5 || r.More != 0 {
		t.Errorf("report %+v", r)
	}
	if got, _ := p.say("after the window 1"); got != nil || !p.Ends().IsZero() {
		t.Errorf("new after the window: %q", got)
	}
	if r.Known != time.Minute || r.Short {
		t.Errorf("known for %s, short %v", r.Known, r.Short)
	}
	young := New(Rules{Window: time.Minute}, p.now)
	young.Flip(p.now.Add(29 * time.Second))
	if r := young.Close(); r.Known != 29*time.Second || !r.Short {
		t.Errorf("a young one: known for %s, short %v", r.Known, r.Short)
	}
	// What a good push has brought is usual from then on; what is long gone is not.
	p.Flip(p.now)
	if got, _ := p.say("fatal in lib/a.php line 1", "usual 9"); got != nil {
		t.Errorf("new: %q", got)
	}
	p.now = p.now.Add(2 * time.Minute)
	p.Flip(p.now)
	if got, _ := p.say("usual 9"); len(got) != 1 {
		t.Error("a line of two minutes ago is usual")
	}
}

// TestBelow: the lines of a stack trace belong to the line above them, of the same source.
func TestBelow(t *testing.T) {
	p := newPlay(Rules{Window: time.Minute})
	p.say("usual 1", " at x", "  indented usual")
	p.Flip(p.now)
	from := func(source string, lines ...string) {
		for _, line := range lines {
			p.now = p.now.Add(time.Second)
			p.Line(p.now, source, line)
		}
	}
	trace := []string{"Stack trace:", "#0 lib/cart.php(9): pay()", "\tat X.java", "Caused by: Y"}
	from("web1", append([]string{"Error 1"}, trace...)...)
	from("web1", append([]string{"Error 2"}, trace...)...)
	from("web1", "other")
	from("web2", " lost")                 // nothing of web2's is above it
	from("web1", "usual 2", " not below") // what is above it is no news
	from("web2", "  indented one", "  indented two", "  indented usual")
	for i := range 2 * underMax {
		from("web3", "broken", fmt.Sprint(" frame ", i))
	}
	var got []string
	for _, k := range p.Close().New {
		got = append(got, fmt.Sprintf("%d %s: %d below", k.Count, k.Text, len(k.Under)))
	}
	want := "[20 broken: 10 below 2 Error 1: 4 below 1 other: 0 below 1  lost: 0 below 1  not below: 0 below 1   indented one: 0 below 1   indented two: 0 below]"
	if fmt.Sprint(got) != want {
		t.Errorf("new is\n%q, want\n%s", got, want)
	}
}

// TestRetry is Wikimedia's T183999: a push that failed is tried again, and is held
// against what was before the first try.
func TestRetry(t *testing.T) {
	p := newPlay(Rules{Window: time.Minute, Rate: 10, Lines: 20})
	for range 12 {
		p.say("usual 1")
		p.now = p.now.Add(4 * time.Second)
	}
	flood := func() (fresh []string, bad bool) {
		for range 200 {
			p.now = p.now.Add(20 * time.Millisecond)
			k, b := p.Line(p.now, "web1", "500 on /")
			if k != nil {
				fresh = append(fresh, k.Text)
			}
			bad = bad || b
		}
		return fresh, bad
	}
	for try := range 3 {
		p.Flip(p.now)
		if got, bad := flood(); len(got) != 1 || !bad {
			t.Errorf("try %d: new %q, bad %v", try, got, bad)
		}
		p.Spoil()
	}
	// It is mended, and good: from then on all is as ever.
	p.now = p.now.Add(2 * time.Minute)
	p.Flip(p.now)
	if got, bad := p.say("usual 2"); got != nil || bad {
		t.Errorf("mended: new %q, bad %v", got, bad)
	}
}

func TestRule(t *testing.T) {
	rule := Rules{Window: time.Minute, Rate: 10, Lines: 20}
	for _, c := range []struct {
		before, after int // lines in the minute before the flip, in half a minute after it
		rules         Rules
		want          bool
	}{
		{0, 20, rule, false},
		{0, 21, rule, true},
		{60, 250, rule, false},
		{60, 330, rule, true},
		{60, 3000, Rules{Window: time.Minute}, false},
	} {
		p := newPlay(c.rules)
		told := 0
		feed := func(n int, over time.Duration) {
			for range n {
				p.now = p.now.Add(over / time.Duration(n))
				if _, bad := p.Line(p.now, "", "x"); bad {
					told++
				}
			}
		}
		feed(c.before, time.Minute)
		p.Flip(p.now)
		feed(c.after, time.Minute/2)
		if p.Report().Bad != c.want || told > 1 || (told == 1) != c.want {
			t.Errorf("%d, then %d lines: bad %v, told %d times, want %v", c.before, c.after, p.Report().Bad, told, c.want)
		}
	}
}

// A hundred megabytes of lines that are all of another kind take bounded room.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	p := newPlay(Rules{Window: time.Minute})
	p.Flip(p.now)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	pad := strings.Repeat("y", 950)
	for i := range 100_000 {
		p.now = p.now.Add(100 * time.Microsecond)
		p.Line(p.now, "web1", fmt.Sprintf("k%s %s", strings.Repeat("z", i%977), pad[:i%900]))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("%d MiB more", grown>>20)
	}
	if r := p.Report(); len(r.New) != newMax || r.More == 0 || r.Lines != 100_000 {
		t.Errorf("%d kinds, %d more, %d lines", len(r.New), r.More, r.Lines)
	}
}
