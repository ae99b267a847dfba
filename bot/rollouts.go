package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/train"
)

// deed carries out an effect of the train that is a deed for the deploy core.
// It only applies: what the rollouts do in turn waits for the same commit.
func (b *Bot) deed(e train.Effect) {
	switch e := e.(type) {
	case train.Deploy:
		t := deploy.Target{Stack: e.Stack, Stage: e.Stage}
		f := b.cfg.Fleets[t]
		s := deploy.Start{Target: t, Hosts: f.Hosts, Train: e.Train, By: train.Visible(e.By), Ref: f.Branch, Test: f.Test, Check: f.Check, Why: e.Override, Force: e.Override != "", MaxQuarantine: f.MaxQuarantine}
		if e.Hotfix != "" && s.Why == "" {
			s.Why = "hotfix: " + e.Hotfix
		}
		if e.Shipment.Release != "" {
			s.Ref, s.Release = "", deploy.Release{ID: e.Shipment.Release, Commit: e.Shipment.Commit, Digest: e.Shipment.Digest}
		}
		if e.Host != "" {
			s.Hosts, s.Sync, s.Test, s.Check, s.MaxQuarantine = []string{e.Host}, true, false, false, 0
		}
		b.begin(s)
	case train.Coded:
		b.handCode(e)
	case train.FlipBack:
		b.flipBack(e)
	case train.Stop:
		if id, ok := b.running(e.Stack); ok {
			stop := deploy.Event(deploy.Abort{By: train.Visible(e.By), Why: e.Why})
			if b.book.Open[id].State == deploy.Stuck {
				stop = deploy.Undo{By: train.Visible(e.By), Why: e.Why, Hosts: b.cfg.Fleets[b.book.Open[id].Target].Hosts}
			}
			b.deployApply(id, stop)
		}
	case train.GoOn:
		if id, ok := b.running(e.Stack); ok {
			b.deployApply(id, deploy.Forward{By: train.Visible(e.By), Hosts: b.cfg.Fleets[b.book.Open[id].Target].Hosts})
		}
	}
}

// wayBack refuses a rollback where only one release was ever live and nothing is under way that it would stop.
func (b *Bot) wayBack(who train.Who, e train.Rollback) error {
	stack, stage := b.train.Undoes(e, who)
	t := deploy.Target{Stack: stack, Stage: stage}
	live, shipped := b.book.Live(t)
	_, runs := b.running(stack)
	if _, ok := b.book.Previous(t); ok || runs || !shipped {
		return nil
	}
	return &train.Refusal{Code: "nothing before", Text: fmt.Sprintf("no release is known that %s served before %s and that nobody went back from; hold %s, which stops the line, and ship a good one", t, live.Release.ID, stack)}
}

// flipBack starts the rollout that takes a stage back to the release before.
func (b *Bot) flipBack(e train.FlipBack) {
	t := deploy.Target{Stack: e.Stack, Stage: e.Stage}
	rel, ok := b.book.Previous(t)
	if !ok {
		b.must(train.Who{}, train.Ended{Stack: e.Stack, Stage: e.Stage, Outcome: train.OutAborted,
			Reason: "no release was live there before: ship a good one"})
		return
	}
	f := b.cfg.Fleets[t]
	b.begin(deploy.Start{Target: t, Hosts: f.Hosts, Train: e.Train, By: train.Visible(e.By), Release: rel, Back: true, Why: e.Why, MaxQuarantine: f.MaxQuarantine})
}

// begin starts a rollout; one that the deploy core refuses has ended at once.
func (b *Bot) begin(s deploy.Start) {
	if err := b.deployApply(0, s); err != nil {
		b.must(train.Who{}, train.Ended{Stack: s.Stack, Stage: s.Stage, Outcome: train.OutAborted, Reason: err.Error()})
	}
}

// running is the stack's rollout that is not over, or STUCK.
func (b *Bot) running(stack string) (uint64, bool) {
	for id, r := range b.book.Open {
		if r.Stack == stack {
			return id, true
		}
	}
	return 0, false
}

// flipping are the stacks whose rollout is past COMMIT, and not over.
func (b *Bot) flipping() (stacks []string) {
	for _, r := range b.book.Open {
		if r.State == deploy.Flipping || r.State == deploy.Confirming || r.State == deploy.RollBack {
			stacks = append(stacks, r.Stack)
		}
	}
	slices.Sort(stacks)
	return stacks
}

