package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// deed is one effect on one host.
type deed struct {
	f    *Fleet
	r    deploy.Rollout
	s    *stack
	l    *link
	name string
	lock lock
	out  func(Line)

	before, after []string // the stage's BeforeFlip and AfterFlip
}

// untouched is a failure of which the host itself said that its link is where it was.
type untouched struct{ error }

func (e *untouched) Unwrap() error { return e.error }

// stays reports whether no flip of this session or an earlier one can follow the refusal.
func (r *refusal) stays() bool {
	switch r.Code {
	case host.Unsealed, host.Moved, host.Plain, host.Stale:
		return true
	}
	return false
}

func (d deed) say(format string, args ...any) {
	d.out(Line{Host: d.name, Text: fmt.Sprintf(format, args...), Percent: -1})
}

func (d deed) do(ctx context.Context, e deploy.Effect) (deploy.Event, error) {
	switch e := e.(type) {
	case deploy.Fence:
		d.lock.epoch, d.lock.prove = e.Epoch, e.Prove
		d.lock.again = d.r.State == deploy.Flipping || d.r.State == deploy.RollBack // it is decided: only this rollout can come next
		return d.fence(ctx)
	case deploy.Prepare:
		d.lock.epoch = e.Epoch
		return deploy.Prepared{Host: d.name}, d.prepare(ctx, e)
	case deploy.Verify:
		d.lock.epoch = e.Epoch
		err := d.verify(ctx, e)
		if err == nil {
			err = d.ready(ctx, e)
		}
		return deploy.Verified{Host: d.name}, err
	case deploy.Flip:
		d.lock.epoch = e.Epoch
		return d.flip(ctx, e)
	case deploy.Confirm:
		d.lock.epoch = e.Epoch
		return d.confirm(ctx, e)
	case deploy.Unlock:
		ctx, cancel := d.f.until(ctx, confirmTime)
		defer cancel()
		return deploy.Unlocked{Host: d.name}, d.l.unlock(ctx, e.Epoch, d.f.witness())
	}
	panic(fmt.Sprintf("fleet: unknown effect %T", e)) // unreachable: Do has sorted out the others
}

func (d deed) fence(ctx context.Context) (deploy.Event, error) {
	ctx, cancel := d.f.until(ctx, fenceTime+installTime+readTime(d.r.Release))
	defer cancel()
	standing, taken, err := d.l.fence(ctx, d.lock, d.say)
	return deploy.Fenced{Host: d.name, Standing: standing, Taken: taken}, err
}

// prepare fills a side: with what the host lacks, where the host knows what it
// has, else by rsync. Every try begins with the host's word that it may be written.
func (d deed) prepare(ctx context.Context, e deploy.Prepare) error {
	ctx, cancel := d.f.while(ctx)
	defer cancel()
	if err := d.guard(e); err != nil {
		return err
	}
	c, err := d.s.cargo.load(d.s.store, e.Release)
	if err != nil {
		return err
	}
	defer c.pack.hold()()
	doubt := false
	for try := 1; ; {
		resp, err := d.admit(ctx, e, c.need)
		if err != nil {
			return err
		}
		if resp.Ready {
			d.already(e.Side, e.Release)
			return nil
		}
		if resp.Fill && !doubt {
			err = d.within(ctx, e.Release, func(ctx context.Context) error { return d.fill(ctx, c, e.Side) })
			var no *refusal
			if err == nil || ctx.Err() != nil || errors.As(err, &no) && no.Code == host.Full {
				return err
			}
			doubt = true
			d.say("%s; sending it by rsync", oneLine(err.Error()))
			continue
		}
		err = d.send(ctx, e.Release, e.Side, false)
		var failed *rsyncError
		again := errors.Is(err, errLost) || errors.As(err, &failed) && failed.again()
		if !again || try > d.f.retries {
			return err
		}
		d.say("%s; trying again", oneLine(err.Error()))
		try++
	}
}

func (d deed) already(side deploy.Side, r deploy.Release) {
	d.out(Line{Host: d.name, Text: fmt.Sprintf("%s holds %s already", side, r.ID), Percent: 100})
}

// admit has the host mark the side as being written, unless its answer is Ready:
// then there is nothing to send. It waits for the last readers of the side.
func (d deed) admit(ctx context.Context, e deploy.Prepare, need host.Need) (host.Response, error) {
	seal := deploy.Seal{Release: e.Release.ID, Digest: e.Release.Digest, Epoch: e.Epoch}
	late := time.Now().Add(d.l.drain + drainSlack)
	for {
		resp, err := d.l.ask(ctx, d.lock, host.Request{Do: host.Prepare, Side: e.Side, Seal: seal, Need: need})
		var no *refusal
		if !errors.As(err, &no) || no.Code != host.Draining || time.Now().After(late) {
			return resp, err
		}
		wait := max(no.Standing.Drain, 10*time.Millisecond)
		d.say("waiting %s for the last readers of %s", wait.Round(100*time.Millisecond), e.Side)
		if err := sleep(ctx, wait); err != nil {
			return resp, err
		}
	}
}

