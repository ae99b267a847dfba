package fleet

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy/host"
)

// TestIdle: an unlocked session that nobody uses ends after half an hour; a locked one stays.
func TestIdle(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: root})
		if err != nil {
			t.Fatal(err)
		}
		l.open = t.Context()
		defer l.close()
		there := func() bool {
			synctest.Wait()
			l.turn <- struct{}{}
			defer func() { <-l.turn }()
			return l.s != nil
		}
		status := func() {
			t.Helper()
			if _, err := l.ask(t.Context(), noLock, host.Request{Do: host.Status}); err != nil {
				t.Fatal(err)
			}
		}
		status()
		time.Sleep(idleTime - time.Second)
		status()
		time.Sleep(idleTime - time.Second)
		if !there() {
			t.Error("the session ended while it was in use")
		}
		time.Sleep(2 * time.Second)
		if there() {
			t.Error("the session stays for ever")
		}
		if _, _, err := l.fence(t.Context(), lock{epoch: 3, by: "alice"}, t.Logf); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * idleTime)
		if !there() {
			t.Error("the session ended, and the lock with it")
		}
		if err := l.unlock(t.Context(), 3, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(idleTime + time.Second)
		if there() {
			t.Error("the unlocked session stays for ever")
		}
	})
}

// TestBeat: a lock is kept by nothing but the beat, and it is lost with it.
func TestBeat(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		way := func() *link {
			l, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: root})
			if err != nil {
				t.Fatal(err)
			}
			l.open = t.Context()
			return l
		}
		a, b := way(), way()
		defer a.close()
		defer b.close()
		if _, _, err := a.fence(t.Context(), lock{epoch: 1, by: "alice"}, t.Logf); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		var no *refusal
		if _, _, err := b.fence(t.Context(), lock{epoch: 2}, t.Logf); !errors.As(err, &no) || no.Code != host.Locked {
			t.Errorf("the lock of a link that is heard: %v", err)
		}
		if err := a.take(t.Context()); err != nil { // a bot that hangs
			t.Fatal(err)
		}
		began := time.Now()
		for {
			_, _, err := b.fence(t.Context(), lock{epoch: 2}, t.Logf)
			if err == nil {
				break
			}
			if !errors.As(err, &no) || no.Code != host.Locked || time.Since(began) > 20*time.Second {
				t.Fatalf("after %s: %v", time.Since(began), err)
			}
		}
		if took := time.Since(began); took < host.Silence-beatEvery {
			t.Errorf("the lock was lost after %s", took)
		}
		a.give()
		if _, err := a.ask(t.Context(), lock{epoch: 1}, host.Request{Do: host.Status}); !errors.As(err, &no) || no.Code != host.Stale {
			t.Errorf("the bot that hung goes on: %v", err)
		}
	})
}

// TestStale: a host that has accepted a higher epoch refuses a lower one, and
// says so at the fence without giving its lock.
func TestStale(t *testing.T) {
	root := t.TempDir()
	way := func() *link {
		l, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: root})
		if err != nil {
			t.Fatal(err)
		}
		l.open = t.Context()
		t.Cleanup(l.close)
		return l
	}
	newer, older := way(), way()
	newer.owner = "a1"
	if _, _, err := newer.fence(t.Context(), lock{epoch: 7}, t.Logf); err != nil {
		t.Fatal(err)
	}
	if err := newer.unlock(t.Context(), 7, ""); err != nil {
		t.Fatal(err)
	}
	standing, taken, err := older.fence(t.Context(), lock{epoch: 6}, t.Logf)
	if err != nil || standing.Epoch != 7 || older.epoch != 0 || !taken {
		t.Errorf("fence = %+v, taken %v, %v, holds epoch %d", standing, taken, err, older.epoch)
	}
	var no *refusal
	if _, err := older.ask(t.Context(), lock{epoch: 6}, host.Request{Do: host.Status}); !errors.As(err, &no) || no.Code != host.Stale {
		t.Errorf("a lower epoch is answered with %v", err)
	}
	if _, _, err := newer.fence(t.Context(), lock{epoch: 8}, t.Logf); err != nil {
		t.Errorf("fence of the next rollout over the same session: %v", err)
	}
	if err := newer.unlock(t.Context(), 8, ""); err != nil {
		t.Fatal(err)
	}
	standing, taken, err = older.fence(t.Context(), lock{epoch: 8}, t.Logf) // another pushtrain counts alike
	if err != nil || standing.Epoch != 8 || older.epoch != 0 || !taken {
		t.Errorf("fence of an epoch that another has used = %+v, taken %v, %v, holds epoch %d", standing, taken, err, older.epoch)
	}
	if _, taken, err := newer.fence(t.Context(), lock{epoch: 8}, t.Logf); err != nil || taken {
		t.Errorf("fence of one's own epoch: taken %v, %v", taken, err)
	}
}

// TestOwnLock: the lock of a session of ours that was lost, and whose end the host has not seen, is
// waited for; another's is not.
func TestOwnLock(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ours, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: root})
		if err != nil {
			t.Fatal(err)
		}
		other, err := Host{Name: "a", Local: true}.link(Stack{Name: "web", Root: root})
		if err != nil {
			t.Fatal(err)
		}
		for name, l := range map[string]*link{"aa": ours, "bb": other} {
			l.open, l.owner = t.Context(), name
			defer l.close()
		}
		lk := lock{epoch: 1, by: "alice"}
		if _, err := ours.ask(t.Context(), lk, host.Request{Do: host.Status}); err != nil {
			t.Fatal(err)
		}
		ours.turn <- struct{}{}
		ours.drop()
		<-ours.turn
		lost, err := os.Open(filepath.Join(root, ".pushtrain", "lock")) // as the session that hangs there has it
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Flock(int(lost.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(host.Silence, func() { lost.Close() })
		began := time.Now()
		var no *refusal
		if _, err := other.ask(t.Context(), lock{epoch: 2}, host.Request{Do: host.Status}); !errors.As(err, &no) || no.Code != host.Locked {
			t.Errorf("another's lock: %v", err)
		}
		if took := time.Since(began); took > 2*lockPatience {
			t.Errorf("another's lock is waited for, for %v", took)
		}
		if _, err := ours.ask(t.Context(), lk, host.Request{Do: host.Status}); err != nil {
			t.Errorf("our own, after %v: %v", time.Since(began), err)
		}
	})
}
