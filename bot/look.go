package bot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
)

// lookTime is how long hosts have for saying what they serve.
const lookTime = 5 * time.Second

// look names what is looked at.
type look struct {
	stack string // "" = all
	audit bool   // hosts read all of what they serve
}

// drift is what a host has read in what it serves that was not shipped there.
type drift struct {
	at    time.Time
	paths []string // the first ones, each with what differs
}

// seen is what the hosts of a target have said, and what they should.
type seen struct {
	deploy.Target
	began uint64 // the stack's rollout that had begun last
	want  deploy.Release
	hosts []fleet.HostStatus
}

// look asks hosts what they serve, and hands on in Run's goroutine what is not as
// the journal says. Who asks while the same is looked at shares its answer.
func (b *Bot) look(l look, then func(odd []string)) {
	b.looks[l] = append(b.looks[l], then)
	if len(b.looks[l]) > 1 {
		return
	}
	var all []*seen
	for _, t := range b.targets() {
		live, shipped := b.book.Live(t)
		if _, runs := b.running(t.Stack); !shipped || runs || l.stack != "" && l.stack != t.Stack { // what moves can't be compared
			continue
		}
		all = append(all, &seen{Target: t, began: b.began[t.Stack], want: live.Release})
	}
	b.deeds = append(b.deeds, func() {
		b.with(func(c *crew) {
			b.askHosts(c, l, all)
			b.hand(func() { b.compare(l, all) })
		})
	})
}

// targets are all that the rules name.
func (b *Bot) targets() []deploy.Target {
	var all []deploy.Target
	for _, st := range b.train.Rules.Stacks {
		for _, sg := range st.Stages {
			all = append(all, deploy.Target{Stack: st.Name, Stage: sg.Name})
		}
	}
	return all
}

// askHosts fills in what the hosts say.
func (b *Bot) askHosts(c *crew, l look, all []*seen) {
	ctx := c.ctx
	if !l.audit {
		short, cancel := context.WithTimeoutCause(b.ctx, lookTime, fmt.Errorf("it has not answered within %s", lookTime))
		defer cancel()
		ctx = short
	}
	var asked sync.WaitGroup
	for _, s := range all {
		asked.Go(func() {
			if l.audit {
				s.hosts = c.Audit(ctx, s.Target, s.want)
			} else {
				s.hosts = c.Status(ctx, s.Target)
			}
		})
	}
	asked.Wait()
}

// compare takes up what was seen, but of stacks that have moved meanwhile.
func (b *Bot) compare(l look, all []*seen) {
	all = slices.DeleteFunc(all, func(s *seen) bool { return b.began[s.Stack] != s.began })
	var odd []string
	for _, s := range all {
		if l.audit {
			b.keepDrift(s)
		}
		odd = append(odd, b.odd(s)...)
	}
	waiting := b.looks[l]
	delete(b.looks, l)
	for _, then := range waiting {
		then(odd)
	}
}

// keepDrift remembers what an audit has found, and tells the channel of what is new.
func (b *Bot) keepDrift(s *seen) {
	for _, h := range s.hosts {
		was := b.drift[s.Target][h.Name]
		if len(h.Drift) == 0 {
			if h.Err == nil {
				delete(b.drift[s.Target], h.Name)
			}
			continue
		}
		if b.drift[s.Target] == nil {
			b.drift[s.Target] = map[string]drift{}
		}
		b.drift[s.Target][h.Name] = drift{at: b.now(), paths: h.Drift}
		if slices.Equal(was.paths, h.Drift) {
			continue
		}
		more := ""
		if len(h.Drift) > 1 {
			more = fmt.Sprintf(", and %d more", len(h.Drift)-1)
		}
		b.channel("", fmt.Sprintf("%s: %s has drifted from what was shipped: %s%s; `pushtrain sync %s %s %s` mends it",
			s.Target, h.Name, h.Drift[0], more, s.Stack, s.Stage, h.Name))
	}
}

// forgetDrift is for hosts that a rollout has brought up to date.
func (b *Bot) forgetDrift(r deploy.Rollout) {
	for _, h := range r.Hosts {
		if !h.Left() {
			delete(b.drift[r.Target], h.Name)
		}
	}
}

// odd says which hosts of a target do not serve what the journal says. Those in
// quarantine are known to.
func (b *Bot) odd(s *seen) []string {
	var out []string
	say := func(host, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s: %s ", s.Target, host)+fmt.Sprintf(format, args...))
	}
	mend := func(host string) string { return fmt.Sprintf("`pushtrain sync %s %s %s`", s.Stack, s.Stage, host) }
	for _, h := range s.hosts {
		if _, known := b.book.Quarantine[s.String()][h.Name]; known {
			continue
		}
		seal, sealed := h.Standing.Sides[h.Standing.Live]
		switch {
		case h.Err != nil:
			say(h.Name, "can't be asked: %s", h.Err)
		case h.Standing.Live == "":
			say(h.Name, "serves nothing: there is no link; %s brings it up", mend(h.Name))
		case sealed && seal.Digest != s.want.Digest:
			say(h.Name, "serves %s; %s brings it up", seal.Release, mend(h.Name))
		case !sealed && len(b.drift[s.Target][h.Name].paths) == 0:
			say(h.Name, "serves a %s that is not sealed: something else has filled or changed it; %s mends it", h.Standing.Live, mend(h.Name))
		}
	}
	for _, host := range slices.Sorted(maps.Keys(b.drift[s.Target])) {
		d := b.drift[s.Target][host]
		when := ""
		if ago := b.now().Sub(d.at); ago > time.Minute {
			when = fmt.Sprintf(" (read %s ago)", about(ago))
		}
		for _, path := range d.paths {
			say(host, "has drifted: %s%s", path, when)
		}
	}
	return out
}

// audit has all hosts read what they serve, every [Config].Audit.
func (b *Bot) audit() {
	if b.cfg.Audit == 0 || b.now().Before(b.audited.Add(b.cfg.Audit)) {
		return
	}
	b.audited = b.now()
	b.look(look{audit: true}, func([]string) {})
}
