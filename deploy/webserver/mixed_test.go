package webserver_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestMixed has every server serve through flips under load, as the README says
// and in each of the wrong ways. As it should be, no answer is an error, mixed or
// stale; each wrong way is seen failing by the same count.
func TestMixed(t *testing.T) {
	var mu sync.Mutex
	var rows []Row // guarded by mu
	t.Cleanup(func() {
		slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.Server, b.Server) })
		table := tableHead
		for _, r := range rows {
			table += "\n" + r.String()
		}
		t.Log("\n" + table)
	})
	for _, u := range setups {
		t.Run(slug(u.name), func(t *testing.T) {
			t.Parallel()
			for _, w := range ways {
				if !w.of(u) || *soakDir == "" && !(u.sampled() && (w.name == ways[0].name || w.name == u.wrong())) {
					continue
				}
				t.Run(slug(w.name), func(t *testing.T) {
					r := soaked(t, w, u)
					mu.Lock()
					rows = append(rows, r)
					mu.Unlock()
					judge(t, w, r)
				})
			}
		})
	}
}

// slug makes a name fit for a file, and for a path in a configuration.
func slug(name string) string {
	return strings.Join(strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" ,+=", r) }), "-")
}

// sampled reports whether a run that is no soak looks at the setup.
func (u setup) sampled() bool { return u.name == "nginx + php-fpm" || u.name == "Apache + mod_php" }

// wrong is the wrong way that a run that is no soak looks at.
func (u setup) wrong() string {
	if u.mod {
		return "no pin"
	}
	return "no drain"
}

// judge says what was counted, and whether that may be.
func judge(t *testing.T, w way, r Row) {
	t.Log(r)
	switch {
	case w.right && w.seen(r) != 0:
		t.Errorf("%d errors (%s), %d mixed, %d stale", r.Errors, r.First, r.Mixed, r.Stale)
	case !w.right && w.seen(r) == 0:
		t.Error("it is wrong, and was not seen failing")
	}
	if r.Slows < r.Flips {
		t.Errorf("%d slow requests through %d flips: that is no load", r.Slows, r.Flips)
	}
}

// soaked measures, or returns what a soak by this very program has measured before.
func soaked(t *testing.T, w way, u setup) Row {
	if *soakDir == "" {
		return w.measure(t, u, sample)
	}
	path := filepath.Join(*soakDir, slug(u.name+" "+w.name)+".json")
	var kept struct {
		Program string // SHA-256 of the test program
		Row     Row
	}
	program := ownSum(t)
	data, err := os.ReadFile(path)
	if err == nil && json.Unmarshal(data, &kept) == nil && kept.Program == program {
		t.Logf("measured before: %s", path)
		return kept.Row
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	kept.Program, kept.Row = program, w.measure(t, u, full)
	if t.Failed() {
		return kept.Row
	}
	if data, err = json.Marshal(kept); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(data))
	return kept.Row
}

// ownSum names the program that runs.
func ownSum(t *testing.T) string {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
