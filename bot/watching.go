package bot

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pushtrain/bot/watch"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/train"
)

// This file watches what stages log after a push.

// Watch is how a stage's log is watched. The zero Watch is not at all.
type Watch struct {
	watch.Rules
	Rollback bool // what Rules call bad flips back by itself
}

// watcher is the log of one target, with what the bot knows of the push it is about.
type watcher struct {
	how Watch

	mu   sync.Mutex
	log  *watch.Log // guarded by mu: lines come from several goroutines
	bad  bool       // guarded by mu; and not told yet
	fail string     // guarded by mu: why lines are missing; not told yet
	news bool       // guarded by mu: lines have come to an open window since it was shown

	// Owned by Run.
	shown  time.Time
	aboard []string // who rode, when the push flipped whose window is open
}

// kindsTold is how many kinds of lines the channel hears of.
const kindsTold = 3

// startWatching follows the logs of all stages that are watched.
func (b *Bot) startWatching() {
	for _, t := range b.targets() {
		how := b.cfg.Fleets[t].Watch
		if how.Window == 0 || b.cfg.Idle {
			continue
		}
		w := b.watches[t]
		if w == nil {
			w = &watcher{how: how, log: watch.New(how.Rules, b.now())}
			b.watches[t] = w
		}
		b.with(func(c *crew) { c.Follow(c.ctx, t, w.line) })
	}
}

// line takes in what a log says. Any goroutine may call it.
func (w *watcher) line(l fleet.Line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.Err {
		w.fail = strings.TrimPrefix(l.Host+": "+l.Text, ": ")
		return
	}
	w.news = w.news || !w.log.Ends().IsZero()
	if _, bad := w.log.Line(time.Now(), l.Host, l.Text); bad {
		w.bad = true
	}
}

// watchPhase opens the window of a push when it flips, and gives up on one that is taken back.
func (b *Bot) watchPhase(r deploy.Rollout) {
	w := b.watches[r.Target]
	if w == nil || r.State != deploy.Flipping && r.State != deploy.RollBack || r.Sync {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = false
	if r.Back || r.State == deploy.RollBack {
		w.log.Spoil()
		return
	}
	if !w.log.Ends().IsZero() {
		b.tellWatched(r.Target, w.log.Close())
	}
	w.log.Flip(b.now())
	w.aboard = b.riders(r.Train)
	if len(w.aboard) == 0 {
		w.aboard = []string{r.By}
	}
}

// watch tells what the logs have brought since it was last asked.
func (b *Bot) watch() {
	for _, t := range b.targets() {
		w := b.watches[t]
		if w == nil {
			continue
		}
		w.mu.Lock()
		bad, fail, report, over := w.bad, w.fail, watch.Report{}, false
		if w.news && b.now().Sub(w.shown) > time.Second {
			w.news, w.shown, b.fresh = false, b.now(), true
		}
		if w.bad, w.fail = false, ""; bad {
			report = w.log.Report()
		}
		if ends := w.log.Ends(); !ends.IsZero() && !b.now().Before(ends) {
			report, over = w.log.Close(), true
		}
		b.fresh = b.fresh || over
		w.mu.Unlock()
		if fail != "" {
			b.cfg.Log.Warn().Str("target", t.String()).Msg("follow a log: " + fail)
		}
		if bad {
			b.tellBad(t, w, report)
		}
		if over {
			b.tellWatched(t, report)
		}
	}
}

// viewWatch is what there is to see of a target's log; nil = nothing.
func (b *Bot) viewWatch(t deploy.Target) *ViewWatch {
	w := b.watches[t]
	if w == nil {
		return nil
	}
	w.mu.Lock()
	r, open := w.log.Report(), !w.log.Ends().IsZero()
	w.mu.Unlock()
	if r.Flip.IsZero() {
		return nil
	}
	v := &ViewWatch{Flip: r.Flip, Open: open, Lines: r.Lines, Usual: r.Usual * 60, Bad: r.Bad, More: r.More, Short: strings.TrimSpace(knownFor(r))}
	for _, k := range r.New {
		v.New = append(v.New, ViewKind{Text: train.CleanMessage(k.Text), From: k.From, Count: k.Count, Whose: b.changed(t.Stack, k.Text)})
	}
	return v
}

// tellWatched sums up a window that is over.
func (b *Bot) tellWatched(t deploy.Target, r watch.Report) {
	b.channel("", fmt.Sprintf("%s, %s after the flip: %s", t, about(b.now().Sub(r.Flip)), b.watchedText(t, r)))
}

// tellBad says that a push has gone wrong by its log, and takes it back if it may.
func (b *Bot) tellBad(t deploy.Target, w *watcher, r watch.Report) {
	since := b.now().Sub(r.Flip)
	text := fmt.Sprintf("%s: %s logs %d lines in %s, usual are %.1f a minute: %s", b.pings(w.aboard), t, r.Lines, about(since), r.Usual*60, b.watchedText(t, r))
	if !w.how.Rollback {
		b.channel("", text+fmt.Sprintf("; %srollback %s takes it back", b.cfg.Prefix, t.Stack))
		return
	}
	b.channel("", text+"; it flips back")
	why := fmt.Sprintf("%d lines in its log within %s of the flip", r.Lines, about(since))
	if err := b.try(train.Who{Nick: b.nick, Host: "watch", Op: true}, train.Rollback{Stack: t.Stack, Stage: t.Stage, Why: why}); err != nil {
		b.channel("", fmt.Sprintf("%s: %s is not flipped back: %v", b.pings(w.aboard), t, err))
	}
}

// watchedText sums up what is new in a log, with who has changed the files that it names.
func (b *Bot) watchedText(t deploy.Target, r watch.Report) string {
	if len(r.New) == 0 {
		return "nothing new in its log" + knownFor(r)
	}
	var parts []string
	for i, k := range r.New {
		if i == kindsTold {
			parts = append(parts, fmt.Sprintf("and %s more", plural(len(r.New)-i, "kind")))
			break
		}
		text := fmt.Sprintf("%d× %s", k.Count, clip(train.CleanMessage(k.Text)))
		if who := b.changed(t.Stack, k.Text); len(who) > 0 {
			text += " (" + b.pings(who) + ")"
		}
		parts = append(parts, text)
	}
	return "new in its log" + knownFor(r) + ": " + strings.Join(parts, "; ")
}

// knownFor says how little of the time before the flip is known, where it is little.
func knownFor(r watch.Report) string {
	if !r.Short {
		return ""
	}
	return fmt.Sprintf(" (before the flip it is known for %s only)", about(r.Known))
}

// changed are the people whose commits touch a file that a line names.
func (b *Bot) changed(stack, line string) []string {
	var who []string
	for _, c := range b.brings[stack].commits {
		for _, f := range c.Files {
			if nick, known := b.author(c); known && names(line, f) {
				if !slices.ContainsFunc(who, func(n string) bool { return b.same(n, nick) }) {
					who = append(who, nick)
				}
				break
			}
		}
	}
	return who
}

// clip cuts a text to what a channel has room for.
func clip(s string) string {
	const most = 120 // runes
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}
