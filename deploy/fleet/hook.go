package fleet

import (
	"context"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
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
		if _, err := d.hook(ctx, 0, host.Request{Do: host.After, Side: e.Side, Argv: d.after}); err != nil {
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

// hook has the host run a command and says what it said. More is time beside the command's.
func (d deed) hook(ctx context.Context, more time.Duration, req host.Request) (host.Response, error) {
	ctx, cancel := d.f.until(ctx, host.HookTime+max(more, flipTime))
	defer cancel()
	resp, err := d.l.ask(ctx, d.lock, req)
	for _, line := range resp.Said {
		d.say("%s_flip: %s", req.Do, line)
	}
	return resp, err
}
