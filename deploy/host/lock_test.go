package host

import (
	"os/exec"
	"testing"

	"pushtrain/deploy"
)

func TestLockIsOfOneSession(t *testing.T) {
	root := t.TempDir()
	one := newTree(t, "1", map[string]string{"a": "1"})
	a, b := dial(t, root), dial(t, root)
	a.epoch, b.epoch = 4, 5
	for _, req := range []Request{prepare(deploy.Yin, one), seal(deploy.Yin, one), flip("", deploy.Yin, one)} {
		a.refused(req, NotLock, "without the lock")
	}
	if st := a.must(Request{Do: Lock, Stack: "web", By: "ali\x1bce"}).Standing; st.Epoch != 4 {
		t.Errorf("standing = %+v", st)
	}
	b.refused(Request{Do: Lock}, Locked, "locked for rollout 4 of web by ali ce since 2")
	b.must(Request{Do: Status})
	a.must(Request{Do: Lock, Epoch: 6, Stack: "web", By: "bob"}) // the same session goes on under a higher epoch
	a.refused(prepare(deploy.Yin, one), Stale, "epoch 4 is over: the host has accepted 6")
	a.refused(Request{Do: Prepare, Epoch: 7, Side: deploy.Yin, Seal: one.seal}, NotLock, "held for epoch 6, not 7")
	a.refused(Request{Do: Lock, Epoch: 4}, Stale, "accepted 6")
	a.epoch = 6
	a.must(Request{Do: Unlock})
	b.refused(Request{Do: Lock}, Stale, "epoch 5 is over")
	b.epoch = 6
	b.must(Request{Do: Lock})
	a.refused(Request{Do: Lock}, Locked, "for rollout 6")
	b.hangUp()
	a.must(Request{Do: Lock})
	a.refused(Request{Do: Lock, Epoch: 1}, Stale, "accepted 6")
}

// Two who count alike must not both act under one number.
func TestEpochHasOneOwner(t *testing.T) {
	root := t.TempDir()
	put(t, root, map[string]string{state + "/epoch": "00000000000000000004\n"}) // of a host that kept no owner
	a, b := dial(t, root), dial(t, root)
	a.epoch, b.epoch = 4, 4
	a.refused(Request{Do: Lock, Owner: "a1"}, Stale, "epoch 4 was used by another pushtrain")
	a.must(Request{Do: Lock})
	a.refused(Request{Do: Lock, Epoch: 5, Owner: "A man"}, Bad, "not up to 16 hex digits")
	a.refused(Request{Do: Lock, Epoch: 5, Owner: "0123456789abcdef0"}, Bad, "not up to 16 hex digits")
	a.epoch, b.epoch = 5, 5
	a.must(Request{Do: Lock, Owner: "0123456789abcdef"})
	b.refused(Request{Do: Lock, Owner: "b2"}, Stale, "another pushtrain") // sooner than that it is locked: waiting is no help
	a.must(Request{Do: Lock, Owner: "0123456789abcdef"})
	a.hangUp()
	if resp := b.refused(Request{Do: Lock, Owner: "b2"}, Stale, "another pushtrain"); resp.Standing.Epoch != 5 {
		t.Errorf("standing = %+v", resp.Standing)
	}
	b.refused(Request{Do: Lock}, Stale, "another pushtrain")
	b.must(Request{Do: Lock, Epoch: 6, Owner: "b2"})
	c := dial(t, root)
	c.epoch = 5
	c.refused(Request{Do: Lock, Owner: "0123456789abcdef"}, Stale, "epoch 5 is over")
}

func TestLockNeedsAnEpoch(t *testing.T) {
	p := dial(t, t.TempDir())
	p.n++
	if resp := p.say([]byte(`{"N":1,"Do":"lock"}`)); resp.Code != Bad {
		t.Errorf("lock without an epoch: %+v", resp)
	}
}

func TestEpochThatIsDamaged(t *testing.T) {
	root := t.TempDir()
	put(t, root, map[string]string{state + "/epoch": "x"})
	p := dial(t, root)
	p.refused(Request{Do: Status}, Broken, "epoch is damaged")
	p.refused(Request{Do: Lock}, Broken, "epoch is damaged")
}

// A session that is refused the lock for what stands there must not hold it.
func TestLockIsNotKeptWhenRefused(t *testing.T) {
	root := t.TempDir()
	put(t, root, map[string]string{"current/index": "old"})
	a, b := dial(t, root), dial(t, root)
	says := "mv " + root + "/current " + root + "/yin && ln -s yin " + root + "/current"
	a.refused(Request{Do: Lock}, Plain, says)
	if resp := a.refused(Request{Do: Hello}, Plain, says); resp.Version != Version {
		t.Errorf("hello = %+v", resp)
	}
	if b, err := exec.Command("sh", "-c", says).CombinedOutput(); err != nil {
		t.Fatalf("the advice does not work: %v: %s", err, b)
	}
	if st := b.must(Request{Do: Lock}).Standing; st.Live != deploy.Yin {
		t.Errorf("standing = %+v", st)
	}
}