// within does f, which brings r, as one of the few hosts that are filled at the same time. Its
// time begins when its turn has come.
func (d deed) within(ctx context.Context, r deploy.Release, f func(ctx context.Context) error) error {
	select {
	case d.f.slots <- struct{}{}:
		defer func() { <-d.f.slots }()
		ctx, cancel := d.f.until(ctx, prepareTime+readTime(r))
		defer cancel()
		return f(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// send runs one rsync over the session that holds the lock.
func (d deed) send(ctx context.Context, r deploy.Release, side deploy.Side, checksum bool) error {
	return d.within(ctx, r, func(ctx context.Context) error { return d.rsync(ctx, r, side, checksum) })
}

func (d deed) rsync(ctx context.Context, r deploy.Release, side deploy.Side, checksum bool) error {
	t := transfer{host: d.name, root: d.l.root, tree: d.s.store.Tree(r.ID), side: d.l.root + "/" + string(side), checksum: checksum, stall: d.l.stall}
	if !d.l.local {
		control, err := d.l.control(ctx, d.lock.epoch)
		if err != nil {
			return err
		}
		t.shell = d.f.ssh.transport(control)
	}
	return t.run(ctx, d.out)
}

// verify has the host hash a side and seal it. Where rsync was fooled by times
// and sizes, contents are compared, once.
func (d deed) verify(ctx context.Context, e deploy.Verify) error {
	ctx, cancel := d.f.while(ctx)
	defer cancel()
	c, err := d.s.cargo.load(d.s.store, e.Release)
	if err != nil {
		return err
	}
	err = d.seal(ctx, e, c)
	var no *refusal
	if !errors.As(err, &no) || no.Code != host.Differs {
		return err
	}
	d.say("%s; comparing all contents", oneLine(no.Err))
	// The host must have the side marked as being written before a byte is sent.
	if _, err := d.admit(ctx, deploy.Prepare{Side: e.Side, Release: e.Release, Epoch: e.Epoch}, host.Need{}); err != nil {
		return err
	}
	if err := d.send(ctx, e.Release, e.Side, true); err != nil {
		return err
	}
	return d.seal(ctx, e, c)
}

// seal has the host hash the side and seal it. It is told what the side must
// equal if it does not know: it was filled by rsync, or by a session that was lost.
func (d deed) seal(ctx context.Context, e deploy.Verify, c *cargo) error {
	ctx, cancel := d.f.until(ctx, verifyTime+readTime(e.Release))
	defer cancel()
	seal := deploy.Seal{Release: e.Release.ID, Digest: e.Release.Digest, Epoch: e.Epoch}
	req := host.Request{Do: host.Seal, Side: e.Side, Seal: seal}
	_, err := d.l.ask(ctx, d.lock, req)
	var no *refusal
	if errors.As(err, &no) && no.Code == host.Bad {
		_, err = d.l.askWith(ctx, d.lock, req, c.blob)
	}
	return err
}

// flip moves the link. When no answer comes, the session is opened once more and
// the flip given again: it is a compare-and-swap, so twice is as good as once.
func (d deed) flip(ctx context.Context, e deploy.Flip) (deploy.Event, error) {
	seal := deploy.Seal{Release: e.Release.ID, Digest: e.Release.Digest, Epoch: e.Epoch}
	req := host.Request{Do: host.Flip, From: e.From, Side: e.Side, Seal: seal, Witness: d.f.witness()}
	if e.From == e.Side {
		req = host.Request{Do: host.Status} // it served the release when it was fenced: it still must
	}
	began := time.Now()
	moment := d.f.flips.next(len(d.r.Hosts))
	once := func(limit time.Duration) error {
		ctx, cancel := d.f.until(ctx, limit)
		defer cancel()
		if req.Do == host.Flip {
			req.In = max(0, time.Until(moment))
		}
		resp, err := d.l.ask(ctx, d.lock, req)
		if now := resp.Standing; err == nil && (now.Live != e.Side || now.Sides[e.Side].Digest != e.Release.Digest) {
			err = fmt.Errorf("it does not serve release %s from %s", e.Release.ID, e.Side)
		}
		return err
	}
	err := once(flipTime)
	var late lateError
	if errors.As(err, &late) && ctx.Err() == nil {
		d.say("%s; asking again", late)
		err = once(fenceTime)
	}
	var no *refusal
	if errors.As(err, &no) && no.stays() && no.Standing.Live == e.From && e.From != e.Side {
		return nil, &untouched{err}
	}
	return deploy.Flipped{Host: d.name, Took: time.Since(began)}, err
}
