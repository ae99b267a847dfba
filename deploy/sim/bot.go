package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pushtrain/deploy"
)

// bot is an owner of a Book, with a journal of its own.
type bot struct {
	w     *world
	n     int
	life  int // counts restarts; what a former life began is not heard any more
	alive bool

	disk    []deploy.Input // the journal, as it is on disk
	told    int            // records that something was done or said about: they must not be lost
	pending []deploy.Input // applied, and on the way to the disk
	syncing bool
	inbox   []deploy.Input
	deeds   []func()

	book     deploy.Book
	open     []*effect
	sessions map[*root]*session
	kept     deploy.Book // what the disk's records make
	trains   int
}

func newBot(w *world, n int) *bot { return &bot{w: w, n: n} }

// start is the bot's start, or its restart: it replays its journal and resumes.
func (b *bot) start() {
	if b.alive {
		return
	}
	b.life++
	b.alive, b.syncing = true, false
	b.pending, b.inbox, b.deeds, b.open = nil, nil, nil, nil
	b.sessions = map[*root]*session{}
	if len(b.disk) < b.told && !b.w.mix.restored {
		b.w.broken("I8", "bot %d had acted on %d records, and its journal has %d", b.n, b.told, len(b.disk))
	}
	b.book, b.kept = deploy.Book{}, deploy.Book{}
	for _, in := range b.disk {
		before, _ := b.book.Find(in.ID)
		b.book, _, _ = b.step(b.book, in)
		if r, _ := b.book.Find(in.ID); before.State == deploy.Barrier && r.State == deploy.Flipping {
			t := b.w.track(b, in.ID)
			t.committed = true
			for _, h := range r.Hosts { // what was asked of them before the crash, nobody knows
				t.tried[b.w.machine(h.Name).roots[r.Stack]] = true
			}
		}
	}
	b.kept = b.book
	for key := range b.w.rollouts { // what was lost with the last records never was
		if key.bot == b.n && key.id > b.book.Last {
			delete(b.w.rollouts, key)
		}
	}
	b.w.say("bot %d is up, with %d records", b.n, len(b.disk))
	for _, id := range slices.Sorted(maps.Keys(b.book.Open)) {
		if b.book.Open[id].State != deploy.Stuck && b.w.bug != "restart forgets to resume" {
			b.input(deploy.Input{ID: id, Event: deploy.Resume{}})
		}
	}
}

// crash ends the bot between two of its instructions. The records on the way may
// have reached the disk, whole from the first on, or not.
func (b *bot) crash(power bool) {
	if !b.alive {
		return
	}
	w := b.w
	b.alive = false
	b.life++
	reached := w.rng.IntN(len(b.pending) + 1)
	w.say("bot %d dies; %d of %d records on the way reach its disk", b.n, reached, len(b.pending))
	b.disk = append(b.disk, b.pending[:reached]...)
	if w.bug == "journal is not synced" && len(b.disk) > 0 {
		b.disk = b.disk[:len(b.disk)-1]
	}
	for _, m := range w.machines {
		for _, stack := range w.stacks {
			s := b.sessions[m.roots[stack]]
			if s == nil {
				continue
			}
			s.open = false
			if power { // nobody tells the host that the other end has gone
				w.after(keepalive, s.leave)
				continue
			}
			w.after(w.between(time.Millisecond, 200*time.Millisecond), s.leave)
		}
	}
}

// input takes in what happened. The bot is one goroutine, which is busy while it writes its journal.
func (b *bot) input(in deploy.Input) {
	if !b.alive {
		return
	}
	in.At = epochStart.Add(b.w.now)
	b.inbox = append(b.inbox, in)
	if !b.syncing {
		b.drain()
	}
}

// drain applies what waits, and brings it to disk together.
func (b *bot) drain() {
	for len(b.inbox) > 0 {
		in := b.inbox[0]
		b.inbox = b.inbox[1:]
		_ = b.apply(in) // a refusal is said to whoever asked
	}
	if len(b.pending) == 0 {
		b.act()
		return
	}
	if b.w.bug == "acts before the journal" {
		b.act()
	}
	b.syncing = true
	life := b.life
	b.w.after(b.w.between(500*time.Microsecond, 10*time.Millisecond), func() {
		if b.life != life {
			return
		}
		b.syncing = false
		b.disk = append(b.disk, b.pending...)
		for _, in := range b.pending {
			b.kept, _, _ = b.step(b.kept, in)
		}
		b.pending = nil
		b.told = len(b.disk)
		b.act()
		b.drain()
	})
}

