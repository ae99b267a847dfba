package sim

import (
	"cmp"
	"slices"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// This file is the invariants, by the numbers of the list that they come from:
//
//	I1   a link leads to a side that was proved, and holds just what its seal says; it is never missing
//	I2   no byte of a live side, or of one with readers, is written
//	I3   a request sees one release
//	I4   nobody is flipped to a release before all hosts held it, and before that was decided and on disk
//	I5   a rollout has one outcome, and it is what the hosts show
//	I6   hosts in service that differ are an open incident
//	I7   nothing of an epoch lands on a host that has accepted a higher one
//	I8   a record that was acted upon is not lost
//	I9   from any point a rollout comes to its end, or is STUCK and says why
//	I10  a COMMIT belongs to a rollout that somebody asked for and nobody has stopped
//	I13  everything is bounded
//	I14  a host that was left behind serves nobody
//	I15  a rollback gives back what was there
//
// The queue's (I11, I12) are the train's, and tested there; I16 is the
// journal's own, and tested there after each kill and each cut.

// rolloutKey names a rollout in the whole world.
type rolloutKey struct {
	bot int
	id  uint64
}

// track is what the world knows of a rollout.
type track struct {
	asked     bool
	forgotten bool // the bot came back with a journal from before its end
	stopped   bool // a person said abort before COMMIT
	committed bool
	before    map[*root]string // what each host served when the rollout first flipped it
	landed    map[*root]bool   // hosts whose link it moved
	ends      []deploy.State
	limit     int            // of hosts that may be left behind
	tried     map[*root]bool // hosts that were asked to flip forward
}

func (w *world) track(b *bot, id uint64) *track {
	key := rolloutKey{b.n, id}
	if w.rollouts[key] == nil {
		w.rollouts[key] = &track{before: map[*root]string{}, landed: map[*root]bool{}, tried: map[*root]bool{}}
	}
	return w.rollouts[key]
}

// check is I1 of one root, after anything was done to it.
func (w *world) check(r *root) {
	for i, d := range r.sides {
		if d.seal.Digest != "" && !d.edited && d.holds() != d.seal.Release {
			w.broken("I1", "side %d of %s of %s holds %v, sealed as %s", i, r.stack, r.m.name, d.files, d.seal.Release)
		}
	}
	if r.link == "" {
		if r.born {
			w.broken("I1", "%s of %s has no link", r.stack, r.m.name)
		}
		return
	}
	d := r.sides[index(r.link)]
	if r.meddled || d.edited {
		return
	}
	switch {
	case d.holds() == "":
		w.broken("I1", "%s of %s serves %v", r.stack, r.m.name, d.files)
	case d.seal.Digest == "" && d.holds() != "r0":
		w.broken("I1", "%s of %s serves %s, which nothing has proved", r.stack, r.m.name, d.holds())
	}
}

// checkWrite is I2 and I7 of a byte that a writer is about to write.
func (w *world) checkWrite(r *root, c *copier) {
	d := r.sides[index(c.side)]
	if r.link == c.side && !r.meddled { // a hand that moves the link to a side being filled is on its own
		w.broken("I2", "a writer of %s is in the live side of %s on %s", c.release, r.stack, r.m.name)
	}
	if d.readers > 0 && !r.meddled {
		w.broken("I2", "a writer of %s is in %s of %s on %s, which has %d readers", c.release, c.side, r.stack, r.m.name, d.readers)
	}
	if r.highest > c.epoch {
		w.broken("I7", "a writer of epoch %d is at work on %s, which has accepted %d", c.epoch, r.m.name, r.highest)
	}
}

// checkAccept is I7 of an epoch that a host accepts.
func (w *world) checkAccept(r *root, s *session, epoch uint64) {
	if epoch < r.highest || epoch == r.highest && r.highBy != s.owner() {
		w.broken("I7", "%s accepts epoch %d of bot %s, after %d of bot %s", r.m.name, epoch, s.owner(), r.highest, r.highBy)
	}
	r.highest, r.highBy = epoch, s.owner()
}

// checkEpoch is I7 of a request that a host carries out.
func (w *world) checkEpoch(r *root, s *session, epoch uint64, what string) {
	if epoch < r.highest || epoch == r.highest && r.highBy != s.owner() {
		w.broken("I7", "%s of epoch %d is carried out by %s, which has accepted %d", what, epoch, r.m.name, r.highest)
	}
	if r.holder != s {
		w.broken("I7", "%s is carried out by %s for a session that has no lock", what, r.m.name)
	}
}

// asked is what must hold when an effect is given to its adapter.
func (w *world) asked(b *bot, x *effect) {
	kept, known := b.kept.Find(x.r.ID)
	if !known {
		w.broken("I8", "bot %d does %T of rollout %d, of which its disk knows nothing", b.n, x.e, x.r.ID)
	}
	t := w.track(b, x.r.ID)
	switch e := x.e.(type) {
	case deploy.Flip:
		// One that was asked for in FLIP and begins when somebody has just said stop is no way back: it is waited for, and undone.
		back := kept.State == deploy.RollBack && x.r.State != deploy.Flipping
		root := w.machine(e.Host).roots[x.r.Stack]
		t.tried[root] = t.tried[root] || !back
		switch {
		case back && !t.tried[root]:
			w.broken("I5", "bot %d flips %s back, which rollout %d never flipped", b.n, e.Host, x.r.ID)
		case !t.committed:
			w.broken("I4", "bot %d flips %s for rollout %d, which has not committed", b.n, e.Host, x.r.ID)
		case !back && kept.State != deploy.Flipping && kept.State != deploy.RollBack:
			w.broken("I4", "bot %d flips %s for rollout %d, which is in %s on its disk", b.n, e.Host, x.r.ID, kept.State)
		case back && e.Release.Digest == x.r.Release.Digest:
			w.broken("I5", "bot %d flips %s forward in a rollback", b.n, e.Host)
		case !back && e.Release.Digest != x.r.Release.Digest:
			w.broken("I5", "bot %d flips %s back without a decision", b.n, e.Host)
		}
	case deploy.Prepare:
		if t.committed && kept.State != deploy.Flipping {
			w.broken("I5", "bot %d fills %s in %s", b.n, e.Host, kept.State)
		}
	}
}

// entered is what must hold when a rollout comes into a state.
func (w *world) entered(b *bot, before, r deploy.Rollout) {
	t := w.track(b, r.ID)
	if len(b.book.Open) > len(w.stacks) {
		w.broken("I13", "bot %d has %d rollouts open on %d stacks", b.n, len(b.book.Open), len(w.stacks))
	}
	if before.State == deploy.Barrier && r.State == deploy.Flipping {
		if !t.asked || t.stopped {
			w.broken("I10", "rollout %d of bot %d commits: asked for %v, stopped %v", r.ID, b.n, t.asked, t.stopped)
		}
		for _, o := range b.book.Open {
			if r.Train != 0 && o.Train == r.Train && ahead(o.State) && o.State != deploy.Barrier {
				w.broken("I4", "rollout %d of bot %d commits, and %d of its train is in %s", r.ID, b.n, o.ID, o.State)
			}
		}
		w.holdAll(b, r, t)
	}
}

// holdAll is I4: at COMMIT every host that the rollout counts on holds the release.
func (w *world) holdAll(b *bot, r deploy.Rollout, t *track) {
	for _, h := range r.Hosts {
		if h.Left() {
			continue
		}
		root := w.machine(h.Name).roots[r.Stack]
		if h.Side == "" {
			w.broken("I4", "rollout %d of bot %d commits without a side for %s", r.ID, b.n, h.Name)
		}
		d := root.sides[index(h.Side)]
		if !(d.seal.Release == r.Release.ID && d.holds() == r.Release.ID) && !w.excused(root, r) {
			w.broken("I4", "rollout %d of bot %d commits %s, and %s of %s holds %v, sealed as %q", r.ID, b.n, r.Release.ID, h.Side, h.Name, d.files, d.seal.Release)
		}
		t.before[root] = root.sides[index(root.link)].holds()
		if root.link == "" {
			t.before[root] = "nothing"
		}
	}
}

// excused reports whether a hand or another bot may have changed a root since
// rollout o fenced it; a rollback does not look for edits at all.
func (w *world) excused(r *root, o deploy.Rollout) bool {
	return len(w.bots) > 1 || r.handed > 0 && o.Start.Back || r.handed > 0 && !epochStart.Add(r.handed).Before(o.Entered[deploy.Fencing])
}

// flipped notes that a link was moved.
func (w *world) flipped(r *root, s *session, req host.Request) {
	live := cmp.Or(req.Seal.Release, r.sides[index(req.Side)].holds())
	w.say("%s: %s of %s is live, with %s, for bot %d in epoch %d", r.m.name, req.Side, r.stack, live, s.b.n, req.Epoch)
	for key, t := range w.rollouts {
		if o, ok := s.b.kept.Open[key.id]; ok && key.bot == s.b.n && o.Stack == r.stack && o.Epoch == req.Epoch {
			t.landed[r] = true
			if !t.forgotten && o.Release.ID != live && t.before[r] != "" && live != t.before[r] && !w.excused(r, o) {
				w.broken("I15", "%s goes back to %s; it served %s", r.m.name, live, t.before[r])
			}
		}
	}
}

// ended is I5 and I15: what a rollout says at its end is what its hosts show.
func (w *world) ended(b *bot, r deploy.Rollout, e deploy.Ended) {
	t := w.track(b, r.ID)
	w.report.Outcomes[e.Outcome]++
	if n := len(t.ends); n > 0 && t.ends[n-1] != deploy.Stuck {
		w.broken("I5", "rollout %d of bot %d ends %s after it ended %s", r.ID, b.n, e.Outcome, t.ends[n-1])
	}
	t.ends = append(t.ends, e.Outcome)
	if e.Outcome != deploy.Done && e.Reason == "" {
		w.broken("I9", "rollout %d of bot %d ends %s and says no reason", r.ID, b.n, e.Outcome)
	}
	if e.Outcome != deploy.Stuck {
		for _, x := range b.open {
			if kind, _ := deploy.Names(x.e); x.r.ID == r.ID && kind != deploy.KindUnlock {
				w.broken("I5", "rollout %d of bot %d ends %s with %s of %s under way", r.ID, b.n, e.Outcome, kind, x.r.Target)
			}
		}
	}
	switch {
	case t.forgotten:
	case e.Outcome == deploy.Aborted && (t.committed || len(t.landed) > 0):
		w.broken("I5", "rollout %d of bot %d is ABORTED after its COMMIT", r.ID, b.n)
	case !t.committed && e.Outcome != deploy.Aborted:
		w.broken("I5", "rollout %d of bot %d is %s without a COMMIT", r.ID, b.n, e.Outcome)
	}
	left := 0
	for _, h := range r.Hosts {
		root := w.machine(h.Name).roots[r.Stack]
		now := "nothing"
		if root.link != "" {
			now = root.sides[index(root.link)].holds()
		}
		switch {
		case h.Left():
			if e.Outcome.Live() || h.Moved { // else it serves what it did before
				left++
			}
			if root.m.inUse && w.mix.hand == 0 {
				w.broken("I14", "rollout %d of bot %d goes on without %s, which is in the pool", r.ID, b.n, h.Name)
			}
		case e.Outcome.Live() && now != r.Release.ID && !w.excused(root, r):
			w.broken("I5", "rollout %d of bot %d is %s, and %s serves %q, not %s", r.ID, b.n, e.Outcome, h.Name, now, r.Release.ID)
		case e.Outcome == deploy.RolledBack && now != t.before[root] && !w.excused(root, r) && !h.Out && !t.forgotten:
			w.broken("I15", "rollout %d of bot %d is ROLLED_BACK, and %s serves %q, not %q", r.ID, b.n, h.Name, now, t.before[root])
		}
	}
	if left > t.limit && e.Outcome != deploy.Stuck && e.Outcome != deploy.Aborted {
		w.broken("I14", "rollout %d of bot %d goes on without %d hosts, %d are allowed", r.ID, b.n, left, t.limit)
	}
	if e.Outcome == deploy.Degraded && left == 0 || e.Outcome == deploy.Done && left > 0 {
		w.broken("I6", "rollout %d of bot %d is %s with %d hosts left", r.ID, b.n, e.Outcome, left)
	}
}

// request is one visitor: it resolves the link once, and reads a file at its
// beginning, its middle and its end.
func (w *world) request(r *root) {
	if !r.m.inUse || r.m.down || r.link == "" || r.meddled {
		return
	}
	boot := r.boots
	d := &r.sides[index(r.link)]
	d.readers++
	saw := d.files[0]
	reads := 0
	var read func()
	pause := w.between(time.Millisecond, drain/2-100*time.Millisecond)
	read = func() {
		switch {
		case boot != r.boots: // no request outlives a reboot
			return
		case d.edited:
			d.readers--
			return
		}
		if reads++; d.files[reads] != saw {
			w.broken("I3", "a request to %s of %s saw %s, then %s", r.stack, r.m.name, saw, d.files[reads])
		}
		if reads == files-1 {
			d.readers--
			return
		}
		w.after(pause, read)
	}
	w.after(pause, read)
}

// judgeEnd is I6, I9 and I14 of a world that has been well for a while.
func (w *world) judgeEnd() {
	b := w.bots[0]
	for _, stack := range w.stacks {
		t := target(stack)
		for _, o := range w.bots {
			for _, id := range sortedOpen(o.book) {
				if r := o.book.Open[id]; r.Stack == stack {
					w.broken("I9", "rollout %d of bot %d is in %s at the end: %s", id, o.n, r.State, r.Reason)
				}
			}
		}
		live, ok := b.book.Live(t)
		if !ok {
			w.broken("I9", "nothing was shipped to %s, though all is well", t)
		}
		for _, m := range w.machines {
			r := m.roots[stack]
			w.check(r)
			if now := r.sides[index(r.link)].holds(); r.link == "" || now != live.Release.ID {
				w.broken("I6", "%s of %s serves %q at the end; the journal says %s", stack, m.name, now, live.Release.ID)
			}
			if r.holder != nil {
				w.broken("I9", "%s of %s is locked at the end", stack, m.name)
			}
		}
		if q := b.book.Quarantine[t.String()]; len(q) > 0 {
			w.broken("I14", "%v are in quarantine after a rollout that reached them", q)
		}
	}
	for _, o := range w.bots {
		var again deploy.Book
		for _, in := range o.disk {
			again, _, _ = o.step(again, in)
		}
		if !slices.Equal(sortedOpen(again), sortedOpen(o.book)) || again.Last != o.book.Last {
			w.broken("I8", "the journal of bot %d replays to another book", o.n)
		}
	}
}
