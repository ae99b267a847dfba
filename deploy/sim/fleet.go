package sim

import (
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// effect is one effect under way at a bot.
type effect struct {
	b         *bot
	life      int
	r         deploy.Rollout // as it was when the effect was asked for
	e         deploy.Effect
	cancelled bool
	over      bool
	cancel    func()
	asking    *session // it waits for an answer of; nil = of none
}

// answer gives the effect's one answer to its bot.
func (x *effect) answer(e deploy.Event) {
	if x.over || x.b.life != x.life {
		return
	}
	x.over = true
	for i, o := range x.b.open {
		if o == x {
			x.b.open = append(x.b.open[:i:i], x.b.open[i+1:]...)
			break
		}
	}
	x.b.input(deploy.Input{ID: x.r.ID, Event: e})
}

func (x *effect) fail(reason string, clean bool) {
	kind, name := deploy.Names(x.e)
	x.answer(deploy.Failed{Kind: kind, Host: name, Reason: reason, Clean: clean})
}

// call off the effect: it ends soon, and says that it has failed.
func (x *effect) callOff() {
	if x.cancelled {
		return
	}
	x.cancelled = true
	if x.asking != nil { // the end of a request's context ends its session, and with it the lock
		x.asking.drop()
	}
	if x.cancel != nil {
		x.cancel()
	}
}

// do carries out an effect, as package fleet does.
func (x *effect) do() {
	w := x.b.w
	_, name := deploy.Names(x.e)
	var r *root
	if name != "" {
		r = w.machine(name).roots[x.r.Stack]
	}
	switch e := x.e.(type) {
	case deploy.Build:
		x.job(deploy.Built{Release: w.build()})
	case deploy.Test:
		x.job(deploy.Tested{})
	case deploy.Check:
		x.job(deploy.Checked{})
	case deploy.Pull:
		x.pull(w.machine(e.Host))
	case deploy.Fence:
		x.fence(r, e)
	case deploy.Prepare:
		x.prepare(r, e)
	case deploy.Verify:
		x.verify(r, e, false)
	case deploy.Flip:
		x.flip(r, e, 1)
	case deploy.Confirm:
		x.ask(r, 0, host.Request{Do: host.Status}, confirmTime, func(resp *host.Response) {
			if resp == nil {
				x.fail("lost", false)
				return
			}
			x.answer(deploy.Confirmed{Host: e.Host, Standing: resp.Standing})
		})
	case deploy.Unlock:
		s := x.b.sessions[r]
		if s == nil || s.had != e.Epoch {
			x.answer(deploy.Unlocked{Host: e.Host})
			return
		}
		s.had = 0
		s.call(host.Request{Do: host.Unlock, Epoch: e.Epoch}, confirmTime, func(*host.Response) {
			x.answer(deploy.Unlocked{Host: e.Host})
		})
	}
}

// job is a command on the bot's own machine.
func (x *effect) job(done deploy.Event) {
	w := x.b.w
	x.cancel = func() { w.after(10*time.Millisecond, func() { x.fail("called off", true) }) }
	w.after(w.between(50*time.Millisecond, 5*time.Second), func() {
		switch {
		case x.cancelled:
		case w.rng.Float64() < w.mix.redJob:
			w.count("red job")
			x.fail("red", true)
		default:
			x.answer(done)
		}
	})
}

func (x *effect) pull(m *machine) {
	w := x.b.w
	w.after(w.between(10*time.Millisecond, time.Second), func() {
		if x.b.life != x.life {
			return
		}
		if w.rng.Float64() < w.mix.badPull {
			x.fail("the pool does not answer", false)
			return
		}
		if w.bug != "pull does nothing" {
			m.inUse = false
		}
		w.say("bot %d: %s is out of the pool", x.b.n, m.name)
		x.answer(deploy.Pulled{Host: m.name})
	})
}

func (x *effect) fence(r *root, e deploy.Fence) {
	hello := host.Request{Do: host.Hello}
	x.ask(r, 0, hello, fenceTime, func(resp *host.Response) {
		switch {
		case resp == nil:
			x.fail("unreachable", true)
		case resp.Standing.Epoch > e.Epoch:
			x.answer(deploy.Fenced{Host: e.Host, Standing: resp.Standing})
		default:
			if s := x.b.sessions[r]; s != nil {
				s.had = 0 // the lock is asked for in any case: what is read under it stays so
			}
			x.ask(r, e.Epoch, host.Request{Do: host.Status, Prove: e.Prove}, fenceTime, func(resp *host.Response) {
				switch {
				case resp == nil:
					x.fail("lost", true)
				case resp.Code == host.Stale:
					x.answer(deploy.Fenced{Host: e.Host, Standing: resp.Standing, Taken: true})
				case resp.Code != "":
					x.fail(resp.Err, true)
				default:
					x.answer(deploy.Fenced{Host: e.Host, Standing: resp.Standing})
				}
			})
		}
	})
}

// prepare fills a side, three times if the way breaks off.
func (x *effect) prepare(r *root, e deploy.Prepare) {
	x.fill(r, e.Side, e.Release, e.Epoch, 3, false, deploy.Prepared{Host: e.Host})
}

// fill has the host admit the writer, and copies.
func (x *effect) fill(r *root, side deploy.Side, rel deploy.Release, epoch uint64, tries int, checksum bool, done deploy.Event) {
	w := x.b.w
	x.cancel = func() { w.after(10*time.Millisecond, func() { x.fail("called off", true) }) }
	req := host.Request{Do: host.Prepare, Side: side, Seal: sealOf(rel.ID, epoch)}
	x.ask(r, epoch, req, fenceTime, func(resp *host.Response) {
		switch {
		case x.over || x.cancelled:
		case resp == nil:
			x.fail("lost", false)
		case resp.Code == host.Draining:
			w.after(resp.Standing.Drain, func() {
				if !x.over && x.b.life == x.life && !x.cancelled {
					x.fill(r, side, rel, epoch, tries, checksum, done)
				}
			})
		case resp.Code != "":
			x.fail(resp.Err, true)
		case resp.Ready:
			x.answer(done)
		default:
			x.copy(r, side, rel, epoch, tries, checksum, done)
		}
	})
}

// copy runs one rsync on the session that holds the lock.
func (x *effect) copy(r *root, side deploy.Side, rel deploy.Release, epoch uint64, tries int, checksum bool, done deploy.Event) {
	w := x.b.w
	s := x.b.sessions[r]
	if s == nil || s.had != epoch {
		x.fail("the session was lost", false)
		return
	}
	over := false
	again := func() {
		switch {
		case over || x.over || x.b.life != x.life:
		case tries > 1:
			over = true
			x.fill(r, side, rel, epoch, tries-1, checksum, done)
		default:
			over = true
			x.fail("rsync lost its way", false)
		}
	}
	c := &copier{r: r, s: s, side: side, release: rel.ID, epoch: epoch, checksum: checksum}
	c.then = func(ok bool) {
		if over || x.over {
			return
		}
		if !ok {
			again()
			return
		}
		over = true
		if checksum {
			x.verify(r, deploy.Verify{Host: r.m.name, Side: side, Release: rel, Epoch: epoch}, true)
			return
		}
		x.answer(done)
	}
	x.cancel = func() {
		over = true
		if c.s.whole() {
			c.over = false
			c.end(false)
		}
		w.after(10*time.Millisecond, func() { x.fail("called off", true) })
	}
	if !s.whole() {
		w.after(rsyncTime, again)
		return
	}
	r.copy(c)
	w.after(2*rsyncTime, again) // rsync gives up by itself
}

// verify has the host prove and seal a side. Where rsync was fooled, contents are compared once.
func (x *effect) verify(r *root, e deploy.Verify, compared bool) {
	req := host.Request{Do: host.Seal, Side: e.Side, Seal: sealOf(e.Release.ID, e.Epoch)}
	x.ask(r, e.Epoch, req, verifyTime, func(resp *host.Response) {
		switch {
		case x.over || x.b.life != x.life:
		case x.cancelled:
			x.fail("called off", true)
		case resp == nil:
			x.fail("lost", false)
		case resp.Code == host.Differs && !compared:
			x.fill(r, e.Side, e.Release, e.Epoch, 1, true, deploy.Verified{Host: e.Host})
		case resp.Code != "":
			x.fail(resp.Err, true)
		default:
			x.answer(deploy.Verified{Host: e.Host})
		}
	})
}

// flip moves the link; when no answer comes, it is asked once more.
func (x *effect) flip(r *root, e deploy.Flip, again int) {
	req := host.Request{Do: host.Flip, From: e.From, Side: e.Side, Seal: deploy.Seal{Release: e.Release.ID, Digest: e.Release.Digest, Epoch: e.Epoch}}
	if e.From == e.Side {
		req = host.Request{Do: host.Status}
	}
	limit := flipTime
	if again == 0 {
		limit = fenceTime
	}
	x.ask(r, e.Epoch, req, limit, func(resp *host.Response) {
		switch {
		case resp == nil && again > 0:
			x.flip(r, e, 0)
		case resp == nil:
			x.fail("lost", false)
		case resp.Code != "":
			stays := resp.Code == host.Unsealed || resp.Code == host.Moved || resp.Code == host.Stale
			x.fail(resp.Err, stays && resp.Standing.Live == e.From && e.From != e.Side)
		case resp.Standing.Live != e.Side || resp.Standing.Sides[e.Side].Digest != e.Release.Digest:
			x.fail("it does not serve the release", false)
		default:
			x.answer(deploy.Flipped{Host: e.Host, Took: time.Millisecond})
		}
	})
}
