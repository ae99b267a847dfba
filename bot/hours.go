package bot

import (
	"fmt"
	"time"

	"pushtrain/train"
)

// hours tells the train when the hours begin or end, or are others.
func (b *Bot) hours() { b.hoursAt(b.clock().Round(0)) }

func (b *Bot) hoursAt(now time.Time) {
	if now.Before(b.seasonBegins) || !now.Before(b.seasonEnds) {
		b.season, b.seasonBegins, b.seasonEnds = b.cfg.Hours.At(now), now, now.Add(time.Hour)
		if until := b.season.Until; !until.IsZero() && until.Before(b.seasonEnds) {
			b.seasonEnds = until
		}
	}
	if b.season.Same(b.train.Hours) || hasJustTurned(b.train, b.season, now) {
		return
	}
	if !b.season.Closed {
		b.channel("hours", "") // one that waits yet is over
	}
	b.must(train.Who{}, b.season)
}

// hasJustTurned reports whether h would take back what the clock has brought a moment
// before: it is being corrected, and will come to the same again.
func hasJustTurned(s train.State, h train.Hours, now time.Time) bool {
	back := s.Turned.Sub(now)
	return h.Closed != s.Hours.Closed && back > 0 && back < time.Minute
}

// hoursText says how it is, and when trains depart as a rule.
func (b *Bot) hoursText() string {
	h := b.train.Hours
	text := "trains depart"
	switch {
	case h.Closed:
		text = fmt.Sprintf("%s; `%shotfix \"why\"` goes now", b.train.Shut(), b.cfg.Prefix)
	case !h.Until.IsZero():
		text += " until " + h.Says(b.now())
	}
	return fmt.Sprintf("%s (%s)", text, b.train.Rules.Hours)
}
