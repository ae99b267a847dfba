package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
)

// TestMuted gives the README's recipes to irssi and WeeChat: the lines about the
// bot's topics are gone from the screen, and what is said, and the topic, are there.
func TestMuted(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	recipe := func(client string) string {
		m := regexp.MustCompile(`(?m)^\| ` + client + " \\| `([^`]+)`").FindSubmatch(readme)
		if m == nil {
			t.Fatalf("the README has no recipe for %s", client)
		}
		return string(m[1])
	}
	for _, c := range []struct {
		name, program, pkg, clear, line string
		start                           func(dir, host, port string) []string
	}{
		{"irssi", "irssi", "irssi", "/clear", "pushbot changed the topic of #push",
			func(dir, host, port string) []string {
				return []string{"irssi", "--home=" + dir, "-c", host, "-p", port, "-n", "eve"}
			}},
		{"WeeChat", "weechat", "weechat-curses", "/buffer clear", "pushbot has changed topic for #push",
			func(dir, host, port string) []string {
				return []string{"weechat", "-d", dir, "-r", "/set weechat.look.paste_max_lines -1", fmt.Sprintf("irc://eve@%s/#push", net.JoinHostPort(host, port))}
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needForTest(t, c.program, c.pkg)
			needForTest(t, "tmux", "tmux")
			server := irctest.Ngircd(t, irctest.Options{})
			alice := joined(t, server.Addr(), "alice")
			alice.Send("MODE #push -t")
			startBot(t, queueConfig(t, server.Addr(), t.TempDir()))
			host, port, err := net.SplitHostPort(server.Addr())
			if err != nil {
				t.Fatal(err)
			}
			s := openPane(t, c.start(t.TempDir(), host, port)...)
			if c.name == "irssi" {
				s.until("that irssi is registered", func(text string) bool { return strings.Contains(text, "Your host is") })
				s.types("/join #push")
			}
			alice.Expect(`^:eve!\S+ JOIN `)
			bob := joined(t, server.Addr(), "bob")
			alice.Say("#push", ".join")
			s.until("a line about the topic", func(text string) bool { return strings.Contains(text, c.line) })

			s.types(recipe(c.name))
			s.types(c.clear)
			s.until("an empty window", func(text string) bool { return !strings.Contains(text, c.line) })
			bob.Say("#push", ".join")
			topic(alice, "alice | bob")
			alice.Say("#push", "all aboard")
			text := s.until("what alice says, and the topic", func(text string) bool {
				first, _, _ := strings.Cut(text, "\n")
				return strings.Contains(text, "all aboard") && strings.Contains(first, "alice | bob")
			})
			if strings.Contains(text, c.line) {
				t.Errorf("%s shows topics all the same:\n%s", c.name, text)
			}
			t.Logf("%s\n%s", recipe(c.name), text)
		})
	}
}

// pane is a terminal with a program in it.
type pane struct {
	t      testing.TB
	socket string // of a tmux of its own
}

// openPane runs a program until the test ends.
func openPane(t testing.TB, argv ...string) *pane {
	t.Helper()
	s := &pane{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	s.tmux(append([]string{"-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "30"}, argv...)...)
	pid, err := strconv.Atoi(strings.TrimSpace(s.tmux("list-panes", "-F", "#{pane_pid}")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it would write its settings into a folder that goes away; tmux ends with it
	})
	return s
}

func (s *pane) tmux(args ...string) string {
	s.t.Helper()
	c := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	c.Env = append(os.Environ(), "TERM=xterm", "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

// types has somebody type a line.
func (s *pane) types(line string) {
	s.t.Helper()
	s.tmux("send-keys", "-l", line)
	s.tmux("send-keys", "Enter")
}

// until waits for a screen that ok accepts, and returns it.
func (s *pane) until(what string, ok func(text string) bool) string {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(irctest.Patience)
	for {
		text := s.tmux("capture-pane", "-p")
		if ok(text) {
			return text
		}
		select {
		case <-tick.C:
		case <-over:
			s.t.Fatalf("the screen does not show %s:\n%s", what, text)
		}
	}
}
