package fleet_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet/fleettest"
)

// TestVanished stops the ssh of a bot that stands at its barrier: to the host it
// is a machine that has lost its power. Its lock is free within 20 seconds, and
// when it is back it moves nothing any more.
func TestVanished(t *testing.T) {
	t.Parallel()
	h := fleettest.Start(t, 1)
	one := newRig(t, "/srv/web", h.Config, hosts("host-1"))
	two := newRig(t, "/srv/web", h.Config, hosts("host-1"))
	one.repo.commit("release 1", 0)
	two.repo.commit("release 2", 0)
	e := one.run(0, one.start(), func() {
		for _, pid := range clients(t, h.Config) {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		for {
			e := two.run(0, two.start(), nil)
			if e.Outcome == deploy.Done {
				break
			}
			if !strings.Contains(e.Reason, "is locked for rollout 1 of web by alice") || time.Since(began) > 25*time.Second {
				t.Fatalf("after %s: %s %s", time.Since(began), e.Outcome, e.Reason)
			}
		}
		t.Logf("the host shipped for another bot after %s", time.Since(began).Round(100*time.Millisecond))
	})
	if e.Outcome == deploy.Done {
		t.Error("the bot that came back has shipped")
	}
	t.Log(e.Reason)
	serves(t, filepath.Join(h.Srv("host-1"), "web"), "release 2")
}

// A bot whose machine was reset behind COMMIT, and is back before the hosts have found its sessions
// silent, waits for their locks, and goes on.
func TestBackBeforeSilence(t *testing.T) {
	t.Parallel()
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	r.repo.commit("release 1", 0)
	r.ship(deploy.Done, "")
	r.repo.commit("release 2", 0)
	r.crashes()
	for _, pid := range clients(t, h.Config) {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	}
	r.goesOn(h, "release 2")
}

// clients returns the ssh processes of this one that go by config.
func clients(t *testing.T, config string) []int {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range list {
		argv, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(argv), "ssh\x00-F\x00"+config+"\x00") {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2]) // the pattern has digits only
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		t.Fatal("there is no ssh to stop")
	}
	return pids
}
