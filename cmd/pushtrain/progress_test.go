package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pushtrain/bot"
)

// rolloutReplies are what a rollout to two hosts answers.
var rolloutReplies = []bot.Reply{
	{Line: "rollout 1"},
	{Line: "web/prod: PREPARE"},
	{Host: "w1", Percent: 40},
	{Host: "w2", Line: "yin holds it already", Percent: -1},
	{Host: "w1", Percent: 100},
	{Line: "web/prod serves abc on 2 hosts"},
	{Over: true},
}

func showAll(o options, replies []bot.Reply) (out, errs string) {
	var stdout, stderr bytes.Buffer
	p := newProgress(&stdout, &stderr, &o)
	for _, r := range replies {
		p.show(r)
	}
	return stdout.String(), stderr.String()
}

// TestProgressOffATerminal: one line an event, nothing for a screen.
func TestProgressOffATerminal(t *testing.T) {
	out, errs := showAll(options{}, rolloutReplies)
	if want := "rollout 1\nweb/prod: PREPARE\nw2: yin holds it already\nweb/prod serves abc on 2 hosts\n"; out != want || errs != "" {
		t.Errorf("said %q, %q; want %q", out, errs, want)
	}
	if out, errs = showAll(options{quiet: true}, rolloutReplies); out != "" || errs != "" {
		t.Errorf("quiet said %q, %q", out, errs)
	}
	failed := []bot.Reply{{Line: "rollout 1"}, {Line: "nothing live was touched: build"}, {Over: true, Exit: 1}}
	if out, errs = showAll(options{quiet: true}, failed); out != "" || errs != "pushtrain: nothing live was touched: build\n" {
		t.Errorf("quiet said %q, %q of a failure", out, errs)
	}
	out, _ = showAll(options{json: true}, rolloutReplies)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(rolloutReplies) {
		t.Fatalf("%d objects for %d events: %s", len(lines), len(rolloutReplies), out)
	}
	for i, line := range lines {
		var got bot.Reply
		if err := json.Unmarshal([]byte(line), &got); err != nil || got != rolloutReplies[i] {
			t.Errorf("event %d is %s: %v", i, line, err)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"", 3, ""}, {"äöü", 2, "äö"}, {"日本語", 5, "日本"}, {"日本語", 6, "日本語"},
	} {
		if got := cut(c.text, c.columns); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.text, c.columns, got, c.want)
		}
	}
}

// TestProgressColumns: the bars stand below each other, however long a name is.
func TestProgressColumns(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := &progress{out: out, live: true, state: map[string]string{}}
	for _, host := range []string{"w1", "a-rather-long-name.example.net"} {
		p.show(bot.Reply{Host: host, Percent: 40})
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	var s screen
	s.write(t, string(text))
	if len(s.rows) != 2 || strings.Index(s.rows[0], "40%") != strings.Index(s.rows[1], "40%") {
		t.Errorf("the screen:\n%s", strings.Join(s.rows, "\n"))
	}
}

// screen is what a terminal shows: rows of text, after going up and clearing rests of lines.
type screen struct {
	rows   []string
	at     int
	widest int
}

var (
	goUp    = regexp.MustCompile(`^\x1b\[(\d+)A`)
	control = regexp.MustCompile(`[\x00-\x08\x0b-\x1f]`)
)

func (s *screen) write(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(strings.ReplaceAll(text, "\r", "")) {
		for m := goUp.FindStringSubmatch(line); m != nil; m = goUp.FindStringSubmatch(line) {
			n := 0
			for _, d := range m[1] {
				n = 10*n + int(d-'0')
			}
			if s.at -= n; s.at < 0 {
				t.Fatalf("went %d rows up, off the screen", n)
			}
			line = line[len(m[0]):]
		}
		row, cleared := strings.CutSuffix(strings.TrimSuffix(line, "\n"), "\x1b[K")
		if control.MatchString(row) {
			t.Errorf("control codes in %q", row)
		}
		s.widest = max(s.widest, len([]rune(row)))
		for s.at >= len(s.rows) {
			s.rows = append(s.rows, "")
		}
		if old := s.rows[s.at]; !cleared && len(old) > len(row) {
			row += old[len(row):] // what a terminal keeps
		}
		s.rows[s.at] = row
		s.at++
	}
}

// onTerminal runs pushtrain on a terminal of its own and returns all that it wrote.
func onTerminal(t *testing.T, r *localRig, size, typed, args string) string {
	t.Helper()
	needForTest(t, "script", "bsdutils")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "pushtrain")); err != nil {
		t.Fatal(err)
	}
	c := command(t, "script", "-qec", "stty -echo "+size+"; pushtrain -c "+r.config+" "+args, "/dev/null")
	c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TERM=xterm", "SHELL=/bin/sh")
	c.Env = append(c.Env, "GORACE="+quickRace)
	s := &shell{t: t, cmd: c}
	c.Stdout, c.Stderr = s, s
	keys, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if typed != "" {
		s.await("? Type web: ")
		if _, err := io.WriteString(keys, typed); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Wait() // what it says tells how it ended
	return s.said()
}

// TestProgressOnATerminal: each host has one line, which is redrawn and no wider than the screen.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	r := newLocalRig(t)
	out := onTerminal(t, r, "cols 40 rows 24", "", "deploy web princess --yes")
	if !strings.Contains(out, "serves") {
		t.Fatalf("no rollout: %q", out)
	}
	out = onTerminal(t, r, "cols 40 rows 24", "", "deploy web prod --yes")
	if !strings.Contains(out, "\x1b[2A") {
		t.Errorf("two hosts are not redrawn: %q", out)
	}
	var s screen
	s.write(t, out)
	text := strings.Join(s.rows, "\n")
	if strings.Count(text, "\n  w1 ") != 1 || strings.Count(text, "\n  w2 ") != 1 || !strings.Contains(text, "100%") {
		t.Errorf("the screen at the end:\n%s", text)
	}
	for _, row := range s.rows {
		if strings.HasPrefix(row, "  ") && len([]rune(row)) > 39 {
			t.Errorf("a row of %d columns on a screen of 40: %q", len([]rune(row)), row)
		}
	}
	if last := s.rows[len(s.rows)-1]; !strings.HasPrefix(last, "  w") {
		t.Errorf("the hosts are not at the bottom:\n%s", text)
	}
}

// TestConfirm: on a terminal the stack's name is asked for.
func TestConfirm(t *testing.T) {
	t.Parallel()
	r := newLocalRig(t)
	out := onTerminal(t, r, "cols 80 rows 24", "no\n", "deploy web princess")
	if !strings.Contains(out, "deploy web/princess on p1? Type web: ") || !strings.Contains(out, "not confirmed, nothing was done") {
		t.Errorf("said %q", out)
	}
	if got := r.serves("p1"); got != "" {
		t.Errorf("p1 serves %q without a yes", got)
	}
	out = onTerminal(t, r, "cols 80 rows 24", "\x03", "deploy web princess")
	if !strings.Contains(out, "not confirmed, nothing was done") {
		t.Errorf("an interrupt at the question: %q", out)
	}
	onTerminal(t, r, "cols 80 rows 24", "web\n", "deploy web princess")
	if got := r.serves("p1"); got != "r1" {
		t.Errorf("p1 serves %q after a yes", got)
	}
}
