package bot

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pushtrain/bot/watch"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/release"
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
	shown time.Time
	kept  time.Time // when it was last handed to the journal
	stale bool      // what the journal has of it is no longer right
	push  push
}

// push is what a window is about.
type push struct {
	Rollout uint64
	Aboard  []string // who rode
	From    string   // the commit that was live for everybody before
	To      string

	commits []release.Commit
}

// keptWatch is what the journal has of a watcher, as the snapshot watchSnapshot names.
type keptWatch struct {
	Push push
	Log  watch.Saved
}

func watchSnapshot(t deploy.Target) string { return "watch " + t.String() }

const (
	kindsTold = 3                // kinds of lines that the channel hears of
	keepEvery = 10 * time.Second // that an open window is handed to the journal, while lines come
)

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

// recallWatches goes on with what the journal has.
func (b *Bot) recallWatches() {
	for t, w := range b.watches {
		var kept keptWatch
		if err := b.snapshot(watchSnapshot(t), &kept); err != nil {
			b.cfg.Log.Warn().Err(err).Str("target", t.String()).Msg("what was watched is not known any more")
		}
		if !kept.Log.At.IsZero() {
			b.recallWatch(t, w, kept)
		}
	}
}

// recallWatch takes up the window of the push that is live, or that is about to be, and
// what the next one is held against.
func (b *Bot) recallWatch(t deploy.Target, w *watcher, kept keptWatch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log, w.push = watch.Restore(w.how.Rules, kept.Log, b.now()), kept.Push
	_, open := b.book.Open[w.push.Rollout]
	if live, ok := b.book.Live(t); !open && (!ok || live.Rollout != w.push.Rollout) {
		w.log.Forget()
		return
	}
	b.fetchPush(t, w)
}

// fetchPush finds out which commits a push brings.
func (b *Bot) fetchPush(t deploy.Target, w *watcher) {
	id := w.push.Rollout
	b.fetch(t.Stack, w.push.From, w.push.To, func(what brings, err error) {
		if err == nil && w.push.Rollout == id {
			w.push.commits, b.fresh = what.commits, true
		}
	})
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
	if l.Lost > 0 {
		w.log.Lost(l.Lost)
		return
	}
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
	w.bad, w.stale = false, true
	if r.Back || r.State == deploy.RollBack {
		w.log.Spoil()
		return
	}
	if !w.log.Ends().IsZero() {
		b.tellWatched(r.Target, w, w.log.Close())
	}
	w.log.Flip(b.now())
	w.push = push{Rollout: r.ID, Aboard: b.riders(r.Train), From: b.liveCommit(r.Stack), To: r.Release.Commit}
	if len(w.push.Aboard) == 0 {
		w.push.Aboard = []string{r.By}
	}
	if what := b.brings[r.Stack]; what.to == w.push.To && what.from == w.push.From {
		w.push.commits = what.commits
	} else {
		b.fetchPush(r.Target, w)
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
			w.stale = w.stale || b.now().Sub(w.kept) > keepEvery
		}
		if w.bad, w.fail = false, ""; bad {
			report = w.log.Report()
		}
		if ends := w.log.Ends(); !ends.IsZero() && !b.now().Before(ends) {
			report, over = w.log.Close(), true
		}
		b.fresh = b.fresh || over
		w.stale = w.stale || over || bad
		w.mu.Unlock()
		if fail != "" {
			b.cfg.Log.Warn().Str("target", t.String()).Msg("follow a log: " + fail)
		}
		if bad {
			b.tellBad(t, w, report)
		}
		if over {
			b.tellWatched(t, w, report)
		}
	}
}

// saveWatches adds what is watched to what is committed, where the journal's is not right.
func (b *Bot) saveWatches(to map[string][]byte) error {
	for t, w := range b.watches {
		if !w.stale {
			continue
		}
		w.mu.Lock()
		kept := keptWatch{w.push, w.log.Save(b.now())}
		kept.Log.Bad = kept.Log.Bad && !w.bad // what is not told yet is found out again
		w.mu.Unlock()
		body, err := json.Marshal(kept)
		if err != nil {
			return err
		}
		to[watchSnapshot(t)], w.kept, w.stale = body, b.now(), false
	}
	return nil
}

