package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/bot/store"
)

// stats is how soon a bot with a long journal is in the channel, and says what was in
// it: the first time, when no tally is saved, and each time after.
func (f *figures) stats(t *testing.T) {
	n := f.pick(1_000_000, 3_000)
	server, watcher := room(t)
	state := t.TempDir()
	path := filepath.Join(state, "journal.db")
	events, pushes := longHistory(t, path, n, 30*time.Second)
	config := configText(server.Addr(), "#push", state, "",
		stackText{name: "web", repo: "/nowhere.git", root: "/srv/web", princess: "p1", prod: "w1"})

	group := fmt.Sprintf("a journal of %d events, %d pushes, one event every 30 s", events, pushes)
	var first string
	for _, start := range []string{"first start, no tally saved: in the channel after", "each later start (aim: 5 s)"} {
		t.Run(start, func(t *testing.T) { // the bot ends with it
			began := time.Now()
			pid := f.serve(t, config, watcher)
			f.add(group, start, "%.1f s", time.Since(began).Seconds())
			group = ""
			if _, err := bot.Call(t.Context(), state, bot.Request{Do: "log", By: "test", Text: "hello"}, func(bot.Reply) {}); err != nil {
				t.Fatal(err) // it is journalled, and the tally saved with it
			}
			var took []time.Duration
			for range f.pick(20, 3) {
				asked := time.Now()
				says := askStats(t, state)
				took = append(took, time.Since(asked))
				if first == "" {
					first = says
				}
				if says != first {
					t.Errorf("stats say %s, and said %s", says, first)
				}
			}
			f.add("", "`stats 30d` through its socket, 20 times (aim: 100 ms)", "p50 %s, longest %s", ms(quantile(took, 50)), ms(quantile(took, 100)))
			f.add("", "memory", "%s", memoryOf(t, pid))
		})
	}
}

// askStats returns what the bot says to `stats 30d`, without the moment at which it says so.
func askStats(t *testing.T, state string) string {
	t.Helper()
	var data any
	if _, err := bot.Call(t.Context(), state, bot.Request{Do: "stats", By: "test", Text: "30d"}, func(r bot.Reply) { data = r.Data }); err != nil {
		t.Fatal(err)
	}
	said, ok := data.(map[string]any)
	if !ok || said["pushes"].(float64) == 0 {
		t.Fatalf("stats say %v", data)
	}
	delete(said, "to")
	out, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// longHistory makes a journal of at least n records, one every step, that ends now.
func longHistory(t *testing.T, path string, n int, step time.Duration) (events, pushes int) {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	h := newHistory(t)
	h.step = step
	h.at = time.Now().Add(-time.Duration(n+100) * step)
	flush := func() {
		t.Helper()
		if err := s.Commit(h.recs, map[string][]byte{"train": h.json(h.state)}); err != nil {
			t.Fatal(err)
		}
		h.recs = h.recs[:0]
	}
	for int(s.Last())+len(h.recs) < n {
		if h.push(); len(h.recs) > 5000 {
			flush()
		}
	}
	flush()
	events = int(s.Last())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return events, h.pushes
}
