package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"pushtrain/bot"
	"pushtrain/bot/irc/irctest"
)

// TestReloadAround: what stands around the bot goes on with the new configuration too:
// the page shows the stage's new title, and the new webhook hears of what comes.
func TestReloadAround(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	heard := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is cut off is not what is waited for
		heard <- string(body)
	}))
	defer hook.Close()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), "signs it\n", 0o600)
	text := configText(server.Addr(), "#push", dir, "", stackText{name: "web", repo: dir, root: "/srv/unused",
		princess: "{name: p1, local: true, root: " + dir + "/p1}", prod: "{name: w1, local: true, root: " + dir + "/w1}"})
	var now atomic.Pointer[string]
	now.Store(&text)
	page, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- serveOn(ctx, mustConfig(t, text), zerolog.Nop(), page, service{
			ready: func() { close(ready) },
			read:  reread(&now),
		})
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-ready
	ask := func(req bot.Request) (said string) {
		t.Helper()
		code, err := bot.Call(ctx, dir, req, func(r bot.Reply) { said += r.Line + "\n" })
		if err != nil || code != 0 {
			t.Fatalf("%s: %d, %v: %s", req.Do, code, err, said)
		}
		return said
	}
	shown := func() string {
		t.Helper()
		res, err := http.Get("http://" + page.Addr().String() + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	if strings.Contains(shown(), "Save the queen") {
		t.Fatal("the page has the new title before the reload")
	}
	next := strings.Replace(text, "name: prod,", "name: prod, title: Save the queen,", 1) +
		fmt.Sprintf("tell: {webhooks: [{url: %q, secret_file: %s/secret}]}\n", hook.URL, dir)
	now.Store(&next)
	if said := ask(bot.Request{Do: "reload", By: "root"}); !strings.Contains(said, "stacks[web].stages[prod].title is another") || !strings.Contains(said, "tell.webhooks[0] is new") {
		t.Errorf("the reload said %s", said)
	}
	if !strings.Contains(shown(), "Save the queen") {
		t.Error("the page does not have the new title")
	}
	ask(bot.Request{Do: "log", By: "root", Text: "after it"})
	for late := time.After(irctest.Patience); ; {
		select {
		case body := <-heard:
			if strings.Contains(body, "after it") {
				return
			}
		case <-late:
			t.Fatal("the new webhook was not called")
		}
	}
}

// TestDiffConfig: every kind of difference is named, and no text is shown.
func TestDiffConfig(t *testing.T) {
	base := Config{IRC: IRCConfig{Server: "a:1", TLS: true}, Train: TrainConfig{Cap: 8, Idle: time.Minute}, Stacks: []StackConfig{
		{Name: "web", Stages: []StageConfig{{Name: "prod", Hosts: []HostConfig{{Name: "w1"}, {Name: "w2"}}, Test: []string{"make"}}}},
		{Name: "config"},
	}, Tell: TellConfig{Webhooks: []WebhookConfig{{URL: "https://a.example/secret"}}}}
	for want, change := range map[string]func(*Config){
		"":                                         func(*Config) {},
		"irc.server is another":                    func(c *Config) { c.IRC.Server = "secret:2" },
		"irc.tls is false, was true":               func(c *Config) { c.IRC.TLS = false },
		"train.idle is 2m0s, was 1m0s":             func(c *Config) { c.Train.Idle *= 2 },
		"stacks is in another order":               func(c *Config) { slices.Reverse(c.Stacks) },
		"stacks[config] is removed":                func(c *Config) { c.Stacks = c.Stacks[:1] },
		"stacks[web].stages[prod].test is another": func(c *Config) { c.Stacks[0].Stages[0].Test = []string{"secret"} },
		"stacks[web].stages[prod].hosts[w2] is removed; stacks[web].stages[prod].hosts[w3] is new": func(c *Config) {
			c.Stacks[0].Stages[0].Hosts = []HostConfig{{Name: "w1"}, {Name: "w3"}}
		},
		"tell.webhooks[0].url is another": func(c *Config) { c.Tell.Webhooks = []WebhookConfig{{URL: "https://b.example/secret"}} },
	} {
		next := base
		next.Stacks = slices.Clone(base.Stacks)
		next.Stacks[0].Stages = slices.Clone(base.Stacks[0].Stages)
		change(&next)
		if got := strings.Join(diffConfig(base, next), "; "); got != want {
			t.Errorf("differs by %q, want %q", got, want)
		}
	}
}
