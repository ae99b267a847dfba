package watch

import (
	"encoding/binary"
	"slices"
	"time"
)

// Saved is what of a [Log] outlives the process that reads it: what a push is held
// against, and the window after the flip. Its JSON takes some 500 KB at the very most.
type Saved struct {
	At      time.Time     // until when the log was read
	Usual   []byte        `json:",omitempty"` // ids of kinds, 8 bytes each
	Rate    float64       `json:",omitempty"`
	Known   time.Duration `json:",omitempty"`
	Spoiled bool          `json:",omitempty"`
	Open    bool          `json:",omitempty"`
	Flip    time.Time     `json:",omitzero"`
	Lines   int           `json:",omitempty"`
	Away    time.Duration `json:",omitempty"`
	Lost    int64         `json:",omitempty"`
	New     []Kind        `json:",omitempty"`
	IDs     []id          `json:",omitempty"` // of New
	More    int           `json:",omitempty"`
	Bad     bool          `json:",omitempty"`
}

// Save returns what Restore needs to go on from now.
func (l *Log) Save(now time.Time) Saved {
	s := Saved{
		At: now, Rate: l.usualRate, Known: l.known, Spoiled: l.spoiled, Open: l.open, Flip: l.flip,
		Lines: l.lines, Away: l.away, Lost: l.lost, New: slices.Clone(l.fresh), More: l.more, Bad: l.bad,
	}
	for kind := range l.usual {
		s.Usual = binary.LittleEndian.AppendUint64(s.Usual, uint64(kind))
	}
	s.IDs = make([]id, len(l.fresh))
	for kind, i := range l.index {
		s.IDs[i] = kind
	}
	return s
}

// Restore returns a Log that is read from now on and goes on with s. What was said
// in between nobody has read: a window that is still open tells for how long.
func Restore(r Rules, s Saved, now time.Time) *Log {
	l := New(r, now)
	l.usualRate, l.known, l.spoiled = s.Rate, s.Known, s.Spoiled
	l.open, l.flip, l.lines, l.away, l.lost, l.more, l.bad = s.Open, s.Flip, s.Lines, s.Away, s.Lost, s.More, s.Bad
	l.usual, l.index, l.last = map[id]bool{}, map[id]int{}, map[string]int{}
	for i := 0; i+8 <= len(s.Usual); i += 8 {
		l.usual[id(binary.LittleEndian.Uint64(s.Usual[i:]))] = true
	}
	if len(s.IDs) == len(s.New) {
		l.fresh = s.New
		for i, kind := range s.IDs {
			l.index[kind] = i
		}
	}
	if ends := l.Ends(); l.open && s.At.Before(ends) {
		l.away += max(min(now.Sub(s.At), ends.Sub(s.At)), 0)
	}
	return l
}

// Forget ends the window after the flip, as if there had been none: another release
// is live than the one that it was about.
func (l *Log) Forget() { l.open, l.flip = false, time.Time{} }
