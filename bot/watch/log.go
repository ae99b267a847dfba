package watch

import (
	"hash/fnv"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Rules are what a stage's log is watched by.
type Rules struct {
	Ignore []*regexp.Regexp // lines that are never counted
	Window time.Duration    // before and after a flip; more than 0
	Rate   float64          // so many times the usual rate are bad; 0 = nothing is
	Lines  int              // and more than so many lines since the flip
}

// Kind is one kind of line.
type Kind struct {
	Text  string   // the first line of it, as it was
	Under []string `json:",omitempty"` // what its source said below such lines, as where in the code it was; at most 10
	From  string   // where it came from
	Count int      // since the flip
}

const (
	kindsMax = 2000 // that a Log tells apart
	newMax   = 50   // of which the first line is kept
	underMax = 10   // lines below one that are kept
	textMax  = 400  // bytes of one
	slots    = 10   // of a window
)

// id stands for a kind: that two of a million kinds share one has a chance of 1 in 37 million.
type id uint64

func idOf(line string) id {
	h := fnv.New64a()
	_, _ = h.Write([]byte(Fold(line))) // it never fails, says package hash
	return id(h.Sum64())
}

// below is how a line begins that goes on with the one above it: the frames of a
// stack trace in PHP, Java, Python, Ruby and Go.
var below = regexp.MustCompile(`^(\s|#\d+ |Stack trace:|Caused by: )`)

// Log is what the log of one target says. It is used by one goroutine, and takes the
// time from its caller, which never goes back.
type Log struct {
	rules Rules
	began time.Time

	// The window that ends now, in slots: which kinds, and how many lines. It is right
	// to one slot.
	recent [slots]slot
	at     int64 // number of the slot that is filled, since 1970

	usual     map[id]bool   // the kinds that a push is held against
	known     time.Duration // how much of the window they come from is known
	usualRate float64       // lines a second, likewise
	spoiled   bool          // the last push went wrong: usual stays as it is

	open  bool // a window after a flip
	flip  time.Time
	lines int
	away  time.Duration // of the window, in which nobody read
	lost  int64         // bytes that came too fast to be read
	fresh []Kind
	index map[id]int     // place in fresh, by kind
	last  map[string]int // place in fresh of what a source said last; it is missing when that was usual
	more  int            // lines of new kinds beyond newMax
	bad   bool
}

type slot struct {
	kinds map[id]bool
	lines int
}

// New returns the Log of a target that is read from now on.
func New(r Rules, now time.Time) *Log { return &Log{rules: r, began: now} }

// Line takes a line of a source in. Fresh is the kind when it is new, since the flip,
// and this is the first of it; bad reports whether with this line the rule holds.
func (l *Log) Line(now time.Time, from, line string) (fresh *Kind, bad bool) {
	for _, r := range l.rules.Ignore {
		if r.MatchString(line) {
			return nil, false
		}
	}
	l.advance(now)
	kind := idOf(line)
	s := &l.recent[l.at%slots]
	s.lines++
	if s.kinds == nil {
		s.kinds = map[id]bool{}
	}
	if len(s.kinds) < kindsMax {
		s.kinds[kind] = true
	}
	if !l.open {
		return nil, false
	}
	l.lines++
	if i, known := l.last[from]; known && below.MatchString(line) {
		if k := &l.fresh[i]; len(k.Under) < underMax && !slices.Contains(k.Under, cut(line)) {
			k.Under = append(k.Under, cut(line))
		}
	} else if delete(l.last, from); !l.usual[kind] {
		fresh = l.count(kind, from, line)
	}
	if !l.bad && l.rules.Rate > 0 && l.lines > l.rules.Lines {
		since := max(now.Sub(l.flip).Seconds(), 1)
		l.bad = float64(l.lines)/since > l.rules.Rate*l.usualRate
		bad = l.bad
	}
	return fresh, bad
}

// Lost says that so many bytes have come which nobody read.
func (l *Log) Lost(bytes int64) {
	if l.open {
		l.lost += bytes
	}
}

// count counts a line of a new kind, and returns the kind when it is the first.
func (l *Log) count(kind id, from, line string) *Kind {
	i, known := l.index[kind]
	switch {
	case known:
		l.fresh[i].Count++
	case len(l.fresh) == newMax:
		l.more++
		return nil
	default:
		i = len(l.fresh)
		l.index[kind] = i
		l.fresh = append(l.fresh, Kind{Text: cut(line), From: from, Count: 1})
	}
	if !below.MatchString(line) { // a log may have all its lines indented
		l.last[from] = i
	}
	if known {
		return nil
	}
	k := l.fresh[i]
	return &k
}

func cut(line string) string { return strings.ToValidUTF8(line[:min(len(line), textMax)], "") }

// advance empties the slots whose time is over.
func (l *Log) advance(now time.Time) {
	width := max(int64(l.rules.Window)/slots, 1)
	at := now.UnixNano() / width
	for steps := min(at-l.at, slots); steps > 0; steps-- {
		l.recent[(at-steps+1)%slots] = slot{}
	}
	l.at = max(l.at, at)
}

// Flip begins the window after a push. What it is held against is the window before,
// unless the push before it went wrong.
func (l *Log) Flip(now time.Time) {
	l.advance(now)
	if !l.spoiled {
		l.usual, l.usualRate = map[id]bool{}, 0
		l.known = max(min(now.Sub(l.began), l.rules.Window), time.Second)
		for _, s := range l.recent {
			for k := range s.kinds {
				l.usual[k] = true
			}
			l.usualRate += float64(s.lines) / l.known.Seconds()
		}
	}
	l.spoiled = false
	l.open, l.flip, l.lines, l.away, l.lost, l.more, l.bad = true, now, 0, 0, 0, 0, false
	l.fresh, l.index, l.last = nil, map[id]int{}, map[string]int{}
}

// Spoil says that the last push went wrong, and ends its window: what its log has
// said is not usual.
func (l *Log) Spoil() { l.spoiled, l.open = true, false }

// Ends is when the window after the flip is over; zero = there is none.
func (l *Log) Ends() time.Time {
	if !l.open {
		return time.Time{}
	}
	return l.flip.Add(l.rules.Window)
}

// Report is what was new since the flip.
type Report struct {
	Flip  time.Time
	Lines int           // all of them
	Usual float64       // lines a second before the flip
	Known time.Duration // how much of the window before the flip was read
	Away  time.Duration // how much of the one behind it was not
	Lost  int64         // bytes of it that came too fast to be read
	Short bool          // that is less than half of it
	Bad   bool          // the rule held
	New   []Kind        // the most frequent first, at most 50
	More  int           // lines of yet other kinds
}

// Report sums up what has come since the flip.
func (l *Log) Report() Report {
	r := Report{Flip: l.flip, Lines: l.lines, Usual: l.usualRate, Known: l.known, Away: l.away, Lost: l.lost, Short: l.known < l.rules.Window/2, Bad: l.bad, New: slices.Clone(l.fresh), More: l.more}
	slices.SortStableFunc(r.New, func(a, b Kind) int { return b.Count - a.Count })
	return r
}

// Close ends the window after the flip, and sums it up.
func (l *Log) Close() Report {
	l.open = false
	return l.Report()
}