// deployApply feeds the deploy core and follows up what came of it.
func (b *Bot) deployApply(id uint64, e deploy.Event) error {
	before, _ := b.book.Find(id)
	in := deploy.Input{At: b.now(), ID: id, Event: e}
	next, effects, err := b.book.Apply(in)
	if err != nil {
		return err
	}
	rec, err := deployRecord(in)
	if err != nil {
		panic(fmt.Sprintf("bot: %v", err)) // unreachable: events are plain data
	}
	b.book, b.fresh = next, true
	b.recs = append(b.recs, rec)
	at := len(b.recs) - 1
	if s, ok := e.(deploy.Start); ok {
		id = next.Last
		b.began[s.Stack] = id
	}
	r, _ := next.Find(id)
	b.takeNote(r, e)
	if built, ok := e.(deploy.Built); ok {
		if r.Train != 0 {
			b.must(train.Who{}, train.Pinned{Train: r.Train, Shipment: b.shipment(r, built.Release)})
		}
		b.pinBrings(r.Stack, built.Release.Commit)
	}
	if r.State != before.State {
		b.watchPhase(r)
		b.phase(r)
	}
	if r.State != before.State {
		b.deeds = append(b.deeds, func() { b.cancelUnwanted(id) })
	}
	for _, f := range effects {
		switch f := f.(type) {
		case deploy.AtBarrier:
			b.barrier(r)
		case deploy.Ended:
			e := b.entry(r, f)
			b.recs[at].Facts = endedFacts(e)
			b.enter(e)
			b.ended(r, f)
		default:
			b.deeds = append(b.deeds, func() { b.do(id, f) })
		}
	}
	return nil
}

// cancelUnwanted ends the effects of a rollout that serve it no more.
func (b *Bot) cancelUnwanted(id uint64) {
	r, _ := b.book.Find(id)
	for key, cancel := range b.open {
		if key.id == id && !r.Wants(key.kind) {
			cancel()
		}
	}
}

func (b *Bot) shipment(r deploy.Rollout, rel deploy.Release) train.Shipment {
	return train.Shipment{Stack: r.Stack, Commit: rel.Commit, Release: rel.ID, Digest: rel.Digest, Committed: b.notes[r.ID].committed}
}

// barrier commits the rollouts of a train when all of them stand there (DESIGN §10.6). A rollback
// waits for nobody.
func (b *Bot) barrier(r deploy.Rollout) {
	var all []uint64
	for id, o := range b.book.Open {
		if id != r.ID && (r.Back || o.Back || r.Train == 0 || o.Train != r.Train || o.Stage != r.Stage || o.State == deploy.Stuck) {
			continue
		}
		if o.State != deploy.Barrier {
			return
		}
		all = append(all, id)
	}
	slices.Sort(all)
	for _, id := range all {
		if err := b.deployApply(id, deploy.Commit{}); err != nil {
			b.cfg.Log.Error().Err(err).Uint64("rollout", id).Msg("commit refused")
		}
	}
}

// ended tells the train, and stops the others of the train that wait for this one.
func (b *Bot) ended(r deploy.Rollout, e deploy.Ended) {
	b.runs.step(r.ID, "", fmt.Sprintf("%s %s", e.Outcome, e.Reason))
	for _, l := range e.Tail {
		b.runs.step(r.ID, "", "  "+l)
	}
	b.must(train.Who{}, train.Ended{Stack: r.Stack, Stage: r.Stage, Outcome: outcome(e.Outcome), Shipment: b.shipment(r, r.Release), Reason: b.reason(r.ID, e),
		Spent: spent(r, b.notes[r.ID].proven), Commits: b.committed(r, e)})
	if e.Outcome != deploy.Stuck {
		delete(b.notes, r.ID)
	}
	b.tellWatchers(r, e)
	defer b.tellResting()
	switch e.Outcome {
	case deploy.Stuck:
		return
	case deploy.Done, deploy.Degraded:
		b.prune(r.Stack)
		b.tellReturned(r)
		b.forgetDrift(r)
	default:
		b.abandon(r, e)
		b.nameWhoFailed(r)
	}
	b.deeds = append(b.deeds, func() { b.runs.end(r.ID) })
	b.backup()
}

// tellReturned names the hosts that were in quarantine and are up to date now.
func (b *Bot) tellReturned(r deploy.Rollout) {
	var names []string
	for _, h := range r.Hosts {
		if h.Out && !h.Left() {
			names = append(names, h.Name)
		}
	}
	if len(names) > 0 {
		b.channel("", fmt.Sprintf("%s: up to date again, and out of the pool: %s; put back what is well", r.Target, strings.Join(names, ", ")))
	}
}

// abandon aborts the other rollouts of a train's stage that have not committed:
// none of them commits before all are verified.
func (b *Bot) abandon(r deploy.Rollout, e deploy.Ended) {
	for id, o := range b.book.Open {
		if r.Back || o.Back || r.Train == 0 || o.Train != r.Train || o.Stage != r.Stage || !beforeCommit(o.State) {
			continue
		}
		if err := b.deployApply(id, deploy.Abort{By: r.Target.String(), Why: fmt.Sprintf("it ended %s, and a train ships all its stacks or none", e.Outcome)}); err != nil {
			b.cfg.Log.Error().Err(err).Uint64("rollout", id).Msg("abort refused")
		}
	}
}

