package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
	"pushtrain/deploy/release"
)

// confirm reads where the host stands, after it has run what the stage wants run
// there after a flip.
func (d deed) confirm(ctx context.Context, e deploy.Confirm) (deploy.Event, error) {
	var resp host.Response
	var err error
	if len(d.after) > 0 {
		resp, err = d.hook(ctx, confirmTime, host.Request{Do: host.After, Side: e.Side, Argv: d.after})
	} else {
		ctx, cancel := d.f.until(ctx, confirmTime)
		defer cancel()
		resp, err = d.l.ask(ctx, noLock, host.Request{Do: host.Status})
	}
	return deploy.Confirmed{Host: d.name, Standing: resp.Standing}, err
}

// ready runs what the stage wants run on the host before a flip: the side is
// verified. That the host lets us run after_flip is asked here too, while nothing
// live has been touched: on a side that is not live, After runs nothing.
func (d deed) ready(ctx context.Context, e deploy.Verify) error {
	if len(d.after) > 0 {
		if _, err := d.run(ctx, 0, host.Request{Do: host.After, Side: e.Side, Argv: d.after}); err != nil {
			return err
		}
	}
	if len(d.before) == 0 {
		return nil
	}
	seal := deploy.Seal{Release: e.Release.ID, Digest: e.Release.Digest, Epoch: e.Epoch}
	_, err := d.hook(ctx, 0, host.Request{Do: host.Before, Side: e.Side, Seal: seal, Argv: d.before})
	return err
}

// hook has the host run a command and tells of it as of one that runs here, with
// the last lines of what it said. More is time beside the command's.
func (d deed) hook(ctx context.Context, more time.Duration, req host.Request) (host.Response, error) {
	d.say("%s_flip: %s", req.Do, release.Began(req.Argv))
	resp, err := d.run(ctx, more, req)
	for i, line := range resp.Said {
		loud := resp.Ran != nil && slices.Contains(resp.Ran.Stderr, i)
		d.out(Line{Host: d.name, Text: fmt.Sprintf("%s_flip: %s", req.Do, line), Percent: -1, Err: loud})
	}
	switch {
	case resp.Ran != nil:
		d.say("%s_flip: %s", req.Do, resp.Ran.Ended)
	case err == nil:
		d.say("%s_flip: not run: the link is elsewhere", req.Do)
	}
	return resp, err
}

// run has the host run a command.
func (d deed) run(ctx context.Context, more time.Duration, req host.Request) (host.Response, error) {
	ctx, cancel := d.f.until(ctx, host.HookTime+max(more, flipTime))
	defer cancel()
	return d.l.ask(ctx, d.lock, req)
}
