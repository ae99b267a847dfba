package sim

import (
	"maps"
	"slices"
	"time"

	"pushtrain/deploy"
)

// mix is which faults a seed has, and how many: a run with few of them gets far,
// one with many finds the corners.
type mix struct {
	crash, power, twoBots  float64 // of the bots
	restored               bool    // a bot comes back with an older journal
	hostDown, hostHung     float64
	hostPower, hostSlow    float64
	cut                    float64
	hand                   float64 // people at the hosts: links moved, trees edited, disks replaced
	lostAnswer             float64 // of each request
	redJob, badPull, quick float64 // of each job, pull, file
	impatient              float64 // people who decide at the wrong moment
	quarantine             int
}

func (w *world) drawMix() mix {
	some := func(p float64) float64 {
		if w.rng.IntN(3) == 0 {
			return p
		}
		return 0
	}
	var m mix
	if w.rng.IntN(20) == 0 {
		return m // all goes well
	}
	m.crash, m.power = some(0.5), some(0.3)
	m.twoBots = some(0.5)
	m.restored = w.rng.IntN(25) == 0
	m.hostDown, m.hostHung, m.hostPower, m.hostSlow = some(0.4), some(0.3), some(0.5), some(0.3)
	m.cut = some(0.4)
	if w.rng.IntN(8) == 0 {
		m.hand = 0.4
	}
	m.lostAnswer = some(0.05) + some(0.02)
	m.redJob, m.badPull, m.quick = some(0.1), some(0.3), some(0.1)
	m.impatient = some(0.5)
	m.quarantine = w.rng.IntN(3)
	return m
}

func (w *world) count(fault string) { w.report.Faults[fault]++ }

func target(stack string) deploy.Target { return deploy.Target{Stack: stack, Stage: "prod"} }

// build makes a release that never was before.
func (w *world) build() deploy.Release {
	w.releases++
	return releaseOf("r" + string(rune('0'+w.releases/100%10)) + string(rune('0'+w.releases/10%10)) + string(rune('0'+w.releases%10)))
}

func (w *world) hostNames() []string {
	var names []string
	for _, m := range w.machines {
		names = append(names, m.name)
	}
	return names
}

// people ship, stop, and take back.
func (w *world) people() {
	var next func()
	next = func() {
		if w.healed {
			return
		}
		b := w.bots[w.rng.IntN(len(w.bots))]
		switch n := w.rng.IntN(10); {
		case n < 6:
			w.ship(b, "")
		case n < 8:
			w.takeBack(b)
		default:
			w.decide(b)
		}
		w.after(w.between(time.Second, 25*time.Second), next)
	}
	w.after(w.between(0, 3*time.Second), next)
	var meddle func()
	meddle = func() {
		if w.healed || w.mix.impatient == 0 {
			return
		}
		w.decide(w.bots[w.rng.IntN(len(w.bots))])
		w.after(w.between(200*time.Millisecond, 20*time.Second), meddle)
	}
	w.after(w.between(0, 5*time.Second), meddle)
}

// ship starts a rollout of one stack, or a train of all.
func (w *world) ship(b *bot, why string) {
	stacks := w.stacks
	if len(stacks) > 1 && w.rng.IntN(2) == 0 {
		stacks = stacks[w.rng.IntN(2):][:1]
	}
	b.trains++
	for _, stack := range stacks {
		s := deploy.Start{Target: target(stack), Hosts: w.hostNames(), Train: b.trains, By: "alice", Why: why,
			Check: w.rng.IntN(3) == 0, MaxQuarantine: w.mix.quarantine}
		if w.rng.IntN(2) == 0 {
			s.Ref, s.Test = "main", w.rng.IntN(2) == 0
		} else {
			s.Release = w.build()
		}
		if live, ok := b.book.Live(s.Target); ok && w.rng.IntN(4) == 0 { // the same once more
			s.Ref, s.Test, s.Release = "", false, live.Release
		}
		w.startAt(b, s)
	}
}

func (w *world) startAt(b *bot, s deploy.Start) {
	if !b.alive {
		return
	}
	b.input(deploy.Input{Event: s})
}

