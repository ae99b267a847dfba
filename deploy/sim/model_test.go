package sim

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
	"pushtrain/deploy/release"
)

// TestModel holds the model of a host against the real one: both are asked the
// same, in the same order, by sessions of two owners, and hands are at both. They
// must answer with the same codes, and stand the same after each step.
func TestModel(t *testing.T) {
	if _, err := exec.LookPath("rsync"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("rsync is missing: apt-get install rsync")
		}
		t.Skip("rsync is missing: apt-get install rsync")
	}
	asked := map[host.Verb]map[host.Code]int{}
	for seed := uint64(1); seed <= 25; seed++ {
		p := newPair(t, seed)
		for range 80 {
			p.step(asked)
		}
		p.end()
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(p.story, "\n"))
		}
	}
	t.Logf("answers: %v", asked)
	for verb, codes := range map[host.Verb][]host.Code{
		host.Lock:    {"", host.Stale, host.Locked},
		host.Unlock:  {"", host.Stale},
		host.Prepare: {"", host.Stale, host.NotLock, host.LiveSide, host.Draining},
		host.Seal:    {"", host.Stale, host.NotLock, host.LiveSide, host.Differs},
		host.Flip:    {"", host.Stale, host.NotLock, host.Unsealed, host.Moved},
	} {
		for _, code := range codes {
			if asked[verb][code] == 0 {
				t.Errorf("%s was never answered with %q", verb, code)
			}
		}
	}
}

// ids are the releases that are shipped.
var ids = []string{"r1", "r2", "r3"}

// pair is a root and its model.
type pair struct {
	t        *testing.T
	rng      *rand.Rand
	dir      string
	model    *root
	bots     []*bot
	sessions []*twin
	trees    map[string]deploy.Manifest
	drain    time.Duration // what the real sessions go by
	epoch    uint64        // the highest that was used
	story    []string
}

// twin is a session with the root, and one with its model.
type twin struct {
	p     *pair
	model *session
	epoch uint64 // of its last lock

	in    io.WriteCloser
	out   *bufio.Scanner
	ended chan struct{}
	n     uint64
}

