package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// auditTime is how long the hosts have for reading their live trees.
const auditTime = time.Hour

// Audit is [Fleet.Status] that also has every host of t which should serve rel
// read its live tree in full. It has sessions of its own, for it may take long.
func (f *Fleet) Audit(ctx context.Context, t deploy.Target, rel deploy.Release) []HostStatus {
	ctx, cancel := f.until(ctx, auditTime+readTime(rel))
	defer cancel()
	want := sync.OnceValues(func() ([]byte, error) {
		m, err := manifest(f.stacks[t.Stack].store, rel)
		return m.Pack(nil), err
	})
	return askAll(f, t, func(s *stack, h Host) HostStatus {
		standing, drift, err := f.audit(ctx, s, h, rel, want)
		return HostStatus{Name: h.Name, Standing: standing, Drift: drift, Err: err}
	})
}

// audit asks one host. One that says by itself that it serves another release has no drift.
func (f *Fleet) audit(ctx context.Context, s *stack, h Host, rel deploy.Release, want func() ([]byte, error)) (deploy.Standing, []string, error) {
	l, err := f.ownLink(s, h)
	if err != nil {
		return deploy.Standing{}, nil, err
	}
	defer l.close()
	resp, err := l.ask(ctx, noLock, host.Request{Do: host.Status})
	live := resp.Standing.Live
	if seal, sealed := resp.Standing.Sides[live]; err != nil || live == "" || sealed && seal.Digest != rel.Digest {
		return resp.Standing, nil, err
	}
	blob, err := want()
	if err != nil {
		return resp.Standing, nil, fmt.Errorf("there is nothing to compare it with: %w", err)
	}
	seal := deploy.Seal{Release: rel.ID, Digest: rel.Digest}
	read, err := l.askWith(ctx, noLock, host.Request{Do: host.Audit, Side: live, Seal: seal}, blob)
	return resp.Standing, read.Diff, err
}