// takeBack starts the rollback of a stack.
func (w *world) takeBack(b *bot) {
	stack := w.stacks[w.rng.IntN(len(w.stacks))]
	rel, ok := b.book.Previous(target(stack))
	if !ok || w.healed {
		return
	}
	w.startAt(b, deploy.Start{Target: target(stack), Hosts: w.hostNames(), By: "bob", Release: rel, Back: true, Why: "bad", MaxQuarantine: w.mix.quarantine})
}

func sortedOpen(b deploy.Book) []uint64 { return slices.Sorted(maps.Keys(b.Open)) }

// decide says a word about a rollout that is under way.
func (w *world) decide(b *bot) {
	open := sortedOpen(b.book)
	if !b.alive || len(open) == 0 {
		return
	}
	id := open[w.rng.IntN(len(open))]
	e := []deploy.Event{deploy.Abort{By: "bob", Why: "no"}, deploy.Undo{By: "bob"}, deploy.Forward{By: "alice"}}[w.rng.IntN(3)]
	b.input(deploy.Input{ID: id, Event: e})
	if w.rng.IntN(2) == 0 { // and what is live is not wanted either
		w.after(w.between(0, 2*time.Second), func() { w.takeBack(b) })
	}
}

// faults has things go wrong, as the mix says.
func (w *world) faults() {
	every := func(p float64, name string, do func()) {
		if p == 0 {
			return
		}
		var next func()
		next = func() {
			if w.healed {
				return
			}
			if w.rng.Float64() < p {
				w.count(name)
				do()
			}
			w.after(w.between(100*time.Millisecond, 20*time.Second), next)
		}
		w.after(w.between(0, 20*time.Second), next)
	}
	someBot := func() *bot { return w.bots[w.rng.IntN(len(w.bots))] }
	some := func() *machine { return w.machines[w.rng.IntN(len(w.machines))] }
	back := func(least, most time.Duration, do func()) { w.after(w.between(least, most), do) }

	every(w.mix.crash, "bot killed", func() { b := someBot(); b.crash(false); back(0, 10*time.Second, b.start) })
	every(w.mix.power, "bot lost power", func() { b := someBot(); b.crash(true); back(time.Second, 40*time.Second, b.start) })
	if w.mix.restored {
		every(0.2, "journal restored", func() {
			b := someBot()
			b.crash(true)
			b.disk = b.disk[:w.rng.IntN(len(b.disk)+1)]
			b.told = 0
			for key, t := range w.rollouts {
				if key.bot == b.n {
					t.forgotten, t.committed, t.ends = true, false, nil
				}
			}
			w.say("bot %d comes back with an old journal of %d records", b.n, len(b.disk))
			back(time.Second, 40*time.Second, b.start)
		})
	}
	every(w.mix.hostDown, "host died", func() { m := some(); m.die(); back(0, 30*time.Second, m.rise) })
	every(w.mix.hostPower, "host lost power", func() { m := some(); m.lose(); back(time.Second, 30*time.Second, m.rise) })
	every(w.mix.hostHung, "host hung", func() {
		m := some()
		w.say("%s hangs", m.name)
		m.hung = true
		back(0, 40*time.Second, func() { m.hung = false; w.say("%s goes on", m.name) })
	})
	every(w.mix.cut, "network cut", func() {
		m := some()
		w.say("%s is cut off", m.name)
		m.cut = true
		back(0, 40*time.Second, func() { m.cut = false; w.say("%s is reached again", m.name) })
	})
	every(w.mix.hostSlow, "host slow", func() { m := some(); m.slow = 10; back(0, 30*time.Second, func() { m.slow = 1 }) })
	every(w.mix.hand, "hand on a host", func() { some().meddle() })
}

// die kills all that runs on a host for us; the web server goes on.
func (m *machine) die() {
	m.w.say("%s: sshd and all its sessions die", m.name)
	m.down, m.hung = true, false
	for _, stack := range m.w.stacks {
		m.roots[stack].reset()
	}
	m.end()
}

// lose is a loss of power.
func (m *machine) lose() {
	m.w.say("%s loses power", m.name)
	m.down, m.hung = true, false
	for _, stack := range m.w.stacks {
		m.roots[stack].powerLoss()
	}
	m.end()
}

