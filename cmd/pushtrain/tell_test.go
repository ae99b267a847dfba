package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/tell"
)

// TestTell: a webhook hears of each rollout and each text once, also over a restart of
// the bot; one that never answers holds up neither a rollout nor the bot's end.
func TestTell(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	code := newRepo(t)
	code.commit("r1")
	came := make(chan bot.Entry, 100)
	good := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("X-Pushtrain-Signature") != tell.Sign("s3cret", body) {
			t.Errorf("the signature of %s is %s, %v", body, r.Header.Get("X-Pushtrain-Signature"), err)
		}
		var e bot.Entry
		if err := json.Unmarshal(body, &e); err != nil {
			t.Error(err)
		}
		came <- e
	}))
	defer good.Close()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // its backlog takes connections
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	statsd, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer statsd.Close()

	dir := t.TempDir()
	secret := filepath.Join(dir, "webhook")
	write(t, secret, "s3cret\n", 0o600)
	local := func(host string) string {
		return fmt.Sprintf("{name: %s, local: true, root: %q}", host, filepath.Join(dir, host))
	}
	cfg := mustConfig(t, configText(server.Addr(), "#push", filepath.Join(dir, "state"), "", stackText{name: "web", repo: code.dir, root: dir + "/none", princess: local("p1"), prod: local("w1")})+
		fmt.Sprintf("tell: {webhooks: [{url: \"http://%s/\", secret_file: %q}, {url: %q, secret_file: %[2]q}], statsd: %[4]q}\n", mute.Addr(), secret, good.URL, statsd.LocalAddr()))
	next := func(what string, is func(bot.Entry) bool) {
		t.Helper()
		select {
		case e := <-came:
			if !is(e) {
				t.Errorf("it is told %s; want %s", e, what)
			}
		case <-time.After(irctest.Patience):
			t.Errorf("it is not told of %s", what)
		}
	}

	stop := startBot(t, cfg)
	alice := joined(t, server.Addr(), "alice")
	alice.Say("#push", ".join")
	alice.Expect(`you're up`)
	alice.Say("#push", ".princess")
	alice.Expect(`web is on princess`)
	next("princess", func(e bot.Entry) bool { return e.Rollout == 1 && e.Stage == "princess" && e.Live() })
	buf := make([]byte, 1000)
	if err := statsd.SetReadDeadline(time.Now().Add(irctest.Patience)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := statsd.ReadFrom(buf); string(buf[:n]) != "deploys.web.princess:1|c" {
		t.Errorf("StatsD hears %q, %v", buf[:n], err)
	}
	alice.Say("#push", `.log "lunch"`)
	next("lunch", func(e bot.Entry) bool { return e.By == "alice" && e.Text == "lunch" })
	began := time.Now()
	stop()
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the bot's end took %s", took)
	}

	startBot(t, cfg)
	alice.Say("#push", `.log "again"`)
	next("again", func(e bot.Entry) bool { return strings.HasPrefix(e.Text, "again") })
	if len(came) > 0 {
		t.Errorf("%d entries were told twice", len(came))
	}
}
