package fleet_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
)

// TestFollow follows a log on a host and on this machine, and a command; a host that
// is away is named once, and followed again from where it left off.
func TestFollow(t *testing.T) {
	t.Parallel()
	h := fleettest.Start(t, 1)
	log := filepath.Join(h.Srv("host-1"), "error.log")
	stage := hosts("host-1")
	stage.WatchFiles = []string{"/srv/error.log"}
	stage.WatchCommand = []string{"sh", "-c", "echo one by command; exec sleep 1000"}
	r := newRig(t, "/srv/web", h.Config, stage)

	ctx, stop := context.WithCancel(t.Context())
	lines := make(chan fleet.Line, 1000)
	var followed sync.WaitGroup
	followed.Go(func() { r.fleet.Follow(ctx, target, func(l fleet.Line) { lines <- l }) })
	await := func(host, text string, more func()) {
		t.Helper()
		end, again := time.After(time.Minute), time.NewTicker(time.Second)
		defer again.Stop()
		for {
			select {
			case l := <-lines:
				if l.Host == host && strings.Contains(l.Text, text) {
					return
				}
			case <-again.C:
				more()
			case <-end:
				t.Fatalf("%q of %q did not come", text, host)
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
	await("host-1", "one", func() { add("one\n") }) // what came before the first look is not followed
	h.Stop("host-1")
	add("two\n")
	h.Start("host-1")
	await("host-1", "two", func() {})
	stop()
	followed.Wait()
}
