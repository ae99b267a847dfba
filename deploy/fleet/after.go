package fleet

import (
	"context"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// confirm reads where the host stands, after it has run what the stage wants run
// there after a flip.
func (d deed) confirm(ctx context.Context, e deploy.Confirm) (deploy.Event, error) {
	limit, lk, req := confirmTime, noLock, host.Request{Do: host.Status}
	if len(d.after) > 0 {
		limit, lk, req = confirmTime+host.AfterTime, d.lock, host.Request{Do: host.After, Side: e.Side, Argv: d.after}
	}
	ctx, cancel := d.f.until(ctx, limit)
	defer cancel()
	resp, err := d.l.ask(ctx, lk, req)
	for _, line := range resp.Said {
		d.say("after_flip: %s", line)
	}
	return deploy.Confirmed{Host: d.name, Standing: resp.Standing}, err
}