// end ends all sessions with a host, at its end at once.
func (m *machine) end() {
	for _, b := range m.w.bots {
		for _, stack := range m.w.stacks {
			r := m.roots[stack]
			if s := b.sessions[r]; s != nil {
				s.there = false
				if r.holder == s {
					r.holder = nil
				}
			}
		}
	}
}

func (m *machine) rise() {
	if m.down {
		m.w.say("%s is up", m.name)
	}
	m.down = false
}

// meddle is a person on the host, past pushtrain.
func (m *machine) meddle() {
	w := m.w
	r := m.roots[w.stacks[w.rng.IntN(len(w.stacks))]]
	if r.link == "" {
		return
	}
	r.handed = w.now
	switch w.rng.IntN(3) {
	case 0:
		if other := r.link.Other(); r.sides[index(other)].there && len(r.copiers) == 0 && r.sides[index(other)].holds() != "" {
			w.say("%s: a hand moves the link of %s to %s", m.name, r.stack, other)
			r.link, r.left, r.meddled = other, w.now, true
		}
	case 1:
		w.say("%s: a hand edits the live tree of %s", m.name, r.stack)
		r.sides[index(r.link)].files[1] = "edited"
		r.sides[index(r.link)].edited = true
	case 2:
		w.say("%s: %s is on a new, empty disk", m.name, r.stack)
		r.reset()
		m.end()
		r.disk = disk{left: -1}
		r.born, r.highest, r.highBy = false, 0, ""
		r.boots++
	}
	r.flush()
}

// requests are the visitors.
func (w *world) requests() {
	var next func()
	next = func() {
		m := w.machines[w.rng.IntN(len(w.machines))]
		w.request(m.roots[w.stacks[w.rng.IntN(len(w.stacks))]])
		if w.now < troubled+healing-drain {
			w.after(w.between(10*time.Millisecond, 2*time.Second), next)
		}
	}
	next()
}

// heal ends all faults; then somebody decides what is STUCK, and ships to all.
func (w *world) heal() {
	w.say("---- all is well again")
	w.healed = true
	w.mix.lostAnswer, w.mix.redJob, w.mix.badPull, w.mix.quick = 0, 0, 0, 0
	for _, m := range w.machines {
		m.down, m.hung, m.cut, m.slow = false, false, false, 1
	}
	for _, b := range w.bots {
		b.start()
	}
	// One bot after the other comes to the end of what it has open, the first one last.
	step := 2 * time.Minute / time.Duration(len(w.bots))
	for i, b := range slices.Backward(w.bots) {
		for n := range 4 {
			w.after(step*time.Duration(len(w.bots)-1-i)+step/4*time.Duration(n)+step/8, func() { w.settle(b, n) })
		}
	}
	for n := range 4 { // and who got STUCK late
		w.after(2*time.Minute+time.Duration(n)*13*time.Second, func() {
			for _, b := range w.bots {
				w.settle(b, n)
			}
		})
	}
	w.after(3*time.Minute, func() {
		for _, b := range w.bots {
			for _, id := range sortedOpen(b.book) {
				r := b.book.Open[id]
				w.broken("I9", "rollout %d of bot %d is in %s, three minutes after all was well: %s", id, b.n, r.State, r.Reason)
			}
		}
		for _, m := range w.machines { // who is in quarantine is brought up to date by the next rollout
			m.inUse = true
		}
		for _, stack := range w.stacks {
			w.startAt(w.bots[0], deploy.Start{Target: target(stack), Hosts: w.hostNames(), By: "alice", Release: w.build()})
		}
	})
}

// settle is a person who looks after what is STUCK: forward or back at first,
// then back, then forward, for a first install has nothing to go back to.
func (w *world) settle(b *bot, try int) {
	for _, id := range sortedOpen(b.book) {
		if b.book.Open[id].State != deploy.Stuck {
			continue
		}
		var e deploy.Event = deploy.Undo{By: "ops"}
		if try > 0 && try%2 == 1 {
			e = deploy.Forward{By: "ops"}
		}
		b.input(deploy.Input{ID: id, Event: e})
	}
}
