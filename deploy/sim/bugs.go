package sim

import (
	"slices"

	"pushtrain/deploy"
)

// Bug is a mistake that is planted on purpose; "" = none.
type Bug string

// Bugs are all of them: of the owner, of the core, of the adapters, of the hosts.
// Each is one that somebody could make.
var Bugs = []Bug{
	"acts before the journal",
	"journal is not synced",
	"restart forgets to resume",
	"commits before the others are there",

	"flips at the first that is verified",
	"flips without a commit",
	"rollout has no epoch",
	"restart keeps the epoch",
	"rolls back who was not flipped",
	"rolls back all but one",
	"believes that all went well",
	"takes a lost flip for none",
	"aborts after the commit",
	"prepares the live side",
	"the live side is filled",
	"does not verify",
	"flips without a seal",
	"flips to the other side",
	"ships something else",
	"goes on without a pull",
	"quarantines without a limit",
	"two rollouts of a stack",
	"ends while a writer is at work",
	"believes the last rollout's standing",
	"rollback forgets its decision",

	"pull does nothing",

	"host forgets the drain",
	"host takes any epoch",
	"host needs no lock",
	"host forgets the epoch",
	"epoch is not synced",
	"equal epochs are one",
	"lock is not exclusive",
	"lock outlives its session",
	"zombies are not seen",
	"side is not marked dirty",
	"dirty mark is not synced",
	"seal without a proof",
	"seal before the sync",
	"edits are not seen",
	"flip unlinks first",
	"flip is not synced",
}

// step is the core, with a bug planted where it is one of the core's.
func (b *bot) step(book deploy.Book, in deploy.Input) (deploy.Book, []deploy.Effect, error) {
	next, effects, err := b.wrong(book, in)
	switch e := in.Event.(type) {
	case deploy.Start:
		if err == nil {
			t := b.w.track(b, next.Last)
			t.asked, t.limit = true, e.MaxQuarantine
		}
	case deploy.Abort, deploy.Undo:
		if err == nil && ahead(book.Open[in.ID].State) {
			b.w.track(b, in.ID).stopped = true
		}
	}
	return next, effects, err
}

// wrong is the core as the bug makes it.
func (b *bot) wrong(book deploy.Book, in deploy.Input) (deploy.Book, []deploy.Effect, error) {
	before := book.Open[in.ID]
	switch e := in.Event.(type) {
	case deploy.Failed:
		switch {
		case e.Kind == deploy.KindFlip && b.w.bug == "believes that all went well":
			in.Event = deploy.Flipped{Host: e.Host}
		case e.Kind == deploy.KindConfirm && b.w.bug == "believes that all went well":
			in.Event = confirmedAs(before, e.Host)
		case e.Kind == deploy.KindFlip && b.w.bug == "takes a lost flip for none":
			e.Clean = true
			in.Event = e
		}
	case deploy.Confirmed:
		if b.w.bug == "believes that all went well" {
			in.Event = confirmedAs(before, e.Host)
		}
	case deploy.Prepared:
		if b.w.bug == "does not verify" || b.w.bug == "flips without a seal" {
			next, _, err := book.Apply(in)
			if err != nil {
				return next, nil, err
			}
			in.Event, book = deploy.Verified(e), next
		}
	case deploy.Fenced:
		if b.w.bug == "believes the last rollout's standing" {
			if old, ok := book.Latest[before.Target.String()]; ok && old.State == deploy.Done {
				for _, h := range old.Hosts {
					if h.Name == e.Host {
						e.Standing.Live = h.Side
						e.Standing.Sides = map[deploy.Side]deploy.Seal{h.Side: sealOf(old.Release.ID, old.Epoch)}
					}
				}
				in.Event = e
			}
		}
	case deploy.Start:
		if b.w.bug == "two rollouts of a stack" {
			book.Open = nil
		}
	case deploy.Undo:
		if b.w.bug == "aborts after the commit" && before.State == deploy.Flipping {
			return b.end(book, before, deploy.Aborted)
		}
	}
	next, effects, err := book.Apply(in)
	if err != nil {
		return next, effects, err
	}
	id := in.ID
	if _, ok := in.Event.(deploy.Start); ok {
		id = next.Last
	}
	r := next.Open[id]
	switch b.w.bug {
	case "flips at the first that is verified":
		if e, ok := in.Event.(deploy.Verified); ok && r.State == deploy.Verifying {
			effects = append(effects, flipOf(r, e.Host))
		}
	case "flips without a commit":
		if i := slices.Index(effects, deploy.Effect(deploy.AtBarrier{})); i >= 0 {
			for _, h := range r.Hosts {
				effects = append(effects, flipOf(r, h.Name))
			}
		}
	case "goes on without a pull":
		for i, e := range effects {
			if p, ok := e.(deploy.Pull); ok {
				next, more, err := next.Apply(deploy.Input{At: in.At, ID: id, Event: deploy.Pulled(p)})
				return next, append(slices.Delete(effects, i, i+1), more...), err
			}
		}
	case "quarantines without a limit":
		if r.State != "" && r.MaxQuarantine > 0 {
			r.MaxQuarantine = len(r.Hosts) + 1
			next = reopen(next, r)
		}
	case "ends while a writer is at work":
		if r.State == deploy.Aborted {
			return b.end(next, r, deploy.Aborted)
		}
	case "rollback forgets its decision":
		if r.State == deploy.RollBack && before.State == deploy.RollBack && r.Reason != "" {
			r.State = deploy.Flipping
			next = reopen(next, r)
		}
	case "restart keeps the epoch":
		if _, ok := in.Event.(deploy.Resume); ok && r.State != "" && before.State != "" {
			r.Epoch, next.Last = before.Epoch, book.Last
			next = reopen(next, r)
		}
	}
	for i := range effects {
		effects[i] = b.wrongEffect(r, before, effects[i])
	}
	if b.w.bug == "rolls back all but one" || b.w.bug == "rolls back who was not flipped" {
		next, effects = b.wrongRollback(next, before, r, effects)
	}
	return next, effects, nil
}