// leaveWatches writes down how far open windows have come, when the bot ends.
func (b *Bot) leaveWatches() {
	out := map[string][]byte{}
	for _, w := range b.watches {
		w.mu.Lock()
		w.stale = w.stale || !w.log.Ends().IsZero()
		w.mu.Unlock()
	}
	if err := errors.Join(b.saveWatches(out), b.store.Commit(nil, out)); err != nil {
		b.cfg.Log.Warn().Err(err).Msg("keep what is watched")
	}
}

// watchesChanged reports whether the journal has to hear of what is watched.
func (b *Bot) watchesChanged() bool {
	for _, w := range b.watches {
		if w.stale && !b.full {
			return true
		}
	}
	return false
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
	v := &ViewWatch{Flip: r.Flip, Open: open, Lines: r.Lines, Usual: r.Usual * 60, Bad: r.Bad, More: r.More, Short: strings.TrimSpace(knownFor(r)), Away: r.Away.Seconds(), Lost: r.Lost}
	for _, k := range r.New {
		var under []string
		for _, line := range k.Under {
			under = append(under, train.CleanMessage(line))
		}
		v.New = append(v.New, ViewKind{Text: train.CleanMessage(k.Text), Under: under, From: k.From, Count: k.Count, Whose: b.changed(w.push.commits, k)})
	}
	return v
}

// tellWatched sums up a window that is over.
func (b *Bot) tellWatched(t deploy.Target, w *watcher, r watch.Report) {
	text := fmt.Sprintf("%s, %s after the flip: %s", t, about(b.now().Sub(r.Flip)), b.watchedText(w, r))
	if r.Away > 0 {
		text += fmt.Sprintf("; for %s of it the bot was away", about(r.Away))
	}
	b.channel("", text)
}

// tellBad says that a push has gone wrong by its log, and takes it back if it may.
func (b *Bot) tellBad(t deploy.Target, w *watcher, r watch.Report) {
	since := b.now().Sub(r.Flip)
	text := fmt.Sprintf("%s: %s logs %d lines in %s, usual are %.1f a minute: %s", b.pings(w.push.Aboard), t, r.Lines, about(since), r.Usual*60, b.watchedText(w, r))
	if !w.how.Rollback {
		b.channel("", text+fmt.Sprintf("; %srollback %s takes it back", b.cfg.Prefix, t.Stack))
		return
	}
	b.channel("", text+"; it flips back")
	why := fmt.Sprintf("%d lines in its log within %s of the flip", r.Lines, about(since))
	if err := b.try(train.Who{Nick: b.nick, Host: "watch", Op: true}, train.Rollback{Stack: t.Stack, Stage: t.Stage, Why: why}); err != nil {
		b.channel("", fmt.Sprintf("%s: %s is not flipped back: %v", b.pings(w.push.Aboard), t, err))
	}
}

// watchedText sums up what is new in a log, with who has changed the files that it names.
func (b *Bot) watchedText(w *watcher, r watch.Report) string {
	if len(r.New) == 0 && r.Lost == 0 {
		return "nothing new in its log" + knownFor(r)
	}
	var parts []string
	for i, k := range r.New {
		if i == kindsTold {
			parts = append(parts, fmt.Sprintf("and %s more", plural(len(r.New)-i, "kind")))
			break
		}
		text := fmt.Sprintf("%d× %s", k.Count, clip(train.CleanMessage(k.Text)))
		if who := b.changed(w.push.commits, k); len(who) > 0 {
			text += " (" + b.pings(who) + ")"
		}
		parts = append(parts, text)
	}
	if r.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%.1f MB that came too fast to be read", float64(r.Lost)/1e6))
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

// changed are the people whose commits touch a file that a line names, or what stands below it.
func (b *Bot) changed(commits []release.Commit, k watch.Kind) []string {
	text := strings.Join(append([]string{k.Text}, k.Under...), "\n")
	var who []string
	for _, c := range commits {
		for _, f := range c.Files {
			if nick, known := b.author(c); known && names(text, f) {
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
