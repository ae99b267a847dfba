package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/bot/store"
	"pushtrain/train"
)

// memory is what an idle bot takes that has started with a long journal.
func (f *figures) memory(t *testing.T) {
	n := f.pick(10_000, 300)
	server, watcher := room(t)
	state := t.TempDir()
	h := newHistory(t)
	for len(h.recs) < n {
		h.push()
	}
	h.write(filepath.Join(state, "journal.db"))
	pid := f.serve(t, configText(server.Addr(), "#push", state, "",
		stackText{name: "web", repo: "/nowhere.git", root: "/srv/web", princess: "p1", prod: "w1"}), watcher)

	f.add(fmt.Sprintf("memory of the bot with %d journal records", len(h.recs)), "in the channel", "%s", memoryOf(t, pid))
	watcher.Say("pushbot", "stats 90d")
	watcher.Expect(fmt.Sprintf(`NOTICE watcher :.*\b%d pushes`, h.pushes)) // it has read them all
	idle := time.Duration(f.pick(30, 1)) * time.Second
	<-time.After(idle) // that is the figure: nothing happens for so long
	m := memoryOf(t, pid)
	f.add("", fmt.Sprintf("idle for %s (aim: VmRSS under 30 MB)", idle), "%s", m)
	if m.rss < 1<<20 || m.anon+m.file > m.rss+1<<20 {
		t.Errorf("that is no memory of a process: %+v", m)
	}
}

// memoryFigure is in bytes: all that is resident, and its two parts.
type memoryFigure struct{ rss, anon, file, highest int }

func (m memoryFigure) String() string {
	return fmt.Sprintf("VmRSS %.1f MB = RssAnon %.1f (heap, stacks) + RssFile %.1f (program, journal); highest %.1f",
		float64(m.rss)/1e6, float64(m.anon)/1e6, float64(m.file)/1e6, float64(m.highest)/1e6)
}

func memoryOf(t testing.TB, pid int) memoryFigure {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var m memoryFigure
	for name, to := range map[string]*int{"VmRSS:": &m.rss, "RssAnon:": &m.anon, "RssFile:": &m.file, "VmHWM:": &m.highest} {
		_, rest, _ := strings.Cut(string(status), "\n"+name)
		if _, err := fmt.Sscanf(rest, "%d kB", to); err != nil {
			t.Fatalf("%s of process %d: %v", name, pid, err)
		}
		*to *= 1024
	}
	return m
}

// history is a journal in the making: what the train core says to the events of
// pushes, one every 20 minutes, that end now.
type history struct {
	t      testing.TB
	state  train.State
	at     time.Time
	step   time.Duration // between two events
	by     train.Who
	recs   []store.Record
	pushes int
}

func newHistory(t testing.TB) *history {
	h := &history{t: t, step: time.Minute, at: time.Now().Add(-80 * 24 * time.Hour)}
	stages := []train.Stage{{Name: "princess"}, {Name: "prod"}}
	h.apply(train.Configured{Rules: train.Rules{Cap: 8, Idle: 15 * time.Minute, Identity: "auto", Stacks: []train.Stack{{Name: "web", Stages: stages}}}})
	return h
}

// apply adds the record that the bot would write of an event.
func (h *history) apply(e train.Event) {
	h.t.Helper()
	h.at = h.at.Add(h.step)
	in := train.Input{At: h.at, By: h.by, Event: e}
	next, effects, err := h.state.Apply(in)
	if err != nil {
		h.t.Fatalf("%T: %v", e, err)
	}
	h.state = next
	type named struct { // as package bot keeps effects
		Type string
		Body any
	}
	var facts []named
	for _, f := range effects {
		facts = append(facts, named{train.TypeName(f), f})
	}
	rec := store.Record{At: in.At, Kind: "train", Type: train.TypeName(e), Body: h.json(map[string]any{"By": in.By, "Event": e})}
	if len(facts) > 0 {
		rec.Facts = h.json(facts)
	}
	if back, err := bot.Input(rec); err != nil || train.TypeName(back.Event) != rec.Type {
		h.t.Fatalf("the bot can't read the record of %s: %v", rec.Type, err)
	}
	h.recs = append(h.recs, rec)
}

func (h *history) json(v any) json.RawMessage {
	h.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// says applies an event of a person, and the topic as the channel shows it then.
func (h *history) says(nick string, e train.Event) {
	h.t.Helper()
	before := h.state.Topic()
	h.by = train.Who{Nick: nick, User: "~" + nick, Host: nick + ".example.net"}
	h.apply(e)
	h.by = train.Who{}
	h.shown(before)
}

func (h *history) shown(before string) {
	h.t.Helper()
	if now := h.state.Topic(); now != before {
		h.apply(train.Shown{Text: now})
	}
}

// push is one train of three from its first `.join` to its `.done`.
func (h *history) push() {
	h.t.Helper()
	h.pushes++
	riders := []string{fmt.Sprintf("alice%d", h.pushes%40), fmt.Sprintf("bob%d", h.pushes%30), fmt.Sprintf("carol%d", h.pushes%20)}
	h.says(riders[0], train.Join{})
	h.says(riders[1], train.Join{With: riders[0]})
	h.says(riders[2], train.Join{With: riders[0]})
	for _, stage := range []string{"princess", "prod"} {
		h.says(riders[0], train.Step{Stage: stage})
		before := h.state.Topic()
		ship := train.Shipment{Stack: "web", Commit: fmt.Sprintf("%040x", h.pushes), Release: fmt.Sprintf("%012x", h.pushes), Digest: fmt.Sprintf("%064x", h.pushes)}
		h.apply(train.Pinned{Train: h.state.Last, Shipment: ship})
		h.apply(train.Ended{Stack: "web", Stage: stage, Outcome: train.OutDone, Shipment: ship})
		h.shown(before)
		for _, r := range riders {
			h.says(r, train.Vote{Mark: train.Good})
		}
	}
	h.says(riders[0], train.Done{})
}

// write makes the journal, as the bot would have it.
func (h *history) write(path string) {
	h.t.Helper()
	s, err := store.Open(path)
	if err != nil {
		h.t.Fatal(err)
	}
	for left := h.recs; len(left) > 0; {
		batch := left[:min(len(left), 200)]
		left = left[len(batch):]
		if err := s.Commit(batch, map[string][]byte{"train": h.json(h.state)}); err != nil {
			h.t.Fatal(err)
		}
	}
	if s.Last() != uint64(len(h.recs)) {
		h.t.Errorf("%d records in the journal, want %d", s.Last(), len(h.recs))
	}
	if err := s.Close(); err != nil {
		h.t.Fatal(err)
	}
}
