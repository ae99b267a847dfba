package fleet_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet/fleettest"
	"pushtrain/deploy/host"
)

// hostile is the file beside a root that says how the helper there behaves.
const hostile = "hostile"

// misbehave serves root as kind says, and does not return when kind is not "".
func misbehave(kind, root string) {
	switch kind {
	case "":
		return
	case "endless line":
		for block := bytes.Repeat([]byte("x"), 1<<20); ; {
			if _, err := os.Stdout.Write(block); err != nil {
				os.Exit(1)
			}
		}
	case "stderr":
		go func() {
			for line := strings.Repeat("y", 1023) + "\n"; ; {
				if _, err := io.WriteString(os.Stderr, line); err != nil {
					return
				}
			}
		}()
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	in, out := net.Pipe()
	said, say := io.Pipe()
	go func() {
		_ = host.Serve(context.Background(), root, in, say)
		os.Exit(0)
	}()
	answers := bufio.NewReader(said)
	for lines := bufio.NewReader(os.Stdin); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			os.Exit(0)
		}
		var req host.Request
		if err := json.Unmarshal(line, &req); err != nil {
			os.Exit(1)
		}
		switch {
		case kind == "busy" && req.Do == host.Fill:
			for {
				if _, err := fmt.Fprintf(os.Stdout, `{"N":%d,"Busy":true}`+"\n", req.N); err != nil {
					os.Exit(1)
				}
			}
		case kind == "half" && req.Do == host.Files:
			os.Exit(0)
		}
		if (kind == "liar" || kind == "forgetful") && (req.Do == host.Seal || req.Do == host.Flip) {
			line = fmt.Appendf(nil, `{"N":%d,"Do":"status"}`+"\n", req.N) // it does nothing
		}
		if _, err := out.Write(line); err != nil {
			os.Exit(1)
		}
		if _, err := io.CopyN(out, lines, req.Blob); err != nil {
			os.Exit(1)
		}
		var resp host.Response
		for busy := true; busy; busy = resp.Busy {
			answer, err := answers.ReadBytes('\n')
			if resp = (host.Response{}); err != nil || json.Unmarshal(answer, &resp) != nil {
				os.Exit(1)
			}
		}
		twist(kind, req, &resp)
		b, err := json.Marshal(resp)
		if err != nil {
			os.Exit(1)
		}
		if _, err := os.Stdout.Write(append(b, '\n')); err != nil {
			os.Exit(1)
		}
	}
}

// claimed is what a liar says that it serves.
var claimed *deploy.Standing

// codes are what no line of ours may hold.
const codes = "\x1b]0;owned\x07\x1b[31m\x02\x0304,05\u009b31m\u202e\r\n"

// twist makes of an honest answer that of a hostile host.
func twist(kind string, req host.Request, resp *host.Response) {
	switch kind {
	case "greedy":
		if req.Do == host.Fill {
			resp.Want = bytes.Repeat([]byte{0xff}, 700_000)
		}
	case "numbers":
		resp.N++
	case "codes":
		if req.Do == host.Prepare || req.Do == host.Seal {
			resp.Err, resp.Code = codes+"no"+strings.Repeat("!", 100_000), host.Broken
			for range 5000 {
				resp.Diff = append(resp.Diff, codes+"differs")
			}
		}
	case "huge":
		resp.Standing.Sides = map[deploy.Side]deploy.Seal{}
		for i := range 8000 {
			resp.Standing.Sides[deploy.Side(fmt.Sprint(i))] = deploy.Seal{Release: codes}
		}
		resp.Standing.Drain, resp.Standing.Epoch = math.MaxInt64, math.MaxUint64
	case "liar", "forgetful":
		switch {
		case req.Do == host.Seal:
			resp.Standing.Sides[req.Side] = req.Seal
		case req.Do == host.Flip:
			resp.Standing.Live = req.Side
			resp.Standing.Sides[req.Side] = req.Seal
			s := resp.Standing
			claimed = &s
		case claimed != nil && kind == "liar":
			resp.Standing = *claimed
		}
	}
}

