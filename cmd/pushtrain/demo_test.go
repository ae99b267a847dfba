package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushtrain/bot/irc/irctest"
)

// output is what a demo has printed so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// startDemo runs a demo whose folder is in a folder of the test's.
func startDemo(t *testing.T, play bool) (out *output, dir string, end func() error) {
	t.Helper()
	needForTest(t, "git", "git")
	needForTest(t, "rsync", "rsync")
	dir = t.TempDir()
	t.Setenv("TMPDIR", dir)
	out = &output{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runDemo(ctx, out, play) }()
	end = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = end() }) // the test has looked at it before
	return out, dir, end
}

// printed waits for a text of the demo's and returns what the pattern's group holds.
func printed(t *testing.T, out *output, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var m []string
	await(t, demoPatience, pattern, func() bool { m = re.FindStringSubmatch(out.String()); return m != nil })
	return m[len(m)-1]
}

// inOrder wants patterns to follow each other in a text.
func inOrder(t *testing.T, text string, patterns ...string) {
	t.Helper()
	rest := text
	for _, p := range patterns {
		at := regexp.MustCompile(p).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no %q after what came before it, in:\n%s", p, text)
		}
		rest = rest[at[1]:]
	}
}

// gone wants a demo that has ended to have left nothing.
func gone(t *testing.T, dir string, addrs ...string) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, %v", left, err)
	}
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Errorf("the demo keeps a port: %v", err)
			continue
		}
		l.Close()
	}
}

// TestDemo plays the whole demo, with a newcomer who takes a seat when it stays,
// and with its usual ports taken by others.
func TestDemo(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:6667", "127.0.0.1:8081"} {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			defer l.Close()
		} // else it is taken already
	}
	leaks := goleak.IgnoreCurrent()
	start := time.Now()
	out, dir, end := startDemo(t, true)
	irc := printed(t, out, `server (127\.0\.0\.1), port \d+`) + ":" + printed(t, out, `server 127\.0\.0\.1, port (\d+)`)
	web := printed(t, out, `look +http://(127\.0\.0\.1:\d+)/`)
	if irc == "127.0.0.1:6667" || web == "127.0.0.1:8081" {
		t.Fatalf("irc %s, web %s: those were taken", irc, web)
	}
	port := strings.TrimPrefix(irc, "127.0.0.1:")
	for _, how := range []string{"irssi -c 127.0.0.1 -p " + port + " -n you", "/join #push", "weechat 'irc://you@" + irc + "/#push'"} {
		if !strings.Contains(out.String(), how) {
			t.Errorf("the demo does not say %q", how)
		}
	}
	printed(t, out, `say +alice +\.princess`)
	printed(t, out, `princess1 +200 (Release \w+)`)
	took := time.Since(start)
	t.Logf("%.1f s to the first flip of the push", took.Seconds())
	if took > 20*time.Second {
		t.Errorf("a newcomer waits %v for the first flip of the push", took)
	}
	printed(t, out, `Now you`)
	text := out.String()
	t.Logf("%s", text)
	host := func(name, release string) string { return `http +` + name + ` +200 Release ` + release + `\n` }
	first := printed(t, out, `web3 +200 Release (\w+)\n`)
	second := printed(t, out, `web/prod: all hosts hold (\w+), flipping\n(?:.*\n)+.*\.done\n`)
	if first == second {
		t.Errorf("the push shipped %s, which was there before", second)
	}
	inOrder(t, text,
		host("princess1", first), host("web1", first), host("web2", first), host("web3", first),
		`topic +pushbot +alice\n`, `topic +pushbot +alice \+ bob\n`, `You're up`,
		`say +alice +\.princess\n`, `topic +pushbot +<princess> alice \+ bob\n`,
		host("princess1", second), host("web1", first), host("web2", first), host("web3", first),
		`<princess> alice\* \+ bob\*\n`, `Everyone is ready`,
		`say +alice +\.prod\n`, `topic +pushbot +<prod> alice \+ bob\n`,
		host("princess1", second), host("web1", second), host("web2", second), host("web3", second),
		`say +alice +\.done\n`, `topic +pushbot +clear\n`, `Now you`)

	you := irctest.Dial(t, irc, "you")
	you.Join("#push")
	you.Say("#push", ".join")
	topic(you, "you")
	for _, stage := range []string{"princess", "prod"} {
		you.Say("#push", "."+stage)
		topic(you, "<"+stage+"> you")
	}
	third := servedBy(t.Context(), "http://"+web+"/web1/")
	if third == "200 Release "+second {
		t.Errorf("the newcomer's change is not live: %s", third)
	}
	you.Say("#push", ".rollback")
	you.Expect(`web/prod is back on ` + second)
	for _, h := range demoHostNames[1:] {
		if got := servedBy(t.Context(), "http://"+web+"/"+h+"/"); got != "200 Release "+second {
			t.Errorf("%s serves %q after a rollback to %s", h, got, second)
		}
	}
	you.Say("#push", ".unhold")
	you.Expect(`TOPIC #push :<\w+> you$`)
	you.Say("#push", ".done")
	topic(you, "clear")
	you.Close()

	if err := end(); err != nil {
		t.Errorf("the demo ended with: %v", err)
	}
	gone(t, dir, irc, web)
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(leaks); err != nil {
		t.Error(err)
	}
}

// TestDemoAlone: with --play=no nobody but the bot is there.
func TestDemoAlone(t *testing.T) {
	out, dir, end := startDemo(t, false)
	printed(t, out, `Now you`)
	if strings.Contains(out.String(), "alice") {
		t.Errorf("it printed:\n%s", out)
	}
	if err := end(); err != nil {
		t.Errorf("the demo ended with: %v", err)
	}
	gone(t, dir)
}

// TestDemoFor ends by --for.
func TestDemoFor(t *testing.T) {
	needForTest(t, "git", "git")
	needForTest(t, "rsync", "rsync")
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var out bytes.Buffer
	start := time.Now()
	if code := run([]string{"demo", "--for", "1s"}, nil, &out, &out); code != 0 {
		t.Errorf("exit %d:\n%s", code, &out)
	}
	if took := time.Since(start); took < time.Second || took > demoPatience {
		t.Errorf("--for 1s took %v", took)
	}
	gone(t, dir)
}

// TestDemoEndsEarly: an end in the middle of a rollout, or before the bot is up, is an end like any other.
func TestDemoEndsEarly(t *testing.T) {
	for _, at := range []string{`Ctrl-C ends it`, `building main`} {
		t.Run(at, func(t *testing.T) {
			out, dir, end := startDemo(t, true)
			printed(t, out, at)
			if err := end(); err != nil {
				t.Errorf("the demo ended with: %v", err)
			}
			if strings.Contains(out.String(), "Now you") {
				t.Error("it went on")
			}
			gone(t, dir)
		})
	}
}