// prune drops releases that nothing needs any more, beside the bot's other work.
func (b *Bot) prune(stack string) {
	keep := b.book.InUse(stack)
	b.deeds = append(b.deeds, func() {
		b.archive(func(c *crew) func() {
			if err := c.Prune(stack, keep...); err != nil {
				b.cfg.Log.Warn().Err(err).Str("stack", stack).Msg("drop old releases")
			}
			return func() {}
		})
	})
}

func (b *Bot) reason(id uint64, e deploy.Ended) string {
	if e.Outcome == deploy.Done {
		return ""
	}
	s := e.Reason
	if len(e.Tail) > 0 {
		s += ": " + strings.Join(e.Tail[max(0, len(e.Tail)-2):], " / ")
	}
	if path := b.runs.path(id); path != "" {
		s += " (log: " + path + ")"
	}
	return s
}

func outcome(s deploy.State) train.Outcome {
	switch s {
	case deploy.Done, deploy.Degraded:
		return train.OutDone
	case deploy.Aborted:
		return train.OutAborted
	case deploy.RolledBack:
		return train.OutRolledBack
	}
	return train.OutStuck
}

func beforeCommit(s deploy.State) bool {
	switch s {
	case deploy.Intent, deploy.Building, deploy.Fencing, deploy.Preparing, deploy.Verifying, deploy.Barrier:
		return true
	}
	return false
}

// phase says a rollout's new state: at most one line each, and only what is news.
func (b *Bot) phase(r deploy.Rollout) {
	at := r.Stack + "/" + r.Stage
	text := ""
	switch r.State {
	case deploy.Building:
		text = fmt.Sprintf("%s: rollout %d by %s: building %s", at, r.ID, quietly(r.By), r.Ref)
	case deploy.Preparing:
		text = fmt.Sprintf("%s: copying %s to %s", at, r.Release.ID, plural(len(r.Hosts), "host"))
		if r.Back {
			text = fmt.Sprintf("%s: going back to %s on %s%s", at, r.Release.ID, plural(len(r.Hosts), "host"), b.resent(r))
		}
		if r.Test {
			text += ", tests beside it"
		}
	case deploy.Flipping:
		text = fmt.Sprintf("%s: all hosts hold %s, flipping", at, r.Release.ID)
	case deploy.RollBack:
		text = fmt.Sprintf("%s: flipping back: %s", at, r.Reason)
	}
	if !r.State.Live() { // ended says that
		b.runs.step(r.ID, "", string(r.State))
	}
	for _, w := range b.watchers[r.ID] {
		b.send(w, Reply{Line: fmt.Sprintf("%s: %s", at, r.State)})
	}
	if text != "" {
		b.channel(phaseKey(r.Stack, r.Stage), text)
	}
}

func phaseKey(stack, stage string) string { return "phase " + stack + "/" + stage }

// resent says of a rollback which hosts have to be sent their release again, and
// about how long that took last time; "" when each still holds it.
func (b *Bot) resent(r deploy.Rollout) string {
	n := 0
	for _, h := range r.Hosts {
		if !h.Held {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	text := fmt.Sprintf("; %d of them must be sent it again", n)
	if last, ok := b.book.Live(r.Target); ok {
		text += ", which took " + about(last.Sent) + " last time"
	}
	return text
}

// do carries out one effect of a rollout in a goroutine of its own; the answer comes back to Run.
func (b *Bot) do(id uint64, e deploy.Effect) {
	r, _ := b.book.Find(id)
	kind, host := deploy.Names(e)
	key := effectKey{id, kind, host}
	ctx, cancel := context.WithCancel(b.ctx)
	if kind == deploy.KindFlip || kind == deploy.KindConfirm || kind == deploy.KindUnlock {
		ctx, cancel = context.WithCancel(context.WithoutCancel(b.ctx)) // short, and better finished than cut off
	}
	b.open[key] = cancel
	if !r.Wants(kind) { // decided in the very batch that asked for it
		cancel()
	}
	watchers := slices.Clone(b.watchers[id])
	b.with(func(c *crew) {
		defer cancel()
		answer := c.Do(ctx, r, e, func(l fleet.Line) {
			b.runs.line(id, l)
			for _, w := range watchers {
				w.send(Reply{Host: l.Host, Percent: l.Percent, Line: l.Text})
			}
		})
		select {
		case b.inbox <- done{key, answer}:
		case <-b.ctx.Done():
		}
	})
}
