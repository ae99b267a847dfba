package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushtrain/deploy"
)

// both is a root with yin live and both sides sealed, and a session that holds the lock.
func both(t *testing.T) (root string, p *peer, one, two tree) {
	t.Helper()
	need(t, "rsync")
	root = fast(t)
	one = newTree(t, "1", map[string]string{"index": "1", "lib/a": "1"})
	two = newTree(t, "2", map[string]string{"index": "2", "lib/a": "2"})
	p = dial(t, root)
	p.must(Request{Do: Hello})
	p.must(Request{Do: Lock})
	p.ship(root, "", deploy.Yin, one)
	p.must(prepare(deploy.Yang, two))
	fill(t, root, deploy.Yang, two)
	p.must(seal(deploy.Yang, two))
	return root, p, one, two
}

func TestFlipIsCompareAndSwap(t *testing.T) {
	root, p, one, two := both(t)
	p.refused(flip("", deploy.Yang, two), Moved, "is on yin, not on nothing")
	p.refused(flip(deploy.Yin, deploy.Yang, one), Unsealed, "yang is not sealed with release 1")
	same := two
	same.seal.Digest = one.seal.Digest
	p.refused(flip(deploy.Yin, deploy.Yang, same), Unsealed, "yang is not sealed with release 2")
	if to := link(t, root); to != "yin" {
		t.Errorf("after refusals: current -> %s", to)
	}
	// What a session that died left in the way is no matter.
	if err := os.Symlink("/nowhere", filepath.Join(root, next)); err != nil {
		t.Fatal(err)
	}
	p.must(flip(deploy.Yin, deploy.Yang, two))
	p.refused(flip(deploy.Yang, deploy.Yin, two), Unsealed, "yin is not sealed with release 2")
	if _, err := os.Lstat(filepath.Join(root, next)); !errors.Is(err, fs.ErrNotExist) || link(t, root) != "yang" {
		t.Errorf("after the flip: current -> %s, %v", link(t, root), err)
	}
	// Where a hand was in what is served, it is flipped back to as it is; never forward, and never for what is sealed.
	none := tree{}
	p.refused(flip("", deploy.Yin, none), Bad, "of no release")
	p.refused(flip(deploy.Yang, deploy.Yin, none), Unsealed, "yin is not sealed with release ")
	if err := os.Remove(filepath.Join(root, state, sealName(deploy.Yin))); err != nil {
		t.Fatal(err)
	}
	p.refused(flip(deploy.Yang, deploy.Yin, one), Unsealed, "yin is not sealed with release 1")
	p.must(flip(deploy.Yang, deploy.Yin, none))
	if to := link(t, root); to != "yin" {
		t.Errorf("back: current -> %s", to)
	}
	p.must(flip(deploy.Yin, deploy.Yang, two))
	// A side that somebody removed is not sealed any more.
	if err := os.RemoveAll(filepath.Join(root, "yin")); err != nil {
		t.Fatal(err)
	}
	p.refused(flip(deploy.Yang, deploy.Yin, one), Unsealed, "")
	p.refused(flip(deploy.Yang, deploy.Yin, none), Unsealed, "yin does not exist")
}

