package sim

import (
	"fmt"
	"time"

	"pushtrain/deploy/host"
)

// The bounds of package fleet and of its ssh.
const (
	fenceTime   = 20 * time.Second
	flipTime    = 5 * time.Second
	confirmTime = 10 * time.Second
	verifyTime  = 2 * time.Minute
	rsyncTime   = 30 * time.Second // without a byte
	keepalive   = 15 * time.Second // until a session that hears nothing is given up
)

// session is one `pushtrain host`, and the way to it.
type session struct {
	b     *bot
	life  int // of the bot
	r     *root
	open  bool   // the bot's end
	there bool   // the host's end: while it is, it keeps its lock
	epoch uint64 // that it holds the lock for; 0 = it holds none
	had   uint64 // the same, as the bot knows it
}

// owner is what tells the bot's life from every other.
func (s *session) owner() string { return fmt.Sprintf("%d.%d", s.b.n, s.life) }

// whole reports whether what is sent at one end comes out at the other.
func (s *session) whole() bool {
	return s.there && s.open && s.b.life == s.life && !s.r.m.cut && !s.r.m.down
}

// dial opens a session, or says that there is none.
func (b *bot) dial(r *root, then func(*session)) {
	w, life := b.w, b.life
	again := func(do func()) func() {
		return func() {
			if b.life == life {
				do()
			}
		}
	}
	switch m := r.m; {
	case m.down:
		w.after(w.between(time.Millisecond, 20*time.Millisecond), again(func() { then(nil) }))
	case m.cut || m.hung:
		w.after(5*time.Second, again(func() { then(nil) }))
	default:
		s := &session{b: b, life: life, r: r, open: true, there: true}
		w.after(w.between(20*time.Millisecond, 300*time.Millisecond), func() {
			if b.life != life {
				s.drop() // it is sent the end of its input
				return
			}
			if old := b.sessions[r]; old != nil { // there is one a root, whoever opened it
				s.drop()
				s = old
			}
			b.sessions[r] = s
			then(s)
		})
	}
}

// drop ends a session at both ends, as far as there is a way to say so. A host
// that is not told ends it by itself, when it has heard nothing for long enough.
func (s *session) drop() {
	w := s.r.w
	s.open = false
	if s.b.sessions[s.r] == s {
		delete(s.b.sessions, s.r)
	}
	if s.r.m.cut || s.r.m.hung {
		w.after(keepalive, s.leave)
		return
	}
	s.leave()
}

// leave ends the host's end, and with it the lock.
func (s *session) leave() {
	if s.r.m.hung {
		s.r.w.after(keepalive, s.leave)
		return
	}
	if !s.there {
		return
	}
	s.there = false
	if s.r.holder == s && s.r.w.bug != "lock outlives its session" {
		s.r.holder = nil
	}
}

// call sends one request and hears its answer; nil = the session is lost, and
// whether the request was carried out is not known.
func (s *session) call(req host.Request, limit time.Duration, then func(*host.Response)) {
	w, life := s.r.w, s.life
	answered := false
	answer := func(resp *host.Response) {
		if answered || s.b.life != life {
			return
		}
		answered = true
		if resp == nil && s.open {
			s.drop()
		}
		then(resp)
	}
	hop := func() time.Duration { return w.between(time.Millisecond, 15*time.Millisecond) }
	w.after(hop(), func() {
		if !s.whole() {
			if s.r.m.down || !s.there {
				w.after(hop(), func() { answer(nil) })
			}
			return
		}
		work := time.Duration(0)
		if req.Do == host.Seal {
			work = w.between(20*time.Millisecond, 2*time.Second) * s.r.m.slow
		}
		w.after(work, func() { s.carryOut(req, hop, answer) })
	})
	w.after(limit, func() { answer(nil) })
	var watch func() // ssh's own keepalive
	watch = func() {
		switch {
		case answered || s.b.life != life:
		case !s.whole() || s.r.m.hung:
			answer(nil)
		default:
			w.after(keepalive, watch)
		}
	}
	w.after(keepalive, watch)
}

// carryOut has the host do it, when it has come to it, and send its answer.
func (s *session) carryOut(req host.Request, hop func() time.Duration, answer func(*host.Response)) {
	w := s.r.w
	switch {
	case s.r.m.hung:
		w.after(time.Second, func() { s.carryOut(req, hop, answer) })
		return
	case !s.there:
		return
	}
	resp := s.r.serve(s, req)
	if w.rng.Float64() < w.mix.lostAnswer {
		w.count("lost answer")
		w.say("%s: the answer to %s is lost", s.r.m.name, req.Do)
		s.leave()
		w.after(hop(), func() { answer(nil) })
		return
	}
	w.after(hop(), func() {
		if s.whole() {
			answer(&resp)
		}
	})
}

// ask has the host answer req with the lock of epoch, as fleet's link does: a session that was
// lost is opened once more, the lock taken again, and the request given again.
func (x *effect) ask(r *root, epoch uint64, req host.Request, limit time.Duration, then func(*host.Response)) {
	b := x.b
	prove := req.Prove
	req.Epoch, req.Prove = epoch, false
	had := b.sessions[r] != nil
	var try func(left int)
	try = func(left int) {
		if x.over || x.cancelled { // the end of its context ends every request
			then(nil)
			return
		}
		lost := func() {
			if left > 0 {
				try(left - 1)
				return
			}
			then(nil)
		}
		send := func(s *session) {
			x.asking = s
			s.call(req, limit, func(resp *host.Response) {
				x.asking = nil
				if resp == nil {
					lost()
					return
				}
				then(resp)
			})
		}
		withLock := func(s *session) {
			if x.over || x.cancelled {
				then(nil)
				return
			}
			if epoch == 0 || s.had == epoch {
				send(s)
				return
			}
			x.asking = s
			s.call(host.Request{Do: host.Lock, Epoch: epoch, By: x.r.By, Prove: prove}, limit, func(resp *host.Response) {
				x.asking = nil
				switch {
				case resp == nil:
					lost()
				case resp.Code != "":
					then(resp)
				default:
					s.had = epoch
					send(s)
				}
			})
		}
		if s := b.sessions[r]; s != nil {
			withLock(s)
			return
		}
		b.dial(r, func(s *session) {
			if s == nil {
				then(nil)
				return
			}
			withLock(s)
		})
	}
	left := 0
	if had {
		left = 1
	}
	try(left)
}
