package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"pushtrain/bot"
	"pushtrain/bot/irc/irctest"
)

// TestRestore is the drill: the journal is lost. The bot does not begin a new one, it
// names the copy to go on from; with that the queue and the rollouts are right again,
// those who joined since the copy by the topic. Where only an older copy is left, the
// hosts' words tell that something is missing.
func TestRestore(t *testing.T) {
	needForTest(t, "rsync", "rsync")
	t.Parallel()
	server := irctest.Ngircd(t, irctest.Options{})
	hosts, code, state := t.TempDir(), newRepo(t), t.TempDir()
	code.commit("r1")
	journal := filepath.Join(state, "journal.db")
	served := newServed(t, filepath.Join(t.TempDir(), "config.yaml"))
	served.write(configText(server.Addr(), "#push", state, "", stackText{name: "web", repo: code.dir, root: "/srv/unused",
		princess: "{name: p1, local: true, root: " + hosts + "/p1}", prod: "{name: w1, local: true, root: " + hosts + "/w1}"}))
	alice, bob := joined(t, server.Addr(), "alice"), joined(t, server.Addr(), "bob")
	lose := func() {
		t.Helper()
		if err := served.c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-served.ended // it was killed
		if err := os.Remove(journal); err != nil {
			t.Fatal(err)
		}
	}
	served.start()
	alice.Expect(`pushbot!\S* JOIN :?#push`)
	alice.Say("#push", ".join")
	alice.Say("#push", ".princess")
	alice.Expect(`web is on princess`)
	copied := func(n int) []byte {
		var data []byte
		await(t, irctest.Patience, "a copy of the journal", func() bool {
			var err error
			data, err = os.ReadFile(filepath.Join(state, "backup", fmt.Sprintf("journal-%06d.db", n)))
			return err == nil
		})
		return data
	}
	early := copied(2) // the first is of when the bot came
	alice.Say("#push", ".prod")
	alice.Expect(`web is on prod`)
	copied(3)
	bob.Say("#push", ".join")
	topic(alice, "<prod> alice | bob")
	lose()

	code1, said := served.shell("run")
	named := regexp.MustCompile("`pushtrain restore (\\S+)`").FindStringSubmatch(said)
	if code1 != 3 || !strings.Contains(said, "it is missing, though there are copies of it") || named == nil {
		t.Fatalf("without its journal the bot ended with %d: %s", code1, said)
	}
	if code, said := served.shell("restore", named[1]); code != 0 {
		t.Fatalf("restore ended with %d: %s", code, said)
	}
	served.start()
	alice.Expect(`pushbot!\S* JOIN :?#push`)
	if code, said := served.shell("log", "verify"); code != 0 || !strings.Contains(said, "asked for what they were told: 2 hosts") {
		t.Errorf("log verify ended with %d: %s", code, said)
	}
	if _, said := served.shell("status"); !strings.Contains(said, "prod serves "+code.git("rev-parse", "HEAD")[:12]) {
		t.Errorf("after the restore: %s", said)
	}
	topic(alice, "<prod> alice | bob")
	if _, said := served.shell("queue"); !strings.Contains(said, "<prod> alice | bob") {
		t.Errorf("after the restore the queue is %s", said)
	}
	if _, said := served.shell("log"); !strings.Contains(said, shellUser()+" says: the journal was taken up from "+named[1]) {
		t.Errorf("the deploy log does not say who restored it: %s", said)
	}
	lose()

	// Only the copy of before the rollout to production is left.
	older := filepath.Join(t.TempDir(), "old.db")
	if err := os.WriteFile(older, early, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := served.shell("restore", older); code != 0 {
		t.Fatalf("restore ended with %d: %s", code, said)
	}
	if code, said := served.shell("log", "verify"); code != 3 || !regexp.MustCompile(`the journal ends before it, and a host was told of \d+ records`).MatchString(said) {
		t.Errorf("log verify of an older copy ended with %d: %s", code, said)
	}
	code.commit("r2")
	served.start()
	alice.Expect(`pushbot!\S* JOIN :?#push`)
	topic(alice, "<princess> alice | bob") // no hand makes a stage green
	alice.Say("#push", ".done")
	topic(alice, "bob")
	bob.Say("#push", ".princess")
	alice.Expect(`bob: web is on princess`)
	bob.Say("#push", ".prod")
	alice.Expect(`bob: web is on prod`)
	live, err := os.ReadFile(filepath.Join(hosts, "w1", "current", "parts", "1"))
	if err != nil || strings.TrimSpace(string(live)) != "r2" {
		t.Errorf("w1 serves %q, %v", live, err)
	}
}

// TestNewerJournal: a program that is older than the journal leaves it as it is, and
// ends so that no init system tries it again.
func TestNewerJournal(t *testing.T) {
	cfg := Config{StateDir: t.TempDir()}
	st, err := openStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(journalPath(cfg), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte("99")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(journalPath(cfg))
	if err != nil {
		t.Fatal(err)
	}
	var coded *exitError
	if _, err := openStore(cfg); !errors.As(err, &coded) || coded.code != bot.ExitLook || !strings.Contains(err.Error(), "start that version") {
		t.Errorf("openStore: %v", err)
	}
	if after, err := os.ReadFile(journalPath(cfg)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the journal is not as it was: %v", err)
	}
}

// TestNotAsRoot: root leaves no file in the bot's folder that the bot could not open.
func TestNotAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("only root can be somebody else: run the tests as root")
		}
		t.Skip("only root can be somebody else")
	}
	const nobody = 65534
	dir := t.TempDir()
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	var coded *exitError
	if _, err := openStore(Config{StateDir: dir}); !errors.As(err, &coded) || coded.code != exitUsage || !strings.Contains(err.Error(), "`runuser -u nobody -- pushtrain") {
		t.Errorf("openStore: %v", err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("it left %v, %v", list, err)
	}
}
