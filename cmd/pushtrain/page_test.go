package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/web/webtest"
)

// gate is what a build waits for: a pipe that nobody has written to yet.
type gate struct {
	t    testing.TB
	path string
}

func newGate(t testing.TB) gate {
	g := gate{t, filepath.Join(t.TempDir(), "gate")}
	if err := syscall.Mkfifo(g.path, 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// open lets the one that waits go on.
func (g gate) open() {
	g.t.Helper()
	f, err := os.OpenFile(g.path, os.O_RDWR, 0) // RDWR: it does not wait for a reader
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString("go\n"); err != nil {
		g.t.Fatal(err)
	}
}

// freeAddr is an address that nobody listens on.
func freeAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestPage looks at a push in a real browser: the queue and a rollout as they
// change, in two tabs; a run log from its beginning and to its end; the page over a
// restart of the bot, without scripts, and on a phone. The console stays silent.
func TestPage(t *testing.T) {
	browser := webtest.Open(t)
	server := irctest.Ngircd(t, irctest.Options{})
	hold, code := newGate(t), newRepo(t)
	code.write("build", 0o755, fmt.Sprintf("#!/bin/sh\nset -e\nmkdir -p dist/parts\necho making pages\necho 'deprecated: <blink>' >&2\nread go <%s\ngit log -1 --format=%%s >dist/parts/1\necho made $(ls dist/parts)\n", hold.path))
	code.commit("r1")
	dir := t.TempDir()
	local := func(host string) string {
		return fmt.Sprintf("{name: %s, local: true, root: %q}", host, filepath.Join(dir, host))
	}
	text := configText(server.Addr(), "#push", filepath.Join(dir, "state"), "", stackText{name: "web", repo: code.dir, root: dir + "/none", princess: local("princess1"), prod: local("web1") + ", " + local("web2"),
		more: "    diff_url: \"https://git.example.net/{stack}/compare/{old}...{new}\"\n"})
	text = strings.Replace(text, "{name: princess, ", `{name: princess, links: [{name: Princess logs, url: "https://logs.example.net/"}], `, 1)
	cfg := mustConfig(t, text)
	cfg.Web.Listen = freeAddr(t)
	site := "http://" + cfg.Web.Listen
	stop := startBot(t, cfg)
	start := time.Now()

	one, two := browser.Page(1180, 900), browser.Page(400, 800)
	both := []*webtest.Page{one, two}
	for _, p := range both {
		p.Go(site + "/")
		p.Until(`document.body.dataset.live === "1"`)
		p.UntilText("#part-queue", "Nobody.")
	}
	alice, bob := joined(t, server.Addr(), "alice"), joined(t, server.Addr(), "bob")
	alice.Say("#push", ".join")
	for _, p := range both {
		p.UntilText("#topic", "alice")
		p.UntilText("#part-queue .rider", "alice")
		p.UntilText("#part-ways .stage:first-child .go", "alice says .princess")
		p.Until(`document.title === "alice · #push"`)
	}
	bob.Say("#push", `.join with alice "<img src=x onerror=throw(1)>"`)
	one.UntilText(".train .message", "<img src=x onerror=throw(1)>")
	one.UntilText("#topic", "alice + bob")
	alice.Say("#push", ".princess")
	for _, p := range both {
		p.UntilText("#part-ways .rollout", "web/princess: building")
		p.UntilText("#part-ways .rollout .tail", "making pages")
		p.UntilText("#part-ways .rollout .tail .err", "STDERR: deprecated: <blink>")
	}
	one.Shot("real-building")

	late := browser.Page(1180, 900) // comes in the middle and sees it from the beginning
	late.Go(site + "/rollouts/1")
	late.UntilText("#runlog", "making pages")
	late.UntilText("h1", "web/princess: building")
	late.Until(`document.body.dataset.live === "1"`)
	follows := make(chan string, 100) // `pushtrain log -f` beside it
	ctx, enough := context.WithCancel(t.Context())
	var reader sync.WaitGroup
	defer reader.Wait()
	defer enough()
	reader.Go(func() {
		_, _ = bot.Call(ctx, cfg.StateDir, bot.Request{Do: "entries", Follow: true}, func(r bot.Reply) { follows <- r.Line }) // enough ends it
	})
	hold.open()
	late.UntilText("h1", "web/princess live")
	late.UntilText("#runlog", "made 1")
	late.UntilText("#runlog", "DONE")
	late.UntilText("#live", "ended")
	var twice int
	late.Eval(`document.getElementById("runlog").textContent.split("making pages").length - 1`, &twice)
	if twice != 1 {
		t.Errorf("the log says %d times what was said once", twice)
	}
	late.Shot("real-rollout")
	select {
	case line := <-follows:
		if !strings.Contains(line, "web/princess     DONE          nothing -> ") {
			t.Errorf("who follows the log reads %q", line)
		}
	case <-time.After(webtest.Patience):
		t.Error("who follows the log reads nothing")
	}
	for _, p := range both {
		p.UntilText("#part-ways .stage:first-child .facts", "alice and bob on princess for")
		p.UntilText("#part-watch", "Try your change, then .good Princess logs")
		p.UntilText("#part-queue .train", "waits for bob")
		p.UntilText("#part-ways .stage:last-child .go", "waits for bob to say .good")
		p.UntilText("#part-recent li:first-child", "web/princess live")
	}

	stop()
	for _, p := range both {
		p.UntilText("#live", "reconnecting")
		p.UntilText("#part-queue", "alice")
	}
	startBot(t, cfg)
	bob.Say("#push", ".good")
	for _, p := range both {
		p.UntilText("#live", "live")
		p.UntilText("#topic", "<princess> alice + bob*")
		p.UntilText("#part-queue .rider.good", "bob is good")
		p.UntilText("#part-ways .stage:last-child .go", "alice says .prod")
	}
	if over, of := two.Wide(); over > 0 {
		t.Errorf("on a phone the page stands out by %d: %s", over, of)
	}
	two.Shot("real-phone")

	hold.open()
	alice.Say("#push", ".prod")
	one.UntilText("#part-watch", "web is on prod")
	one.UntilText("#part-ways .stage:last-child .facts", "alice and bob on prod for")
	one.Shot("real-watch")
	bob.Say("#push", ".leave")
	two.UntilText("#topic", "<prod> alice \"")
	two.Until(`document.querySelectorAll("#part-queue .rider").length === 1 && !document.querySelector("#part-ways .rollout")`)
	one.Go(site + "/log?who=bob")
	one.UntilText("main", "1 to 2 of 2")
	one.Go(site + "/stats")
	one.Until(`document.querySelectorAll("svg.chart rect.bar").length > 0`)
	one.UntilText("table.plain", "web/prod1100 %0 %0 %")

	bare := browser.Page(400, 800)
	bare.Script(false)
	bare.Go(site + "/")
	bare.UntilText("noscript", "look again")
	bare.UntilText("#topic", "<prod> alice")
	bare.UntilText("#part-queue", "alice")
	bare.Shot("real-bare")
	bare.Go(site + "/rollouts/1")
	bare.UntilText("#runlog", "making pages")
	for name, p := range map[string]*webtest.Page{"one": one, "two": two, "late": late, "bare": bare} {
		if c := p.Complaints("net::ERR_"); len(c) > 0 { // the bot was away for a while
			t.Errorf("the console of %s says: %q", name, c)
		}
	}
	t.Logf("the page took %.1f s", time.Since(start).Seconds())
}

// TestNoRoomForThePage: an address that is taken costs the page, and not the trains.
func TestNoRoomForThePage(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := queueConfig(t, server.Addr(), t.TempDir())
	cfg.Web.Listen = taken.Addr().String()
	startBot(t, cfg)
	alice := joined(t, server.Addr(), "alice")
	alice.Say("#push", ".join")
	topic(alice, "alice")
}
