package fleet

import (
	"context"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// Checkup is what [Fleet.Checkup] finds of one host.
type Checkup struct {
	Name     string
	Root     string
	Standing deploy.Standing
	Health   host.Health
	Helper   string        // the program that answers, if it is the host's own and of another build; "" = ours
	Rsync    error         // why its rsync is not used
	Skew     time.Duration // how far its wall clock is ahead of ours, to half the time of an answer
	Err      error         // why it said nothing; in words for a person
}

// Checkup has every host of t try what a rollout will do, beside what is live. It
// takes no lock and has sessions of its own.
func (f *Fleet) Checkup(ctx context.Context, t deploy.Target) []Checkup {
	ctx, cancel := f.until(ctx, fenceTime+installTime)
	defer cancel()
	return askAll(f, t, func(s *stack, h Host) Checkup { return f.checkup(ctx, s, t.Stage, h) })
}

func (f *Fleet) checkup(ctx context.Context, s *stack, stage string, h Host) (c Checkup) {
	c.Name = h.Name
	l, err := f.ownLink(s, h)
	if err != nil {
		c.Err = err
		return c
	}
	defer l.close()
	c.Root = l.root
	hello, err := l.meet(ctx)
	if err != nil {
		c.Err = err
		return c
	}
	c.Helper, c.Rsync = l.odd(), host.CheckRsync(hello.Rsync)
	req := host.Request{Do: host.Checkup}
	for _, argv := range [][]string{s.stages[stage].BeforeFlip, s.stages[stage].AfterFlip} {
		if len(argv) > 0 {
			req.Hooks = append(req.Hooks, argv)
		}
	}
	asked := time.Now()
	resp, err := l.ask(ctx, noLock, req)
	answered := time.Now()
	c.Standing, c.Err = resp.Standing, err
	if err == nil && resp.Health != nil {
		c.Health = *resp.Health
		c.Skew = c.Health.Clock.Sub(asked.Add(answered.Sub(asked) / 2))
	}
	return c
}

// ownLink is a way to h beside the one that rollouts use.
func (f *Fleet) ownLink(s *stack, h Host) (*link, error) {
	l, err := h.link(s.Stack)
	if err == nil {
		l.ssh, l.open = f.ssh, f.open
	}
	return l, err
}

// meet opens the session, and returns how the host has answered hello.
func (l *link) meet(ctx context.Context) (host.Response, error) {
	if err := l.take(ctx); err != nil {
		return host.Response{}, err
	}
	defer l.give()
	return l.greet(ctx)
}
