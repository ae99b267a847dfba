package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// While a vigil is kept, paths are not looked at: the proof is a record of which no
// stamp is right. Whatever is done in the side ends it.
func TestVigil(t *testing.T) {
	for name, c := range map[string]struct {
		before, do func(side string) error // before the look, behind it
		looks      bool                    // the next time
	}{
		"nothing":                {},
		"a read":                 {do: func(side string) error { _, err := os.ReadFile(side + "/lib/b"); return err }},
		"something beside it":    {do: func(side string) error { return os.WriteFile(side+"/../file", nil, 0o644) }},
		"a write":                {do: func(side string) error { return os.WriteFile(side+"/lib/b", []byte("two"), 0o644) }, looks: true},
		"a write, and back":      {do: rewrite, looks: true},
		"a time":                 {do: func(side string) error { return os.Chtimes(side+"/a", time.Now(), time.Now()) }, looks: true},
		"a mode":                 {do: func(side string) error { return os.Chmod(side+"/lib", 0o700) }, looks: true},
		"the side's mode":        {do: func(side string) error { return os.Chmod(side, 0o700) }, looks: true},
		"a new file":             {do: func(side string) error { return os.WriteFile(side+"/lib/c", nil, 0o644) }, looks: true},
		"a new folder":           {do: func(side string) error { return os.Mkdir(side+"/lib/c", 0o755) }, looks: true},
		"a file that goes":       {do: func(side string) error { return os.Remove(side + "/a") }, looks: true},
		"a folder that is moved": {do: func(side string) error { return os.Rename(side+"/lib", side+"/../lib") }, looks: true},
		"a side that is moved":   {do: func(side string) error { return os.Rename(side, side+"-old") }, looks: true},
		"a side in its place": {do: func(side string) error {
			if err := os.Rename(side, side+"-old"); err != nil {
				return err
			}
			return os.Mkdir(side, 0o755)
		}, looks: true},
		"a root in its place": {do: func(side string) error {
			root := filepath.Dir(side)
			if err := os.Rename(root, root+"-old"); err != nil {
				return err
			}
			return os.MkdirAll(side, 0o755)
		}, looks: true},
		"a file with another link": {before: func(side string) error { return os.Link(side+"/a", side+"/../a") }, looks: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := filepath.Join(t.TempDir(), "root")
			put(t, root, map[string]string{"yin/a": "one", "yin/lib/b": "one"})
			side := filepath.Join(root, "yin")
			if c.before != nil {
				must(t, c.before(side))
			}
			s := &session{path: root}
			defer s.close()
			must(t, s.open(false))
			r := recordOf(t, s, deploy.Yin)
			wrong := record{r.tree, r.digest, make([]release.Stamp, len(r.stamps))}
			if s.intact(t.Context(), deploy.Yin, wrong) || !s.intact(t.Context(), deploy.Yin, r) {
				t.Fatal("a look finds what is not so")
			}
			if c.do != nil {
				must(t, c.do(side))
			}
			must(t, s.open(false))
			if looks := !s.intact(t.Context(), deploy.Yin, wrong); looks != c.looks {
				t.Errorf("looked = %v", looks)
			}
		})
	}
}

// Of what was done behind more than the kernel keeps, nothing is known.
func TestVigilOverflow(t *testing.T) {
	root := t.TempDir()
	for _, side := range []string{"yin", "yang"} {
		put(t, root, map[string]string{side + "/a": "one", side + "/lib/b": "one"})
	}
	s := &session{path: root}
	defer s.close()
	must(t, s.open(false))
	r := recordOf(t, s, deploy.Yin)
	wrong := record{r.tree, r.digest, make([]release.Stamp, len(r.stamps))}
	if !s.intact(t.Context(), deploy.Yin, r) || !s.intact(t.Context(), deploy.Yang, recordOf(t, s, deploy.Yang)) {
		t.Fatal("a look finds what is not so")
	}
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	most, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	for range most {
		must(t, rewrite(filepath.Join(root, "yang")))
	}
	must(t, rewrite(filepath.Join(root, "yin")))
	if s.intact(t.Context(), deploy.Yin, wrong) {
		t.Error("it did not look")
	}
}

// Where the kernel can't say what is done, each time is looked.
func TestVigilBlind(t *testing.T) {
	root := t.TempDir()
	put(t, root, map[string]string{"yin/a": "one", "yang/a": "one"})
	s := &session{path: root, vigil: vigil{fd: -1}}
	defer s.close()
	must(t, s.open(false))
	r := recordOf(t, s, deploy.Yin)
	for range 2 {
		if !s.intact(t.Context(), deploy.Yin, r) || s.intact(t.Context(), deploy.Yin, record{r.tree, r.digest, make([]release.Stamp, len(r.stamps))}) {
			t.Fatal("it did not look")
		}
	}
}

func rewrite(side string) error { return os.WriteFile(side+"/lib/b", []byte("one"), 0o644) }

// recordOf returns what the side holds now, when its files are old enough for stamps.
func recordOf(t *testing.T, s *session, side deploy.Side) record {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		m, known, err := s.look(t.Context(), side, nil)
		must(t, err)
		if r := newRecord(m, m.Digest(), known); len(r.known()) == m.Files() {
			return r
		}
		if time.Now().After(deadline) {
			t.Fatal("no stamp is kept")
		}
	}
}

// TestVigilLeavesWatches: a side of more folders than its share of watches gets none, and keeps none.
func TestVigilLeavesWatches(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	put(t, root, map[string]string{"yin/a/f": "", "yin/b/f": ""})
	dirs := []string{"yin", "yin/a", "yin/b"}
	for most, kept := range map[int]bool{len(dirs): true, len(dirs) - 1: false} {
		var v vigil
		top, err := os.Open(filepath.Join(root, "yin"))
		must(t, err)
		defer top.Close()
		v.begin(deploy.Yin, top)
		v.most = most
		for _, dir := range dirs {
			d, err := os.Open(filepath.Join(root, dir))
			must(t, err)
			v.watch(int(d.Fd()))
			d.Close()
		}
		v.keep(deploy.Yin, seen{})
		if _, over := v.over[deploy.Yin]; over != kept || !kept && len(v.sides) > 0 {
			t.Errorf("of %d watches: kept %v, %d left", most, over, len(v.sides))
		}
		v.close()
	}
}
