package fleet_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
)

// TestFollow follows a log on a host, a command there and one on this machine; a host that
// is away is named once, and followed again: its log from where it left off.
func TestFollow(t *testing.T) {
	t.Parallel()
	h := fleettest.Start(t, 1)
	log := filepath.Join(h.Srv("host-1"), "error.log")
	if err := os.Mkdir(filepath.Join(h.Srv("host-1"), "web"), 0o755); err != nil {
		t.Fatal(err)
	}
	stage := hosts("host-1")
	stage.WatchFiles = []string{"/srv/error.log"}
	stage.WatchHostCommand = []string{"sh", "-c", "echo $0 there; exec sleep 1000", "command"}
	stage.WatchCommand = []string{"sh", "-c", "echo one by command; exec sleep 1000"}
	r := newRig(t, "/srv/web", h.Config, stage)

	ctx, stop := context.WithCancel(t.Context())
	lines := make(chan fleet.Line, 1000)
	var followed sync.WaitGroup
	followed.Go(func() {
		r.fleet.Follow(ctx, target, func(l fleet.Line) {
			select {
			case lines <- l:
			case <-ctx.Done():
			}
		})
	})
	var seen []fleet.Line // and not awaited yet
	await := func(host, text string, more func()) {
		t.Helper()
		end, again := time.After(time.Minute), time.NewTicker(time.Second)
		defer again.Stop()
		for {
			if i := slices.IndexFunc(seen, func(l fleet.Line) bool { return l.Host == host && strings.Contains(l.Text, text) }); i >= 0 {
				seen = slices.Delete(seen, i, i+1)
				return
			}
			select {
			case l := <-lines:
				seen = append(seen, l)
			case <-again.C:
				more()
			case <-end:
				t.Fatalf("%q of %q did not come: %+v", text, host, seen)
			}
		}
	}
	add := func(text string) {
		t.Helper()
		f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	await("", "one by command", func() {})
	await("host-1", "command there", func() {})
	await("host-1", "one", func() { add("one\n") }) // what came before the first look is not followed
	h.Stop("host-1")
	add("two\n")
	h.Start("host-1")
	await("host-1", "two", func() {})
	await("host-1", "command there", func() {})
	add(strings.Repeat("flood\n", 1<<20)) // more than one reads at once
	for end := time.After(time.Minute); ; {
		select {
		case l := <-lines:
			if l.Lost == 0 {
				continue
			}
		case <-end:
			t.Fatal("nobody says that something was passed over")
		}
		break
	}
	stop()
	followed.Wait()
}
