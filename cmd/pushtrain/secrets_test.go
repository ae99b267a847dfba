package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/ircd"
)

// TestSecretsStay: what the files of secrets hold goes to whom it is for and nowhere
// else: not into the log, however much is logged, not into the journal, its copies and
// the run logs, not into the channel, and not into any process's arguments or
// environment.
func TestSecretsStay(t *testing.T) {
	needForTest(t, "rsync", "rsync")
	kept := map[string]string{"sasl": "hunter-2-of-sasl", "server": "shibboleth-of-server", "hook": "signs-the-webhook"}
	server, err := ircd.Listen("127.0.0.1:0", ircd.Options{Accounts: map[string]string{"bot": kept["sasl"]}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	signed := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { signed <- r.Header.Get("X-Pushtrain-Signature") }))
	defer hook.Close()
	hosts, code, state, given, own, seen := t.TempDir(), newRepo(t), t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	write(t, filepath.Join(given, "sasl"), kept["sasl"]+"\n", 0o440) // a systemd credential
	write(t, filepath.Join(own, "server"), kept["server"]+"\n", 0o600)
	write(t, filepath.Join(own, "hook"), kept["hook"]+"\n", 0o600)
	code.write("test", 0o755, "#!/bin/sh\ncat /proc/[0-9]*/cmdline /proc/[0-9]*/environ >"+seen+"/processes 2>/dev/null\ntrue\n")
	code.commit("r1")
	text := configText(server.Addr(), "#push", state, "", stackText{name: "web", repo: code.dir, root: "/srv/unused",
		princess: "{name: p1, local: true, root: " + hosts + "/p1}", prod: "{name: w1, local: true, root: " + hosts + "/w1}"})
	text = strings.Replace(text, "ops: [boss]", fmt.Sprintf("identity: hostmask, password_file: %s/server, sasl: {mechanism: plain, account: bot, password_file: sasl}", own), 1)
	bot := newServed(t, filepath.Join(t.TempDir(), "config.yaml"))
	bot.write(text + fmt.Sprintf("tell: {webhooks: [{url: %q, secret_file: %s/hook}]}\n", hook.URL, own))
	t.Setenv("CREDENTIALS_DIRECTORY", given)
	alice := irctest.Dial(t, server.Addr(), "alice")
	alice.Join("#push")
	bot.start("-v")
	alice.Expect(`pushbot!\S* JOIN `)
	alice.Say("#push", ".join")
	alice.Say("#push", ".princess")
	alice.ExpectFunc(irctest.Patience, "web is on princess", func(line string) bool {
		for name, secret := range kept {
			if strings.Contains(line, secret) {
				t.Errorf("what %s holds is said: %s", name, line)
			}
		}
		return strings.Contains(line, "web is on princess")
	})
	select {
	case by := <-signed:
		if by == "" {
			t.Error("the webhook's call was not signed")
		}
	case <-time.After(irctest.Patience):
		t.Error("the webhook was not called")
	}
	bot.signal(os.Interrupt)
	bot.over()

	for name, secret := range kept {
		looked := 0
		for _, dir := range []string{state, seen, filepath.Dir(bot.log.Name()), hosts} {
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				data, err := os.ReadFile(path)
				looked += len(data)
				if bytes.Contains(data, []byte(secret)) {
					t.Errorf("what %s holds is in %s", name, path)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		if looked < 1<<16 {
			t.Errorf("there were only %d bytes to look at", looked)
		}
	}
	if said, err := os.ReadFile(filepath.Join(seen, "processes")); err != nil || !bytes.Contains(said, []byte(bot.config)) {
		t.Errorf("the bot was not among the processes that were looked at: %v", err)
	}
}

// TestKeyFile: the key of the bot's certificate is as secret as a password.
func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	cfg := IRCConfig{Server: "irc.example.net:6697", CertFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key")}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cfg.CertFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), 0o644)
	write(t, cfg.KeyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600)
	if c, err := tlsConfig(cfg); err != nil || len(c.Certificates) != 1 {
		t.Errorf("a key of its own: %v", err)
	}
	if err := os.Chmod(cfg.KeyFile, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := tlsConfig(cfg); err == nil || !strings.Contains(err.Error(), "read irc.key_file: others may read "+cfg.KeyFile) {
		t.Errorf("a key that others may read: %v", err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	cfg.KeyFile = "key"
	if _, err := tlsConfig(cfg); err != nil {
		t.Errorf("a key that systemd gives: %v", err)
	}
}