// wrongEffect is an effect as the bug makes it.
func (b *bot) wrongEffect(r, before deploy.Rollout, e deploy.Effect) deploy.Effect {
	switch b.w.bug {
	case "rollout has no epoch":
		return withEpoch(e, 1)
	case "restart keeps the epoch":
		return withEpoch(e, min(r.Epoch, r.ID))
	case "prepares the live side", "the live side is filled":
		if p, ok := e.(deploy.Prepare); ok {
			p.Side = p.Side.Other()
			return p
		}
	case "flips to the other side":
		if f, ok := e.(deploy.Flip); ok && f.From != "" {
			f.Side = f.From
			return f
		}
	case "ships something else":
		if p, ok := e.(deploy.Prepare); ok {
			p.Release = releaseOf("other")
			return p
		}
		if v, ok := e.(deploy.Verify); ok {
			v.Release = releaseOf("other")
			return v
		}
	}
	return e
}

// wrongRollback flips back one host too few, or one too many.
func (b *bot) wrongRollback(next deploy.Book, before, r deploy.Rollout, effects []deploy.Effect) (deploy.Book, []deploy.Effect) {
	if r.State != deploy.RollBack || before.State == deploy.RollBack {
		return next, effects
	}
	r.Hosts = slices.Clone(r.Hosts)
	for i := range r.Hosts {
		h := &r.Hosts[i]
		if b.w.bug == "rolls back all but one" && h.Open == deploy.KindFlip && h.Back {
			h.Open, h.Moved = "", false
			for k, e := range effects {
				if f, ok := e.(deploy.Flip); ok && f.Host == h.Name {
					return reopen(next, r), slices.Delete(effects, k, k+1)
				}
			}
		}
		if b.w.bug == "rolls back who was not flipped" && !h.Moved && h.Open == "" && h.From != "" {
			h.Open, h.Back = deploy.KindFlip, true
			back := deploy.Release{ID: h.Was.Release, Digest: h.Was.Digest}
			return reopen(next, r), append(effects, deploy.Flip{Host: h.Name, From: h.Side, Side: h.From, Release: back, Epoch: r.Epoch})
		}
	}
	return next, effects
}

func flipOf(r deploy.Rollout, host string) deploy.Flip {
	for _, h := range r.Hosts {
		if h.Name == host {
			return deploy.Flip{Host: host, From: h.From, Side: h.Side, Release: r.Release, Epoch: r.Epoch}
		}
	}
	panic("sim: no host " + host)
}

// confirmedAs is a host that says what r wants to hear.
func confirmedAs(r deploy.Rollout, host string) deploy.Confirmed {
	c := deploy.Confirmed{Host: host}
	for _, h := range r.Hosts {
		if h.Name == host {
			c.Standing = deploy.Standing{Live: h.Side, Sides: map[deploy.Side]deploy.Seal{h.Side: sealOf(r.Release.ID, r.Epoch)}}
		}
	}
	return c
}

func withEpoch(e deploy.Effect, n uint64) deploy.Effect {
	switch e := e.(type) {
	case deploy.Fence:
		e.Epoch = n
		return e
	case deploy.Prepare:
		e.Epoch = n
		return e
	case deploy.Verify:
		e.Epoch = n
		return e
	case deploy.Flip:
		e.Epoch = n
		return e
	case deploy.Unlock:
		e.Epoch = n
		return e
	}
	return e
}

// reopen puts a rollout that was changed back into a book that shares nothing with the old one.
func reopen(book deploy.Book, r deploy.Rollout) deploy.Book {
	open := map[uint64]deploy.Rollout{r.ID: r}
	for id, o := range book.Open {
		if id != r.ID {
			open[id] = o
		}
	}
	book.Open = open
	return book
}

// end ends a rollout out of turn.
func (b *bot) end(book deploy.Book, r deploy.Rollout, s deploy.State) (deploy.Book, []deploy.Effect, error) {
	book = reopen(book, r)
	delete(book.Open, r.ID)
	r.State, r.Ended, r.Reason = s, epochStart.Add(b.w.now), "so"
	latest := map[string]deploy.Rollout{r.Target.String(): r}
	for key, o := range book.Latest {
		if key != r.Target.String() {
			latest[key] = o
		}
	}
	book.Latest = latest
	return book, []deploy.Effect{deploy.Ended{Outcome: s, Reason: "so"}}, nil
}