func newPair(t *testing.T, seed uint64) *pair {
	w := newWorld(seed, "")
	m := w.machines[0]
	p := &pair{t: t, rng: rand.New(rand.NewPCG(seed, 1)), drain: time.Hour, epoch: 2, trees: map[string]deploy.Manifest{}}
	p.model = &root{w: w, m: m, stack: "web", disk: disk{left: -1}}
	m.roots["web"] = p.model
	dir, err := os.MkdirTemp("/dev/shm", "pushtrain-test-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p.dir = filepath.Join(dir, "root")
	for _, id := range ids {
		at := filepath.Join(dir, id)
		p.must(os.Mkdir(at, 0o755))
		for i := range files {
			p.put(at, i, id)
		}
		m, err := release.Scan(context.Background(), at)
		p.must(err)
		p.trees[id] = m
	}
	for i := range 2 {
		b := newBot(w, i)
		b.life = 1
		p.bots = append(p.bots, b)
	}
	for range 3 {
		p.sessions = append(p.sessions, p.dial())
	}
	return p
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) put(dir string, file int, text string) {
	p.must(os.WriteFile(filepath.Join(dir, fmt.Sprint(file)), []byte(text), 0o644))
}

// dial opens a session of a random owner.
func (p *pair) dial() *twin {
	b := p.bots[p.rng.IntN(len(p.bots))]
	inR, inW := net.Pipe()
	outR, outW := io.Pipe()
	s := &twin{p: p, in: inW, out: bufio.NewScanner(outR), ended: make(chan struct{})}
	s.model = &session{b: b, life: b.life, r: p.model, open: true, there: true}
	go func() {
		defer close(s.ended)
		if err := host.Serve(context.Background(), p.dir, inR, outW); err != nil {
			p.t.Errorf("Serve() = %v", err)
		}
		inR.Close()
		outW.Close()
	}()
	s.hello()
	return s
}

func (s *twin) hangUp() {
	s.in.Close()
	<-s.ended
	s.model.leave()
}

// hello tells the host how long readers may stay, and the model nothing: its clock is moved.
func (s *twin) hello() { s.real(host.Request{Do: host.Hello, Drain: s.p.drain}) }

// real asks the host. blob is the request's Blob.
func (s *twin) real(req host.Request, blob ...byte) host.Response {
	s.p.t.Helper()
	s.n++
	req.N, req.Blob = s.n, int64(len(blob))
	b, err := json.Marshal(req)
	s.p.must(err)
	_, err = s.in.Write(slices.Concat(b, []byte("\n"), blob))
	s.p.must(err)
	var resp host.Response
	for busy := true; busy; busy = resp.Busy {
		if !s.out.Scan() {
			s.p.t.Fatalf("no answer to %s", b)
		}
		resp = host.Response{}
		s.p.must(json.Unmarshal(s.out.Bytes(), &resp))
	}
	return resp
}

// waits sets how long the readers of the side that was left stay.
func (p *pair) waits(d time.Duration) {
	p.drain = d
	for _, s := range p.sessions {
		s.hello()
	}
}

func (p *pair) tell(format string, args ...any) {
	p.story = append(p.story, fmt.Sprintf(format, args...))
}

// step has one thing happen to both.
func (p *pair) step(asked map[host.Verb]map[host.Code]int) {
	i := p.rng.IntN(len(p.sessions))
	s := p.sessions[i]
	if h := p.model.holder; h != nil && p.rng.IntN(4) > 0 { // as a rule it is who holds the lock
		for _, o := range p.sessions {
			if o.model == h {
				s = o
			}
		}
	}
	side := []deploy.Side{deploy.Yin, deploy.Yang}[p.rng.IntN(2)]
	if p.rng.IntN(4) > 0 {
		side = p.model.link.Other()
	}
	id := ids[p.rng.IntN(len(ids))]
	req := host.Request{Epoch: s.epoch, Side: side}
	if p.rng.IntN(12) == 0 && s.epoch > 0 {
		req.Epoch--
	}
	if req.Epoch == 0 {
		req.Epoch = 1
	}
	what := p.rng.IntN(16)
	if p.model.holder == nil && p.rng.IntN(2) == 0 {
		what = 0
	}
	switch what {
	case 0:
		req.Do, req.Side, req.Prove = host.Lock, "", p.rng.IntN(2) == 0
		if p.rng.IntN(3) == 0 {
			p.epoch++
		}
		req.Epoch = p.epoch - uint64(p.rng.IntN(8)/6)
	case 1:
		req.Do, req.Side = host.Unlock, ""
	case 2, 3, 4, 5:
		req.Do = host.Prepare
	case 6, 7:
		p.fill(side, id, p.rng.IntN(4) == 0)
		return
	case 8, 9:
		req.Do = host.Seal
		if holds := p.model.sides[index(side)].holds(); holds != "" && p.rng.IntN(4) > 0 {
			id = holds
		}
	case 10, 11, 12:
		req.Do, req.From = host.Flip, side.Other()
		if p.model.link == "" && p.rng.IntN(4) > 0 {
			req.From = ""
		}
		if seal := p.model.sides[index(side)].seal; seal.Release != "" && p.rng.IntN(4) > 0 {
			id = seal.Release
		}
	case 13:
		p.tell("the last readers go")
		p.model.w.now += 2 * drain
		p.waits(time.Nanosecond)
		return
	case 14:
		if p.rng.IntN(3) > 0 {
			p.hand(side)
			return
		}
		p.tell("session %d hangs up", i)
		p.sessions[i].hangUp()
		p.sessions[i] = p.dial()
		return
	case 15:
		req.Do, req.Side, req.Epoch = host.Status, "", 0
	}
	p.ask(s, req, id, asked)
}

// ask asks both, and compares what they say.
func (p *pair) ask(s *twin, req host.Request, id string, asked map[host.Verb]map[host.Code]int) {
	p.t.Helper()
	p.tell("session of %s: %s in epoch %d, side %q from %q, release %s, prove %v", s.model.owner(), req.Do, req.Epoch, req.Side, req.From, id, req.Prove)
	real, modelled := req, req
	var blob []byte
	switch req.Do {
	case host.Prepare, host.Seal, host.Flip:
		real.Seal = deploy.Seal{Release: id, Digest: p.trees[id].Digest()}
		modelled.Seal = sealOf(id, 0)
	case host.Lock:
		real.Owner = fmt.Sprintf("%x", s.model.b.n)
	}
	if req.Do == host.Seal {
		blob = p.trees[id].Pack(nil)
	}
	live := p.model.link
	want := p.model.serve(s.model, modelled)
	got := s.real(real, blob...)
	if got.Code != want.Code || got.Ready != want.Ready {
		p.t.Errorf("%s: the host says %q %s, ready %v; the model %q, ready %v", req.Do, got.Code, got.Err, got.Ready, want.Code, want.Ready)
	}
	if p.model.link != live { // from now on there are readers again
		p.waits(time.Hour)
		got.Standing = s.real(host.Request{Do: host.Status}).Standing
	}
	p.compare(got.Standing, want.Standing)
	if asked[req.Do] == nil {
		asked[req.Do] = map[host.Code]int{}
	}
	asked[req.Do][want.Code]++
	if req.Do == host.Lock && want.Code == "" {
		s.epoch = req.Epoch
	}
}

func (p *pair) compare(got, want deploy.Standing) {
	p.t.Helper()
	if got.Live != want.Live || got.Epoch != want.Epoch || (got.Drain > 0) != (want.Drain > 0) {
		p.t.Errorf("the host stands at %+v, the model at %+v", got, want)
	}
	for _, side := range []deploy.Side{deploy.Yin, deploy.Yang} {
		g, w := got.Sides[side], want.Sides[side]
		if g.Release != w.Release || g.Epoch != w.Epoch || g.Release != "" && g.Digest != p.trees[g.Release].Digest() {
			p.t.Errorf("%s of the host is sealed with %+v, that of the model with %+v", side, g, w)
		}
	}
}

// fill fills a side that is dirty, as rsync would, with all of a release or half of it.
func (p *pair) fill(side deploy.Side, id string, half bool) {
	d := &p.model.sides[index(side)]
	if side == p.model.link || !d.there || d.seal.Release != "" {
		return
	}
	p.tell("%s is filled with %s, half %v", side, id, half)
	for i := range files {
		if half && i > 0 {
			return
		}
		p.put(filepath.Join(p.dir, string(side)), i, id)
		d.files[i] = id
	}
	d.edited = false
}

// hand is a hand at the root: it edits a side, or moves the link.
func (p *pair) hand(side deploy.Side) {
	d := &p.model.sides[index(side)]
	if !d.there {
		return
	}
	if p.model.link == side.Other() && p.rng.IntN(2) == 0 {
		p.tell("a hand moves the link to %s", side)
		next := filepath.Join(p.dir, "next")
		p.must(os.Symlink(string(side), next))
		// The kernel's clock for files has steps of some ms: within one, this link would be taken for the last flip's.
		now := unix.NsecToTimespec(time.Now().UnixNano())
		p.must(unix.UtimesNanoAt(unix.AT_FDCWD, next, []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW))
		p.must(os.Rename(next, filepath.Join(p.dir, "current")))
		p.model.link, p.model.left, p.model.meddled = side, p.model.w.now, true
		p.waits(time.Hour)
		return
	}
	p.tell("a hand edits %s", side)
	p.put(filepath.Join(p.dir, string(side)), 1, "edited")
	d.files[1], d.edited = "edited", true
}

func (p *pair) end() {
	for _, s := range p.sessions {
		s.hangUp()
	}
}
