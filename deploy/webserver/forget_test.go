package webserver_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// first is how many requests find a changed side first, all at once.
const first = 12

// TestForget: what before_flip is for. When all scripts of a side have changed and
// many requests are the first to find that, PHP's opcode cache may give one of them
// the old code; never when it was told to forget before. How often it does without
// is chance, and is printed.
func TestForget(t *testing.T) {
	rounds := 25
	if *soakDir != "" {
		rounds = 1000
	}
	for _, u := range setups {
		if !u.php() || u.reloads() || *soakDir == "" && !u.sampled() {
			continue
		}
		t.Run(slug(u.name), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 0)
			s.ship()
			s.ship()
			server := u.start(t, s, knobs{slow: 24 * time.Millisecond})
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: first}, Timeout: patience}
			defer client.CloseIdleConnections()
			r := &run{t: t, site: s}
			for _, told := range []bool{false, true} {
				wrong := 0
				for range rounds {
					wrong += r.stampede(client, server, told)
				}
				t.Logf("%s, told to forget: %v: %d answers, %d with old code", u.name, told, rounds*first, wrong)
				if told && wrong > 0 {
					t.Error("it got old code")
				}
				if !told && wrong == 0 && *soakDir != "" {
					t.Error("it is wrong, and was not seen failing")
				}
			}
		})
	}
}

// stampede ships a release without ado and returns how many of its first requests got something else.
func (w *run) stampede(client *http.Client, server *started, told bool) (wrong int) {
	w.t.Helper()
	_, idle := w.site.live()
	side, release := filepath.Join(w.site.root, idle), w.site.next()
	pages(w.t, side, release)
	// A time of its own for each release, and so long ago that PHP caches it at once.
	at := time.Now().Add(-24 * time.Hour).Add(time.Duration(w.site.n) * 2 * time.Second)
	err := filepath.WalkDir(side, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, at, at)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if told {
		server.get("pushtrain-forget")
	}
	w.flip(idle)
	answers := make([]answer, first)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i].read(client, server.fast[i%len(server.fast)]) })
	}
	all.Wait()
	for _, a := range answers {
		if a.err != "" {
			w.t.Error(a.err)
		} else if a.release != release {
			wrong++
		}
	}
	return wrong
}
