package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
	"pushtrain/deploy/release"
)

// How long an effect may take. Builds, tests and checks have no bound but their context.
const (
	fenceTime   = 20 * time.Second
	installTime = 2 * time.Minute // to put the helper on a host, on top of that
	prepareTime = time.Hour       // what takes no byte for Config.Stall is given up before
	drainSlack  = time.Minute     // how much longer than its drain a side is waited for
	verifyTime  = 10 * time.Minute
	flipTime    = 5 * time.Second
	confirmTime = 10 * time.Second
	pullTime    = time.Minute
	commitsTime = time.Minute
)

// slowDisk is how fast what a host reads or writes in whole is read or written at least, in bytes a second.
const slowDisk = 20 << 20

// readTime is how long a host may take for reading a release, on top of what it takes for anything.
func readTime(r deploy.Release) time.Duration {
	return time.Duration(max(0, r.Bytes)/slowDisk) * time.Second
}

// Do carries out an effect of r and returns its answer: the event of its name or
// Failed, exactly one; nil for the effects that are not answered. It waits for
// whatever it started, also when ctx ends. Effects of one rollout may be done at
// the same time; out is called from as many goroutines. It may be nil.
func (f *Fleet) Do(ctx context.Context, r deploy.Rollout, e deploy.Effect, out func(Line)) deploy.Event {
	kind, name := deploy.Names(e)
	if kind == "" {
		return nil
	}
	if out == nil {
		out = func(Line) {}
	}
	fail := func(err error) deploy.Event { return failed(kind, name, err) }
	s := f.stacks[r.Stack]
	if s == nil {
		return fail(fmt.Errorf("there is no stack %q", r.Stack))
	}
	stage, ok := s.stages[r.Stage]
	if !ok {
		return fail(fmt.Errorf("stack %s has no stage %q", r.Stack, r.Stage))
	}
	var done deploy.Event
	var err error
	switch e := e.(type) {
	case deploy.Build:
		done, err = f.build(ctx, s, e, out)
	case deploy.Test:
		done, err = deploy.Tested{}, f.run(ctx, s, r, e.Release, stage.Test, out)
	case deploy.Check:
		done, err = deploy.Checked{}, f.run(ctx, s, r, e.Release, stage.Check, out)
	case deploy.Pull:
		done, err = deploy.Pulled(e), f.pull(ctx, s, r, e.Host, stage.Pull, out)
	default:
		l := s.links[r.Stage][name]
		if l == nil {
			return fail(fmt.Errorf("%s has no host %q", r.Target, name))
		}
		d := deed{f: f, r: r, s: s, l: l, name: name, lock: lock{by: r.By}, out: out, before: stage.BeforeFlip, after: stage.AfterFlip}
		done, err = d.do(ctx, e)
	}
	if err != nil {
		return fail(err)
	}
	return done
}

// failed makes the answer to an effect that was not done.
func failed(kind deploy.Kind, name string, err error) deploy.Failed {
	answer := deploy.Failed{Kind: kind, Host: name, Reason: oneLine(err.Error())}
	var no *refusal
	var command *release.ExecError
	var rsync *rsyncError
	var same *untouched
	switch {
	case errors.As(err, &same):
		answer.Clean = true
	case errors.As(err, &no):
		answer.Clean = kind != deploy.KindFlip
	case errors.As(err, &command):
		answer.Tail = command.Tail
	case errors.As(err, &rsync):
		answer.Tail = rsync.tail
	}
	if no != nil {
		answer.Tail = no.Diff[:min(len(no.Diff), 5)]
	}
	if no != nil && no.Code == host.Failed {
		answer.Tail = no.Said[max(0, len(no.Said)-5):]
	}
	return answer
}

func (f *Fleet) build(ctx context.Context, s *stack, e deploy.Build, out func(Line)) (deploy.Event, error) {
	select {
	case s.build <- struct{}{}:
		defer func() { <-s.build }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	rel, err := s.store.Build(ctx, e.Ref, lines(out))
	if err != nil {
		return nil, err
	}
	when, err := s.store.Committed(ctx, rel.Commit, lines(out))
	if err != nil {
		out(Line{Text: "when the commit was made is not known: " + err.Error()}) // the stats can do without
	}
	return deploy.Built{Release: rel, Committed: when}, nil
}

// pull takes a host out of the pool. That there is no command to do so is an error.
func (f *Fleet) pull(ctx context.Context, s *stack, r deploy.Rollout, name string, argv []string, out func(Line)) error {
	if len(argv) == 0 {
		return fmt.Errorf("%s has no command to take %s out of the pool", r.Target, name)
	}
	ctx, cancel := f.until(ctx, pullTime)
	defer cancel()
	return f.run(ctx, s, r, r.Release, argv, out, "PUSHTRAIN_HOST="+name)
}

// run runs a command of a stage in the checkout of a release.
func (f *Fleet) run(ctx context.Context, s *stack, r deploy.Rollout, rel deploy.Release, argv []string, out func(Line), more ...string) error {
	if len(argv) == 0 {
		return nil
	}
	var hosts []string
	for _, h := range r.Hosts {
		hosts = append(hosts, h.Name)
	}
	env := []string{
		"PUSHTRAIN_STACK=" + r.Stack, "PUSHTRAIN_STAGE=" + r.Stage,
		"PUSHTRAIN_RELEASE=" + rel.ID, "PUSHTRAIN_COMMIT=" + rel.Commit,
		"PUSHTRAIN_HOSTS=" + strings.Join(hosts, " "),
	}
	return s.store.Run(ctx, rel.ID, argv, append(env, more...), lines(out))
}

// lines passes on what a command says here.
func lines(out func(Line)) release.Out {
	return func(line string, stderr bool) { out(Line{Text: line, Percent: -1, Err: stderr}) }
}