func (b *bot) act() {
	deeds := b.deeds
	b.deeds = nil
	for _, do := range deeds {
		do()
	}
}

// apply feeds the core, and follows up what came of it, as the bot does.
func (b *bot) apply(in deploy.Input) error {
	w := b.w
	before, _ := b.book.Find(in.ID)
	next, effects, err := b.step(b.book, in)
	if err != nil {
		w.say("bot %d: %T is refused: %v", b.n, in.Event, err)
		return err
	}
	if w.traced {
		w.say("bot %d: %d %s", b.n, in.ID, describe(in.Event))
	}
	b.book = next
	b.pending = append(b.pending, in)
	id := in.ID
	if _, ok := in.Event.(deploy.Start); ok {
		id = next.Last
	}
	r, _ := next.Find(id)
	if r.State != before.State {
		w.say("bot %d: %d of %s is in %s %s", b.n, id, r.Target, r.State, r.Reason)
		w.entered(b, before, r)
		if before.State == deploy.Barrier && r.State == deploy.Flipping {
			b.deeds = append(b.deeds, func() { w.track(b, id).committed = true })
		}
	}
	b.deeds = append(b.deeds, func() { b.callOff(id) })
	for _, e := range effects {
		switch e := e.(type) {
		case deploy.AtBarrier:
			b.barrier(r)
		case deploy.Ended:
			b.deeds = append(b.deeds, func() { w.ended(b, r, e) })
			if e.Outcome != deploy.Stuck && !e.Outcome.Live() {
				b.abandon(r)
			}
		default:
			x := &effect{b: b, life: b.life, r: r, e: e}
			b.deeds = append(b.deeds, func() { b.do(x) })
		}
	}
	return nil
}

// callOff cancels the effects that serve their rollout no more.
func (b *bot) callOff(id uint64) {
	r, _ := b.book.Find(id)
	for _, x := range slices.Clone(b.open) {
		if kind, _ := deploy.Names(x.e); x.r.ID == id && !r.Wants(kind) {
			x.callOff()
		}
	}
}

func (b *bot) do(x *effect) {
	b.w.asked(b, x)
	b.open = append(b.open, x)
	x.do()
	kind, _ := deploy.Names(x.e)
	if r, _ := b.book.Find(x.r.ID); !r.Wants(kind) {
		x.callOff()
	}
}

// barrier commits the rollouts of a train when all of them stand there.
func (b *bot) barrier(r deploy.Rollout) {
	var all []uint64
	for _, id := range slices.Sorted(maps.Keys(b.book.Open)) {
		o := b.book.Open[id]
		if id != r.ID && (r.Train == 0 || o.Train != r.Train || o.State == deploy.Stuck) {
			continue
		}
		if o.State != deploy.Barrier && b.w.bug != "commits before the others are there" {
			return
		}
		all = append(all, id)
	}
	for _, id := range all {
		_ = b.apply(deploy.Input{At: epochStart.Add(b.w.now), ID: id, Event: deploy.Commit{}})
	}
}

// abandon aborts what waits for a rollout of the same train that has failed.
func (b *bot) abandon(r deploy.Rollout) {
	for _, id := range slices.Sorted(maps.Keys(b.book.Open)) {
		o := b.book.Open[id]
		if r.Train == 0 || o.Train != r.Train || !ahead(o.State) {
			continue
		}
		_ = b.apply(deploy.Input{At: epochStart.Add(b.w.now), ID: id, Event: deploy.Abort{By: r.Target.String(), Why: "a train ships all or none"}})
	}
}

// ahead reports whether a rollout has not committed.
func ahead(s deploy.State) bool {
	switch s {
	case deploy.Intent, deploy.Building, deploy.Fencing, deploy.Preparing, deploy.Verifying, deploy.Barrier:
		return true
	}
	return false
}

// describe writes an event for the trace.
func describe(e deploy.Event) string {
	return fmt.Sprintf("%T%+v", e, e)[len("deploy."):]
}
