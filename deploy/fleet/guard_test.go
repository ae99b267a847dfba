package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pushtrain/deploy"
)

// tree is a manifest of n files of so many bytes, in a folder.
func tree(from, n int, size int64) deploy.Manifest {
	m := deploy.Manifest{Entries: []deploy.Entry{{Path: "d", Type: deploy.Dir}}}
	for i := range n {
		m.Entries = append(m.Entries, deploy.Entry{Path: fmt.Sprintf("d/%06d", from+i), Type: deploy.File, Size: size})
	}
	return m
}

func TestChange(t *testing.T) {
	for _, c := range []struct {
		name      string
		was, next deploy.Manifest
		want      string // "" = it may go
	}{
		{"the same", tree(0, 100, 1), tree(0, 100, 1), ""},
		{"nothing was there", deploy.Manifest{}, tree(0, 1, 1), ""},
		{"30 %", tree(0, 100, 1), tree(0, 70, 1), ""},
		{"31 %", tree(0, 100, 1), tree(0, 69, 1), "the release has 69 files, web1 serves 100: 31 % would be deleted"},
		{"hardly more than 30 %", tree(0, 1000, 1), tree(0, 699, 1), "the release has 699 files, web1 serves 1,000: 31 % would be deleted"},
		{"most", tree(0, 9987, 1), tree(0, 12, 1), "the release has 12 files, web1 serves 9,987: 99 % would be deleted"},
		{"as many of other names", tree(0, 100, 1), tree(50, 100, 1), "the release has 100 files, web1 serves 100: 50 % would be deleted"},
		{"all of other names", tree(0, 100, 1), tree(100, 100, 1), "the release has 100 files, web1 serves 100: 100 % would be deleted"},
		{"few files", tree(0, 11, 1), tree(0, 1, 1), ""},
		{"not that few", tree(0, 12, 1), tree(0, 1, 1), "the release has 1 file, web1 serves 12: 92 % would be deleted"},
		{"no files", tree(0, 3, 1), tree(0, 0, 1), "the release has no files, web1 serves 3"},
		{"a tenth of the bytes", tree(0, 5, 1<<20), tree(0, 5, 1<<20/10), ""},
		{"less than a tenth", tree(0, 5, 1<<20), tree(0, 5, 1<<20/11), "the release has 476,625 bytes, web1 serves 5,242,880: less than a tenth"},
		{"few bytes", tree(0, 1, 1<<20-1), tree(0, 1, 0), ""},
		{"1 MiB", tree(0, 1, 1<<20), tree(0, 1, 0), "the release has 0 bytes, web1 serves 1,048,576: less than a tenth"},
		{"huge", tree(0, 1, 1<<62), tree(0, 1, 1<<61), ""},
	} {
		if got := changeOf(c.was, c.next).fault("web1"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestChangeTypes: a folder is no file, and a path that stays is not gone, whatever stands there.
func TestChangeTypes(t *testing.T) {
	was := tree(0, 100, 1)
	next := tree(0, 100, 1)
	for i := range next.Entries[1:] {
		e := &next.Entries[i+1]
		*e = deploy.Entry{Path: e.Path, Type: deploy.Link, Link: "x"}
	}
	if c := changeOf(was, next); c.had != 100 || c.has != 100 || c.gone != 0 {
		t.Errorf("files that become links: %+v", c)
	}
	for i := range next.Entries[1:] {
		next.Entries[i+1].Type, next.Entries[i+1].Link = deploy.Dir, ""
	}
	if c := changeOf(was, next); c.has != 0 || c.gone != 0 {
		t.Errorf("files that become folders: %+v", c)
	}
}

// TestGuardPasses: what may delete as much as it likes.
func TestGuardPasses(t *testing.T) {
	at := deploy.Target{Stack: "web", Stage: "prod"}
	was := deploy.Seal{Release: strings.Repeat("a", 12), Digest: "old"}
	e := deploy.Prepare{Host: "web1", Release: deploy.Release{ID: strings.Repeat("b", 12), Digest: "new"}}
	s := &stack{changes: changes{next: "new", from: map[string]change{"old": {had: 9987, has: 12, gone: 9980}}}}
	try := func(r deploy.Rollout) error {
		r.Target = at
		return deed{s: s, r: r, name: "web1", out: func(Line) {}}.guard(e)
	}
	hosts := []deploy.Host{{Name: "web0"}, {Name: "web1", Was: was}}
	const want = `the release has 12 files, web1 serves 9,987: 99 % would be deleted; if that is right: pushtrain deploy web prod --override "why"`
	if err := try(deploy.Rollout{Hosts: hosts}); err == nil || err.Error() != want {
		t.Errorf("guard = %v, want %q", err, want)
	}
	same := slices.Clone(hosts)
	same[1].Was.Digest = "new"
	first := []deploy.Host{{Name: "web1"}}
	for name, r := range map[string]deploy.Rollout{
		"an override":         {Hosts: hosts, Start: deploy.Start{Force: true}},
		"a rollback":          {Hosts: hosts, Start: deploy.Start{Back: true}},
		"a sync":              {Hosts: hosts, Start: deploy.Start{Sync: true}},
		"what was committed":  {Hosts: hosts, State: deploy.Flipping},
		"what it serves":      {Hosts: same},
		"what serves nothing": {Hosts: first},
	} {
		if err := try(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
