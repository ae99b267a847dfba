package bot

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pushtrain/deploy/fleet"
)

// TestRunLogBound: a command that never stops talking fills its share of the log,
// once; the steps and the outcome are there all the same, after a restart too.
func TestRunLogBound(t *testing.T) {
	dir := t.TempDir()
	l := openRunLogs(dir)
	long := strings.Repeat("x", 1<<20)
	for range 20 {
		l.line(7, fleet.Line{Text: long, Percent: -1})
	}
	l.step(7, "web1", "flip done")
	l.close()
	l = openRunLogs(dir)
	l.line(7, fleet.Line{Text: long, Percent: -1})
	l.step(7, "", "DONE\nby \x1b alice")
	l.line(7, fleet.Line{Host: "web1", Percent: 50})
	l.close()
	data, err := os.ReadFile(l.path(7))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(data) > 17<<20 || strings.Count(string(data), "(cut: ") != 1 {
		t.Errorf("%d bytes, cut %d times", len(data), strings.Count(string(data), "(cut: "))
	}
	if n := len(lines); n < 2 || !strings.HasSuffix(lines[n-2], " web1: flip done") || !strings.HasSuffix(lines[n-1], ` DONE\x0aby \x1b alice`) {
		t.Errorf("ends in %.80q", lines[max(0, n-2):])
	}
}

func TestRunLogsStayFew(t *testing.T) {
	l := openRunLogs(t.TempDir())
	for id := range uint64(runLogFiles + 5) {
		l.step(2*id, "", "INTENT")
		l.end(2 * id)
	}
	list, err := filepath.Glob(filepath.Join(l.dir, "*"))
	if err != nil || len(list) != runLogFiles || slices.Contains(list, l.path(8)) || !slices.Contains(list, l.path(10)) {
		t.Errorf("%d logs stay, %v", len(list), err)
	}
}

// TestRunLogIsComplete: every step of every host stands in it, and a second
// host's failure, which the channel does not hear of.
func TestRunLogIsComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		for _, line := range []string{"alice> .join", "alice> .princess", "web/princess ok", "alice> .prod", "web/prod fails for good: prepare: disk full"} {
			if err := s.do(line); err != nil {
				t.Fatal(err)
			}
		}
		s.stop()
		for id, want := range map[int][]string{
			1: {" BUILD", " build done", " FENCE", ` princess1: fence done: yin is live with old`, " princess1: prepare done", " princess1: verify done", " test done",
				" BARRIER", " FLIP", " princess1: flip done in 1ms", " CONFIRM", " princess1: confirm done", " DONE "},
			2: {` web1: fence done: yin is live with old`, ` web2: fence done: yin is live with old`, " web1: prepare failed: disk full", " ABORTED",
				" web2: prepare failed: ", " ABORTED host web1, prepare: disk full"},
		} {
			data, err := os.ReadFile(filepath.Join(s.dir, "runs", fmt.Sprint(id)+".log"))
			if err != nil {
				t.Fatal(err)
			}
			rest := string(data)
			for _, w := range want {
				_, after, ok := strings.Cut(rest, w)
				if !ok {
					t.Errorf("log %d lacks %q in its place:\n%s", id, w, data)
					break
				}
				rest = after
			}
		}
	})
}
