package sim

import (
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// drain is how long a side may have readers after a flip has left it.
const drain = 10 * time.Second

// files is how many a release has. Each is read by another step of a request.
const files = 3

// machine is one host: its roots, one a stack, and the way to it.
type machine struct {
	w     *world
	name  string
	roots map[string]*root // by stack

	cut   bool // nothing goes through the network
	down  bool // nobody answers; a connection is refused
	hung  bool // connections are taken, nothing answers
	slow  time.Duration
	inUse bool // it is in the pool: requests reach it
}

func (w *world) newMachine(name string) *machine {
	m := &machine{w: w, name: name, roots: map[string]*root{}, slow: 1, inUse: true}
	for _, stack := range w.stacks {
		m.roots[stack] = newRoot(w, m, stack)
	}
	return m
}

func (w *world) machine(name string) *machine {
	for _, m := range w.machines {
		if m.name == name {
			return m
		}
	}
	panic("sim: no machine " + name)
}

// root is one docroot as package host keeps it: what is written, and what of it is on disk.
type root struct {
	w     *world
	m     *machine
	stack string
	disk

	flushed disk     // what a power loss leaves at least
	holder  *session // has the lock
	copiers []*copier
	highest uint64        // the highest epoch that was ever accepted on this disk, whatever the host remembers
	highBy  string        // by whom
	meddled bool          // a hand was at it since its last flip: what is live is not our doing
	handed  time.Duration // when a hand was at it last; 0 = never
	born    bool          // its link was seen
	boots   int
}

// disk is what is in a root.
type disk struct {
	link  deploy.Side
	epoch uint64
	owner string // who has used the epoch: a bot's one life
	sides [2]side
	left  time.Duration // when the last flip was, -1 = before the last boot, or there was none
}

// side is one docroot.
type side struct {
	there   bool
	files   [files]string // the release that each is of; torn = of none
	seal    deploy.Seal
	edited  bool // a hand was in it since it was filled
	readers int
}

const torn = "torn"

func index(s deploy.Side) int {
	if s == deploy.Yin {
		return 0
	}
	return 1
}

// holds returns the release that the side holds whole, "" = none.
func (s side) holds() string {
	for _, f := range s.files {
		if f != s.files[0] || f == torn {
			return ""
		}
	}
	return s.files[0]
}

func newRoot(w *world, m *machine, stack string) *root {
	r := &root{w: w, m: m, stack: stack}
	r.left = -1
	if kind := w.rng.IntN(5); kind > 0 { // else: empty
		r.link = deploy.Yin
		if kind == 2 {
			r.link = deploy.Yang
		}
		live := &r.sides[index(r.link)]
		live.there, live.files = true, [files]string{"r0", "r0", "r0"}
		if kind != 3 { // else: something else has put it there
			live.seal = sealOf("r0", 0)
		}
		r.born = true
	}
	r.flushed = r.disk
	return r
}

func releaseOf(id string) deploy.Release {
	return deploy.Release{ID: id, Commit: id, Digest: "digest of " + id, Files: files}
}

func sealOf(id string, epoch uint64) deploy.Seal {
	return deploy.Seal{Release: id, Digest: releaseOf(id).Digest, Epoch: epoch}
}

// standing is what the host says of itself.
func (r *root) standing() deploy.Standing {
	s := deploy.Standing{Live: r.link, Epoch: r.epoch, Sides: map[deploy.Side]deploy.Seal{}}
	for _, name := range []deploy.Side{deploy.Yin, deploy.Yang} {
		if d := r.sides[index(name)]; d.there && d.seal.Digest != "" {
			s.Sides[name] = d.seal
		}
	}
	s.Drain = r.draining()
	return s
}

func (r *root) draining() time.Duration {
	if r.link == "" || r.left < 0 || !r.sides[index(r.link.Other())].there || r.w.bug == "host forgets the drain" {
		return 0
	}
	return max(0, drain-(r.w.now-r.left))
}

// flush brings everything that is written to disk, as syncfs(2) does.
func (r *root) flush() {
	r.flushed = r.disk
}

// serve carries out a request as package host does.
func (r *root) serve(s *session, req host.Request) host.Response {
	resp := host.Response{N: req.N}
	resp.Code = r.do(s, req, &resp)
	if resp.Code != "" {
		resp.Err = string(resp.Code)
	}
	resp.Standing = r.standing()
	r.w.check(r)
	return resp
}

func (r *root) do(s *session, req host.Request, resp *host.Response) host.Code {
	switch req.Do {
	case host.Hello, host.Status:
		return ""
	case host.Lock:
		return r.lock(s, req)
	}
	if req.Epoch < r.epoch && r.w.bug != "host takes any epoch" {
		return host.Stale
	}
	if req.Do == host.Unlock {
		if r.holder == s {
			r.holder, s.epoch = nil, 0
		}
		return ""
	}
	if s.epoch != req.Epoch && r.w.bug != "host needs no lock" ||
		r.holder != s && r.w.bug != "host needs no lock" && r.w.bug != "lock is not exclusive" {
		return host.NotLock
	}
	r.w.checkEpoch(r, s, req.Epoch, string(req.Do))
	switch req.Do {
	case host.Prepare:
		return r.prepare(req, resp)
	case host.Seal:
		return r.seal(req)
	}
	return r.flip(s, req, resp)
}

func (r *root) lock(s *session, req host.Request) host.Code {
	if r.w.bug != "host takes any epoch" && (req.Epoch < r.epoch || req.Epoch == r.epoch && r.owner != s.owner() && r.w.bug != "equal epochs are one") {
		return host.Stale
	}
	if r.holder != nil && r.holder != s && r.w.bug != "lock is not exclusive" {
		return host.Locked
	}
	r.endWriters()
	r.holder, s.epoch = s, req.Epoch
	r.w.checkAccept(r, s, req.Epoch)
	if req.Epoch >= r.epoch && r.w.bug != "host forgets the epoch" {
		r.epoch, r.owner = req.Epoch, s.owner()
		if r.w.bug != "epoch is not synced" {
			r.flushed.epoch, r.flushed.owner = req.Epoch, r.owner
		}
	}
	if req.Prove && r.w.bug != "edits are not seen" {
		if i := index(r.link); r.link != "" && r.sides[i].edited {
			r.sides[i].seal, r.flushed.sides[i].seal = deploy.Seal{}, deploy.Seal{}
		}
	}
	return ""
}

func (r *root) prepare(req host.Request, resp *host.Response) host.Code {
	if req.Side == r.link && r.w.bug != "the live side is filled" {
		return host.LiveSide
	}
	d := &r.sides[index(req.Side)]
	if d.there && d.seal.Digest == req.Seal.Digest {
		resp.Ready = true
		return ""
	}
	if r.draining() > 0 {
		return host.Draining
	}
	r.endWriters()
	d.there = true
	if r.w.bug != "side is not marked dirty" {
		d.seal = deploy.Seal{}
		if r.w.bug != "dirty mark is not synced" {
			r.flushed.sides[index(req.Side)].seal = deploy.Seal{}
		}
	}
	return ""
}

func (r *root) seal(req host.Request) host.Code {
	if req.Side == r.link {
		return host.LiveSide
	}
	d := &r.sides[index(req.Side)]
	if d.holds() != req.Seal.Release && r.w.bug != "seal without a proof" {
		d.seal = deploy.Seal{}
		r.flushed.sides[index(req.Side)].seal = deploy.Seal{}
		return host.Differs
	}
	if d.seal.Release == req.Seal.Release && d.seal.Digest == req.Seal.Digest {
		return "" // it is on disk since then
	}
	if r.w.bug != "seal before the sync" {
		r.flush()
	}
	d.seal = req.Seal
	d.seal.Epoch = req.Epoch
	r.flushed.sides[index(req.Side)].seal = d.seal
	return ""
}

func (r *root) flip(s *session, req host.Request, resp *host.Response) host.Code {
	if r.link != req.Side && r.link != req.From {
		return host.Moved
	}
	if have := r.sides[index(req.Side)].seal; (have.Release != req.Seal.Release || have.Digest != req.Seal.Digest) && r.w.bug != "flips without a seal" {
		return host.Unsealed
	}
	if r.link == req.Side {
		resp.Ready = true
		r.flushed.link = r.link
		return ""
	}
	if r.w.bug == "flip unlinks first" {
		r.link = ""
		r.w.check(r)
	}
	r.left = r.w.now
	if r.link == "" {
		r.left = -1 // a side that was never live has no readers
	}
	r.link, r.meddled, r.born = req.Side, req.Seal.Digest == "" && r.sides[index(req.Side)].holds() != "r0", true // back to what a hand had made live
	if r.w.bug != "flip is not synced" {
		r.flushed.link, r.flushed.left = r.link, r.left
	}
	r.w.flipped(r, s, req)
	return ""
}

// copier is one rsync that fills a side.
type copier struct {
	r        *root
	s        *session // its way; without it, it is a zombie
	side     deploy.Side
	release  string
	epoch    uint64
	next     int
	checksum bool
	over     bool
	then     func(ok bool) // told by the bot's end of it
}

// copy begins to fill a side.
func (r *root) copy(c *copier) {
	r.copiers = append(r.copiers, c)
	r.w.after(r.pace(), c.step)
}

func (r *root) pace() time.Duration {
	return r.w.between(20*time.Millisecond, 1200*time.Millisecond) * r.m.slow
}

// step writes one file, or ends.
func (c *copier) step() {
	w, r := c.r.w, c.r
	switch {
	case c.over:
		return
	case r.m.hung:
		w.after(time.Second, c.step)
		return
	case c.next == files || !c.s.whole() && w.rng.IntN(3) == 0: // a zombie writes what it had received
		c.end(c.next == files)
		return
	}
	d := &r.sides[index(c.side)]
	w.checkWrite(r, c)
	if old := d.files[c.next]; !(c.checksum || old == "" || w.mix.quick == 0 || w.rng.Float64() >= w.mix.quick) {
		w.count("quick check fooled") // same size, same second: rsync takes it for the same file
	} else {
		d.files[c.next] = c.release
		d.edited = d.edited && c.next < files-1
	}
	w.check(r)
	c.next++
	pause := r.pace()
	if !c.s.whole() { // what was sent is on the way for as long as rsync waits
		pause += w.between(0, rsyncTime/2)
	}
	w.after(pause, c.step)
}

// end ends the writer on the host; the bot hears of it if there is a way.
func (c *copier) end(ok bool) {
	if c.over {
		return
	}
	c.over = true
	for i, o := range c.r.copiers {
		if o == c {
			c.r.copiers = append(c.r.copiers[:i:i], c.r.copiers[i+1:]...)
			break
		}
	}
	if c.s.whole() {
		c.then(ok)
	}
}

// endWriters ends what an earlier bot, or an earlier try, has left at work.
func (r *root) endWriters() {
	if r.w.bug == "zombies are not seen" {
		return
	}
	for len(r.copiers) > 0 {
		r.copiers[0].end(false)
	}
}

// powerLoss is a reboot: what was not synced may be there or not, or torn.
func (r *root) powerLoss() {
	w := r.w
	for i := range r.sides {
		d, was := &r.sides[i], r.flushed.sides[i]
		for f := range d.files {
			if d.files[f] != was.files[f] {
				d.files[f] = []string{d.files[f], was.files[f], torn}[w.rng.IntN(3)]
			}
		}
		d.seal = was.seal
		d.readers = 0
	}
	if r.flushed.link != r.link && w.rng.IntN(2) == 0 {
		r.link = r.flushed.link
	}
	r.epoch, r.owner = r.flushed.epoch, r.flushed.owner
	r.left = -1
	r.boots++
	r.reset()
	r.flush()
	w.check(r)
}

// reset ends all processes that work on the root.
func (r *root) reset() {
	r.holder = nil
	for _, c := range r.copiers {
		c.over = true
	}
	r.copiers = nil
}