// TestHostile ships to a good host and one whose helper is in foreign hands: the
// outcome is a plain one, the good host serves what it should, and the bot's
// memory does not grow by what is said to it.
func TestHostile(t *testing.T) {
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	r.drain = time.Millisecond
	r.fleet = r.open(t.TempDir(), "/srv/web", h.Config)
	r.repo.commit("release 1", 0)
	r.ship(deploy.Done, "")
	r.repo.commit("release 2", 0)
	behave := func(kind string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(h.Srv("host-2"), hostile), []byte(kind), 0o644); err != nil {
			t.Fatal(err)
		}
		h.Cut("host-2")
	}
	for _, c := range []struct {
		kind string
		want deploy.State
		why  string
	}{
		{"endless line", deploy.Aborted, "host host-2, fence: it answered with more than 1048576 bytes"},
		{"stderr", deploy.Aborted, "host host-2, fence: it said more than 1048576 bytes on stderr"},
		{"numbers", deploy.Aborted, "host host-2, fence: it answered request 2 when 1 was asked"},
		{"codes", deploy.Aborted, "host host-2, prepare: "},
		{"huge", deploy.Aborted, "host host-2, fence: it says that it has accepted epoch 18446744073709551615"},
		{"forgetful", deploy.RolledBack, "host host-2, confirm: "},
	} {
		t.Run(c.kind, func(t *testing.T) {
			behave(c.kind)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			e := r.ship(c.want, c.why)
			runtime.ReadMemStats(&after)
			t.Logf("%s after %s, %d KiB more, %d KiB allocated in all: %s", e.Outcome, time.Since(began).Round(time.Millisecond), int64(after.Sys-before.Sys)>>10, (after.TotalAlloc-before.TotalAlloc)>>10, e.Reason)
			// Sys never shrinks: it is the most that there was.
			if grown := int64(after.Sys - before.Sys); grown > 16<<20 {
				t.Errorf("it took %d MiB", grown>>20)
			}
			for _, line := range append(e.Tail, e.Reason) {
				if len(line) > 1100 || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("it said %.200q", line)
				}
			}
			if len(e.Tail) > 5 {
				t.Errorf("%d lines of tail", len(e.Tail))
			}
			if r.book.Last > 100 {
				t.Fatalf("the next rollout would be number %d", r.book.Last)
			}
			serves(t, filepath.Join(h.Srv("host-1"), "web"), "release 1")
			serves(t, filepath.Join(h.Srv("host-2"), "web"), "release 1")
		})
	}
	behave("")
	r.ship(deploy.Done, "")
	for _, name := range h.Names {
		serves(t, filepath.Join(h.Srv(name), "web"), "release 2")
	}
}

// TestHostileFill ships beside a host that does not let itself be filled as it
// says: that costs little, and rsync gets the release there.
func TestHostileFill(t *testing.T) {
	h := fleettest.Start(t, 2)
	r := newRig(t, "/srv/web", h.Config, hosts(h.Names...))
	r.drain = time.Millisecond
	r.fleet = r.open(t.TempDir(), "/srv/web", h.Config)
	for i, c := range []struct{ kind, said string }{
		{"", ""},
		{"busy", "it says that it is busy, more often than anybody wants to hear; sending it by rsync"},
		{"greedy", "it asks for files that the release does not have; sending it by rsync"},
		{"half", "the session has ended; sending it by rsync"},
	} {
		if err := os.WriteFile(filepath.Join(h.Srv("host-2"), hostile), []byte(c.kind), 0o644); err != nil {
			t.Fatal(err)
		}
		h.Cut("host-2")
		text := fmt.Sprintf("release %d", i)
		r.repo.commit(text, 0)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r.ship(deploy.Done, "")
		runtime.ReadMemStats(&after)
		if grown := int64(after.Sys - before.Sys); i > 0 && grown > 16<<20 {
			t.Errorf("%s: it took %d MiB", c.kind, grown>>20)
		}
		for _, name := range h.Names {
			serves(t, filepath.Join(h.Srv(name), "web"), text)
		}
		if c.said != "" && !r.said(c.said) {
			t.Errorf("%s: said %+v", c.kind, r.lines)
		}
	}
}

// TestLiar: a host that is asked alone can lie about itself from end to end. The
// stage's check is who sees it.
func TestLiar(t *testing.T) {
	h := fleettest.Start(t, 2)
	stage := hosts(h.Names...)
	stage.Check = []string{"sh", "-c", `for f; do cmp index.html "$f" || exit 1; done`, "check"}
	for _, name := range h.Names {
		stage.Check = append(stage.Check, filepath.Join(h.Srv(name), "web", "current", "index.html"))
	}
	r := newRig(t, "/srv/web", h.Config, stage)
	r.repo.commit("release 1", 0)
	r.ship(deploy.Done, "")
	if err := os.WriteFile(filepath.Join(h.Srv("host-2"), hostile), []byte("liar"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.Cut("host-2")
	r.repo.commit("release 2", 0)
	e := r.ship(deploy.RolledBack, "check: ")
	t.Log(e.Reason)
	for _, name := range h.Names {
		serves(t, filepath.Join(h.Srv(name), "web"), "release 1")
	}
	s := r.start()
	s.Check = false
	r.expect(r.run(0, s, nil), deploy.Done, "") // nobody has looked
	serves(t, filepath.Join(h.Srv("host-1"), "web"), "release 2")
	serves(t, filepath.Join(h.Srv("host-2"), "web"), "release 1")
}
