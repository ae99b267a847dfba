package main

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/train"
)

// topic is how long a command takes to show in the topic, for another client. In
// turn with it, each a pause after the other: how long the server takes from one
// raw client to another; how long one update of a bbolt file takes for as many
// bytes as the command's record has, on the same disk; and how long the journal
// takes for that record with the snapshots that the bot writes beside it.
func (f *figures) topic(t *testing.T) {
	server, watcher := room(t)
	f.serve(t, configText(server.Addr(), "#push", t.TempDir(), "",
		stackText{name: "web", repo: "/nowhere.git", root: "/srv/web", princess: "p1", prod: "w1"}), watcher)
	alice := joined(t, server.Addr(), "alice")
	alice.Say("#push", ".join")
	topic(watcher, "alice")
	here, there := irctest.Dial(t, server.Addr(), "here"), irctest.Dial(t, server.Addr(), "there")
	h := newHistory(t)
	h.says("alice", train.Join{})
	h.says("alice", train.Note{Text: "n100"})
	h.recs = h.recs[len(h.recs)-2:] // the note, and the topic as the channel shows it then
	update, size := updates(t, h)
	commit := commits(t, h)

	// The four steps are 0.6 s: the bot sends no more than 3 TOPICs in 1.2 s.
	pause := time.NewTicker(150 * time.Millisecond)
	defer pause.Stop()
	var took [4][]time.Duration // command, echo, update, commit
	steps := []func(i int){
		func(i int) {
			alice.Say("#push", fmt.Sprintf(`.message "n%d"`, i))
			watcher.ExpectFunc(irctest.Patience, "the topic", func(line string) bool {
				return strings.Contains(line, " TOPIC #push ") && strings.HasSuffix(line, fmt.Sprintf(`:alice !! "n%d"`, i))
			})
		},
		func(i int) {
			here.Say("there", fmt.Sprintf("n%d", i))
			there.ExpectFunc(irctest.Patience, "the echo", func(line string) bool { return strings.HasSuffix(line, fmt.Sprintf(":n%d", i)) })
		},
		update,
		commit,
	}
	const warm = 3 // rounds that do not count
	for i := range warm + f.pick(250, 5) {
		for k, step := range steps {
			<-pause.C
			start := time.Now()
			step(i)
			if i >= warm {
				took[k] = append(took[k], time.Since(start))
			}
		}
		for _, c := range []*irctest.Client{watcher, alice, here, there} {
			c.Sync() // all is read, and the server hears from everybody
		}
	}

	command, floor, own := took[0], make([]time.Duration, len(took[0])), make([]time.Duration, len(took[0]))
	for i := range command {
		floor[i] = took[1][i] + took[2][i]
		own[i] = 2*took[1][i] + took[3][i]
	}
	row := func(name string, d []time.Duration) {
		f.add("", name, "p50 %s, p99 %s", ms(quantile(d, 50)), ms(quantile(d, 99)))
	}
	against := func(name string, d []time.Duration) {
		f.add("", name, "%.2f at p50, %.2f at p99", ratio(quantile(command, 50), quantile(d, 50)), ratio(quantile(command, 99), quantile(d, 99)))
	}
	f.add("command -> topic seen by another client: ngircd on loopback, journal synced", "commands", "%d, one each 0.6 s", len(command))
	row("command -> topic", command)
	row("echo: PRIVMSG from one raw client to another", took[1])
	row(fmt.Sprintf("update: one of bbolt, a record of %d bytes", size), took[2])
	row("commit: the journal's, the same record and two snapshots", took[3])
	against("command : echo + update (aim: 1.5 at p50)", floor)
	against("command : 2 echoes + commit, which is what it consists of", own)
	if quantile(command, 50) < quantile(took[2], 1) {
		t.Error("a command shows before its record can be on the disk")
	}
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// updates returns a func that puts the first record of h into a bbolt file, and its size.
func updates(t testing.TB, h *history) (update func(i int), size int) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "one.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if db.NoSync || db.NoFreelistSync {
		t.Fatal("bbolt does not sync")
	}
	bucket := []byte("records")
	if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(bucket); return err }); err != nil {
		t.Fatal(err)
	}
	value := h.json(h.recs[0])
	return func(i int) {
		if err := db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(bucket).Put(binary.BigEndian.AppendUint64(nil, uint64(i)), value)
		}); err != nil {
			t.Fatal(err)
		}
	}, len(value)
}

// commits returns a func that commits the first record of h to a journal, as the bot does.
func commits(t testing.TB, h *history) func(int) {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	snapshots := map[string][]byte{"train": h.json(h.state), "deploy": h.json(deploy.Book{})}
	return func(int) {
		if err := s.Commit(h.recs[:1], snapshots); err != nil {
			t.Fatal(err)
		}
	}
}
