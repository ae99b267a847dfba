package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

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
	// A side that somebody removed is not sealed any more.
	if err := os.RemoveAll(filepath.Join(root, "yin")); err != nil {
		t.Fatal(err)
	}
	p.refused(flip(deploy.Yang, deploy.Yin, one), Unsealed, "")
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