// All is ready when the moment of a flip comes, and the link moves then; not if
// somebody else has moved it meanwhile.
func TestFlipAtItsMoment(t *testing.T) {
	root, p, one, two := both(t)
	at := func(in time.Duration, from, to deploy.Side, tr tree) Request {
		req := flip(from, to, tr)
		req.In = in
		return req
	}
	p.refused(at(-1, deploy.Yin, deploy.Yang, two), Bad, "flip in -1ns")
	p.refused(at(flipAhead+1, deploy.Yin, deploy.Yang, two), Bad, "flip in 1.000000001s")
	const soon = 40 * time.Millisecond
	began := time.Now()
	p.must(at(soon, deploy.Yin, deploy.Yang, two))
	if took := time.Since(began); took < soon || link(t, root) != "yang" {
		t.Errorf("after %v it is on %s", took, link(t, root))
	}
	onTheWay := at(flipAhead, deploy.Yang, deploy.Yin, one) // for most of that
	onTheWay.Clock = p.must(Request{Do: Status}).Told + soon
	began = time.Now()
	p.must(onTheWay)
	if took := time.Since(began); took > flipAhead/2 {
		t.Errorf("a request that was on its way for long is carried out after %v more", took)
	}
	p.must(at(0, deploy.Yin, deploy.Yang, two))
	moved := make(chan error, 1)
	go func() {
		for began := time.Now(); time.Since(began) < flipAhead; { // till it is about to flip
			if _, err := os.Lstat(filepath.Join(root, next)); err == nil {
				moved <- errors.Join(os.Remove(filepath.Join(root, current)), os.Symlink("yin", filepath.Join(root, current)))
				return
			}
		}
		moved <- errors.New("it never was about to flip")
	}()
	p.refused(at(flipAhead, deploy.Yang, deploy.Yin, one), Moved, "current is on yin, not on yang")
	if err := <-moved; err != nil {
		t.Error(err)
	}
}

func TestLinkThatSomebodyMoved(t *testing.T) {
	for target, want := range map[string]struct {
		code Code
		live deploy.Side
	}{
		"yang": {live: deploy.Yang}, "./yin/": {live: deploy.Yin}, "ROOT/yang": {live: deploy.Yang},
		"../elsewhere": {code: Moved}, "/srv/yin": {code: Moved}, "yin/sub": {code: Moved}, "current": {code: Moved},
	} {
		root, p, _, two := both(t)
		if target == "ROOT/yang" {
			target = root + "/yang"
		}
		if err := errors.Join(os.Remove(filepath.Join(root, current)), os.Symlink(target, filepath.Join(root, current))); err != nil {
			t.Fatal(err)
		}
		if resp := p.ask(Request{Do: Status}); resp.Code != want.code || resp.Standing.Live != want.live {
			t.Errorf("current -> %s: %+v", target, resp)
		}
		if want.code != "" {
			p.refused(flip(deploy.Yin, deploy.Yang, two), Moved, "points to "+target)
			if link(t, root) != target {
				t.Errorf("current -> %s was moved", target)
			}
		}
		p.hangUp()
	}
}

func TestCurrentThatIsAFile(t *testing.T) {
	root := t.TempDir()
	put(t, root, map[string]string{current: ""})
	dial(t, root).refused(Request{Do: Status}, Plain, "is not a link: move it out of the way")
}

// Whoever opens a path through the link finds it, at every instant, and one
// release behind a link that they resolved once.
func TestReadersNeverMiss(t *testing.T) {
	root, p, one, two := both(t)
	const flips = 1000
	var stop atomic.Bool
	var readers sync.WaitGroup
	var reads atomic.Int64
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				if _, err := os.ReadFile(filepath.Join(root, current, "lib/a")); err != nil {
					t.Errorf("after %d reads: %v", reads.Load(), err)
					return
				}
				pinned, err := os.OpenRoot(filepath.Join(root, current))
				if err != nil {
					t.Errorf("after %d reads: %v", reads.Load(), err)
					return
				}
				index, err1 := pinned.ReadFile("index")
				lib, err2 := pinned.ReadFile("lib/a")
				pinned.Close()
				if err := errors.Join(err1, err2); err != nil || string(index) != string(lib) {
					t.Errorf("a reader saw %q and %q: %v", index, lib, err)
					return
				}
				reads.Add(1)
			}
		})
	}
	for range flips / 2 {
		p.must(flip(deploy.Yin, deploy.Yang, two))
		p.must(flip(deploy.Yang, deploy.Yin, one))
	}
	stop.Store(true)
	readers.Wait()
	if n := reads.Load(); n < 100 {
		t.Errorf("only %d reads during %d flips", n, flips)
	}
}
