package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// ranIn runs the program, and returns its exit code and what it says.
func ranIn(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// TestSimulate: the same seed says the same, another one something else; the plots
// have no colours; wrong flags are refused.
func TestSimulate(t *testing.T) {
	code, first, _ := ranIn(t, "simulate", "--days", "20")
	_, again, _ := ranIn(t, "simulate", "--days", "20")
	_, other, _ := ranIn(t, "simulate", "--days", "20", "--seed", "2")
	if code != 0 || first != again || first == other {
		t.Errorf("exit %d; the same seed: %v, another one: %v", code, first == again, first == other)
	}
	for _, want := range []string{"simulated: 20 days, open 9 to 17, cap 8, seed 1\n", "web:", "  09:00 ", "###"} {
		if !strings.Contains(first, want) || strings.Contains(first, "\x1b") {
			t.Errorf("%q is not in %s", want, first)
		}
	}
	if _, caps, _ := ranIn(t, "simulate", "--days", "20", "--caps", "12", "--riders", "150"); strings.Count(caps, "\n") != 13 || !strings.Contains(caps, "<- the knee") || !strings.Contains(caps, "grows") || !regexp.MustCompile(`(?m)^  cap  1 .*>    \d\d  #{3,7}$`).MatchString(caps) || !regexp.MustCompile(`(?m)^  cap 12 .* min .*  1\d\d  #{20}$`).MatchString(caps) {
		t.Errorf("caps: %s", caps)
	}
	_, out, _ := ranIn(t, "simulate", "--days", "20", "--json", "--config-share", "0.2")
	var said struct {
		Lanes []map[string]any
		All   struct {
			Live struct {
				P50 float64 `json:"p50_seconds"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || len(said.Lanes) != 2 || said.All.Live.P50 <= 0 {
		t.Errorf("%v: %s", err, out)
	}
	for _, wrong := range []string{"--open=17-9", "--cap=0", "--fail=2", "--days=1", "--riders=0", "--fail=0.95", "--tests=-1m", "--found=1.1"} {
		if code, _, errs := ranIn(t, "simulate", wrong); code != exitUsage || errs == "" {
			t.Errorf("%s: exit %d, %q", wrong, code, errs)
		}
	}
}

// TestSimulateFromJournal: who comes and the cycles are the channel's own.
func TestSimulateFromJournal(t *testing.T) {
	state := t.TempDir()
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, configText("127.0.0.1:1", "#push", state, "", stackText{name: "web", repo: "/nowhere.git", root: "/srv/web", princess: "p1", prod: "w1"}), 0o600)
	if code, _, errs := ranIn(t, "-c", config, "simulate", "--from-journal"); code != exitFailed || !strings.Contains(errs, "fewer than three cycles") {
		t.Errorf("with no past: exit %d, %q", code, errs)
	}
	h := newHistory(t)
	h.at = time.Now().Add(-5 * 24 * time.Hour)
	for h.at.Before(time.Now().Add(-time.Hour)) {
		h.push()
	}
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	h.write(filepath.Join(state, "journal.db"))
	ask := func(args ...string) (cycle, came float64) {
		t.Helper()
		code, out, errs := ranIn(t, append([]string{"-c", config, "--json", "simulate", "--from-journal", "--open=0-24", "--days=40"}, args...)...)
		var said struct {
			All struct {
				Cycle struct {
					P50 float64 `json:"p50_seconds"`
				}
				Came float64 `json:"riders_come_per_day"`
			}
		}
		if err := json.Unmarshal([]byte(out), &said); err != nil || code != 0 {
			t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
		}
		return said.All.Cycle.P50, said.All.Came
	}
	// A push of the history lasts 27 min from the first `.join` on, and has three riders.
	cycle, came := ask()
	if cycle < 20*60 || cycle > 28*60 || came < 100 || came > 220 {
		t.Errorf("cycles of %.0f s, %.0f riders a day", cycle, came)
	}
	shorter, more := ask("--shorter=5m", "--riders=300")
	if shorter != cycle-300 || more < 280 || more > 320 {
		t.Errorf("5 min shorter: %.0f s of %.0f; %.0f riders of 300", shorter, cycle, more)
	}
	if code, out, _ := ranIn(t, "-c", config, "stats"); code != 0 || !strings.Contains(out, fmt.Sprintf("%d pushes in 7 days", h.pushes)) {
		t.Errorf("stats: exit %d, %s", code, out)
	}
}
