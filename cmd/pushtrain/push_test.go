package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pushtrain/bot/irc/irctest"
	"pushtrain/deploy/fleet/fleettest"
)

// get returns a page's releases, each once.
func get(url string) (string, error) {
	res, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != 200 {
		return "", fmt.Errorf("status %d", res.StatusCode)
	}
	words := strings.Fields(string(body))
	if len(words) != parts {
		return "", fmt.Errorf("%d parts instead of %d: %q", len(words), parts, body)
	}
	for _, w := range words {
		if w != words[0] {
			return "", fmt.Errorf("a mixed response: %v", words)
		}
	}
	return words[0], nil
}

// TestQueueToProduction is the main job: from `.join` on a real ngircd to pages
// that a real nginx serves on hosts behind a real sshd.
func TestQueueToProduction(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	hosts := fleettest.Start(t, 3)
	code, conf := newRepo(t), newRepo(t)
	code.commit("r1")
	conf.commit("c1")
	cfg := mustConfig(t, configText(server.Addr(), "#push", t.TempDir(), hosts.Config,
		stackText{name: "web", repo: code.dir, root: "/srv/web", princess: "host-1", prod: "host-2, host-3"},
		stackText{name: "config", repo: conf.dir, root: "/srv/config", princess: "host-1", prod: "host-2, host-3", more: "    aliases: [c]\n"}))
	var roots []string
	for _, h := range hosts.Names {
		roots = append(roots, filepath.Join(hosts.Srv(h), "web"))
	}
	startBot(t, cfg)
	alice, bob, carol := joined(t, server.Addr(), "alice"), joined(t, server.Addr(), "bob"), joined(t, server.Addr(), "carol")

	alice.Say("#push", ".join")
	topic(alice, "alice")
	bob.Say("#push", ".join with alice")
	topic(alice, "alice + bob")
	alice.Expect(":a\u200blice, bob: You're up")
	carol.Say("#push", ".join c")
	topic(alice, "alice + bob | carol (config)")

	bob.Say("#push", ".princess")
	bob.Expect(`NOTICE bob :alice drives this train`)
	alice.Say("#push", ".prod")
	alice.Expect(`NOTICE alice :princess of web is not green: \.princess first`)
	alice.Say("#push", ".princess")
	alice.Expect(`web is on princess`)
	topic(alice, "<princess> alice + bob | carol (config)")
	urls := nginx(t, roots...)
	if got, err := get(urls[0]); got != "r1" {
		t.Errorf("princess serves %q, %v", got, err)
	}
	if _, err := get(urls[1]); err == nil {
		t.Error("prod serves something before .prod")
	}

	code.commit("r2") // the branch moves on; the train ships what princess tested
	alice.Say("#push", ".prod")
	alice.Expect(`NOTICE alice :not everyone is good: waiting for bob`)
	bob.Say("#push", ".good")
	topic(alice, "<princess> alice + bob* | carol (config)")
	carol.Say("#push", ".princess") // a config train beside the code train
	alice.Say("#push", ".prod")
	alice.Expect(`web is on prod`)
	carol.Expect(`carol: config is on princess`)
	for _, u := range urls {
		if got, err := get(u); got != "r1" {
			t.Errorf("%s serves %q, %v; want the tree that princess tested", u, got, err)
		}
	}
	alice.Say("#push", ".done")
	topic(alice, "<princess> carol (config)")
	carol.Say("#push", ".prod")
	carol.Expect(`config is on prod`)
	live, err := os.ReadFile(filepath.Join(hosts.Srv("host-3"), "config", "current", "parts", "1"))
	if err != nil || strings.TrimSpace(string(live)) != "c1" {
		t.Errorf("host-3 serves config %q, %v", live, err)
	}

	// A host that is gone stops a rollout before anything live is touched.
	hosts.Stop("host-3")
	bob.Say("#push", ".join")
	bob.Expect(`NOTICE bob :you're up`)
	bob.Say("#push", ".princess")
	bob.Expect(`web is on princess`)
	bob.Say("#push", ".prod")
	bob.Expect(`bob: web/prod stopped, nothing live was touched: .*host-3`)
	if got, err := get(urls[1]); got != "r1" {
		t.Errorf("host-2 serves %q, %v after a rollout that was stopped", got, err)
	}
	hosts.Start("host-3")
	bob.Say("#push", ".prod")
	bob.Expect(`web is on prod`)
	for _, u := range urls[1:] {
		if got, err := get(u); got != "r2" {
			t.Errorf("%s serves %q, %v", u, got, err)
		}
	}
	bob.Say("#push", `.rollback "bad search"`)
	bob.Expect(`web/prod is back on`)
	topic(bob, `HOLD (web) "rollback: bad search" | <prod> carol (config) | <princess> bob`)
	for _, u := range urls[1:] {
		if got, err := get(u); got != "r1" {
			t.Errorf("%s serves %q, %v after the rollback", u, got, err)
		}
	}
}

// TestTwentyFlips hammers three hosts with requests through 20 flips: no error,
// no response that mixes two releases.
func TestTwentyFlips(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	hosts := fleettest.Start(t, 3)
	code := newRepo(t)
	code.commit("r0")
	text := configText(server.Addr(), "#push", t.TempDir(), hosts.Config,
		stackText{name: "web", repo: code.dir, root: "/srv/web", princess: "host-1, host-2, host-3", prod: "unused"})
	text = text[:strings.Index(text, "      - {name: prod")]
	startBot(t, mustConfig(t, text))
	alice := joined(t, server.Addr(), "alice")
	var roots []string
	for _, h := range hosts.Names {
		roots = append(roots, filepath.Join(hosts.Srv(h), "web"))
	}
	alice.Say("#push", ".join")
	alice.Say("#push", ".princess")
	alice.Expect(`web is on princess`)
	urls := nginx(t, roots...)

	var good, bad atomic.Int64
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for i := range 6 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := get(urls[i%3]); err != nil {
					if bad.Add(1) <= 5 {
						t.Errorf("%s: %v", urls[i%3], err)
					}
					continue
				}
				good.Add(1)
			}
		})
	}
	for i := 1; i <= 20; i++ {
		code.commit(fmt.Sprintf("r%d", i))
		alice.Say("#push", ".princess")
		alice.Expect(`web is on princess`)
		for _, u := range urls {
			if got, err := get(u); got != fmt.Sprintf("r%d", i) {
				t.Errorf("after flip %d %s serves %q, %v", i, u, got, err)
			}
		}
	}
	close(stop)
	clients.Wait()
	t.Logf("%d responses through 20 flips, %d errors or mixed", good.Load(), bad.Load())
	if good.Load() < 1000 {
		t.Errorf("only %d requests: that is no load", good.Load())
	}
}
