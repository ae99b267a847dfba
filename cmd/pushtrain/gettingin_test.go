package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
)

// TestDoctorGettingIn: why the bot can't come in, with the cure; and what becomes of
// a server that asks for TLS, over a restart.
func TestDoctorGettingIn(t *testing.T) {
	t.Parallel()
	ca, other := irctest.NewAuthority(t), irctest.NewAuthority(t)
	now, day := time.Now(), 24*time.Hour
	n := irctest.Inspircd(t, irctest.NetworkOptions{STS: true, Certs: []irctest.Cert{
		ca.Sign("127.0.0.1", now), other.Sign("127.0.0.1", now), ca.Sign("irc.other.test", now), ca.Sign("127.0.0.1", now.Add(-2*day)),
	}})
	registrar := irctest.Dial(t, n.Addr(1), "registrar")
	registrar.Register("pushbot") // under that nick
	registrar.Send("NICK registrar")
	registrar.Sync()
	dir := t.TempDir()
	right, wrong := filepath.Join(dir, "right"), filepath.Join(dir, "wrong")
	write(t, right, "secret\n", 0o600)
	write(t, wrong, "hunter22\n", 0o600)
	config := func(server string, tls bool) Config {
		c := queueConfig(t, server, filepath.Join(dir, "state"))
		c.IRC.TLS, c.IRC.CAFile = tls, ca.File
		c.IRC.SASL = SASLConfig{Mechanism: "plain", Account: "pushbot", PasswordFile: right}
		return c
	}
	for name, c := range map[string]struct {
		server     string
		change     func(*IRCConfig)
		text, cure string
	}{
		"authority": {server: n.TLSAddr(1), text: "unknown authority", cure: "irc.ca_file has to hold"},
		"name":      {server: n.TLSAddr(2), text: "doesn't contain any IP SANs", cure: "irc.server has to call"},
		"expired":   {server: n.TLSAddr(3), text: "has expired", cure: "renewed; if it is a good one, this machine's clock"},
		"nobody":    {server: "127.0.0.1:1", text: "connection refused", cure: "nothing listens"},
		"password":  {server: n.TLSAddr(0), change: func(c *IRCConfig) { c.SASL.PasswordFile = wrong }, text: "SASL login is refused", cure: "irc.sasl"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(c.server, true)
			if c.change != nil {
				c.change(&cfg.IRC)
			}
			found := enter(t.Context(), cfg)
			if len(found) != 1 || found[0].Grade != fail || !strings.Contains(found[0].Text, c.text) || !strings.Contains(found[0].Cure, c.cure) {
				t.Errorf("%v, want %s; %s", found, c.text, c.cure)
			}
		})
	}

	tap := irctest.NewTap(t, n.Addr(0))
	cfg := config(tap.Addr, false)
	asks := func(text string) {
		t.Helper()
		found := enter(t.Context(), cfg)
		if len(found) < 2 || found[0].Grade != warn || !strings.Contains(found[0].Text, text) || !strings.Contains(found[0].Cure, "tls: false") || !strings.Contains(found[1].Text, "over TLS") {
			t.Errorf("%v, want %s", found, text)
		}
	}
	asks("the server asks for TLS (STS)")
	watcher := joined(t, n.Addr(1), "watcher")
	for range 2 {
		stop := startBot(t, cfg)
		watcher.Expect(`^:pushbot!\S+ JOIN `)
		stop()
	}
	asks("has asked for TLS (STS), and is reached as " + n.TLSAddr(0))
	if want := strings.Repeat("CAP LS 302\r\n", 2); tap.Sent() != want || tap.Links() != 2 {
		t.Errorf("in plain text, on %d links: %q", tap.Links(), tap.Sent())
	}
	cfg.IRC.Server = n.Addr(0) // another server
	if at, err := upgraded(cfg); at != "" || err != nil {
		t.Errorf("what another server has asked for is remembered: %s, %v", at, err)
	}
}
