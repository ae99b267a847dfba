package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pushtrain/deploy"
)

// Every way to change a sealed side is seen, also where size and time are what they
// were: of the live side by a lock that is to prove it, of the other by what must
// come before a flip to it. The one that nobody was at keeps its seal.
func TestProve(t *testing.T) {
	need(t, "rsync")
	for name, change := range map[string]func(side string) error{
		"content": func(side string) error { return os.WriteFile(filepath.Join(side, "a"), []byte("other"), 0o644) },
		"content, of the same look": func(side string) error {
			p := filepath.Join(side, "a")
			info, err := os.Stat(p)
			return errors.Join(err, os.WriteFile(p, []byte("anE"), 0o644), os.Chtimes(p, info.ModTime(), info.ModTime()))
		},
		"another file in its place": func(side string) error {
			p := filepath.Join(side, "a")
			info, err := os.Stat(p)
			return errors.Join(err, os.WriteFile(p+".new", []byte("anE"), 0o644), os.Chtimes(p+".new", info.ModTime(), info.ModTime()), os.Rename(p+".new", p))
		},
		"mode":          func(side string) error { return os.Chmod(filepath.Join(side, "a"), 0o600) },
		"folder's mode": func(side string) error { return os.Chmod(filepath.Join(side, "lib"), 0o700) },
		"missing":       func(side string) error { return os.Remove(filepath.Join(side, "a")) },
		"extra":         func(side string) error { return os.WriteFile(filepath.Join(side, "lib", "c"), nil, 0o644) },
		"a link":        func(side string) error { return os.Symlink("a", filepath.Join(side, "l")) },
		"no side":       os.RemoveAll,
		"setuid":        func(side string) error { return os.Chmod(filepath.Join(side, "a"), 0o644|os.ModeSetuid) },
	} {
		for _, side := range []deploy.Side{deploy.Yin, deploy.Yang} {
			t.Run(name+" in "+string(side), func(t *testing.T) {
				t.Parallel()
				root := fast(t)
				one := newTree(t, "1", map[string]string{"a": "one", "lib/b": "one"})
				two := newTree(t, "2", map[string]string{"a": "one", "lib/b": "two"})
				p := dial(t, root)
				p.must(Request{Do: Hello})
				p.must(Request{Do: Lock})
				p.ship(root, "", deploy.Yin, one)
				p.ship(root, deploy.Yin, deploy.Yang, two)
				p.epoch = 2
				if st := p.must(Request{Do: Lock, Prove: true}).Standing; len(st.Sides) != 2 {
					t.Fatalf("sides that nobody was at are not proved: %+v", st)
				}
				if err := change(filepath.Join(root, string(side))); err != nil {
					t.Fatal(err)
				}
				p.epoch = 3
				if st := p.must(Request{Do: Lock}).Standing; name != "no side" && len(st.Sides) != 2 {
					t.Errorf("a lock that is not to prove has looked: %+v", st)
				}
				p.epoch = 4
				st := p.must(Request{Do: Lock, Prove: true}).Standing
				if side == deploy.Yin && name != "no side" {
					if resp := p.must(Request{Do: Prepare, Side: side, Seal: one.seal}); !resp.Ready {
						t.Errorf("prepare = %+v", resp)
					}
					p.refused(Request{Do: Seal, Side: side, Seal: one.seal}, Differs, "")
					p.refused(Request{Do: Flip, From: deploy.Yang, Side: side, Seal: one.seal}, Unsealed, "")
					st = p.must(Request{Do: Status}).Standing
				}
				if _, ok := st.Sides[side]; ok || len(st.Sides) != 1 {
					t.Errorf("after a change: %+v", st)
				}
				p.hangUp()
				if st := dial(t, root).must(Request{Do: Status}).Standing; len(st.Sides) != 1 {
					t.Errorf("the seal has come back: %+v", st)
				}
			})
		}
	}
}

// What was written to, but not changed, keeps its seal, and is read only once.
func TestProveReadsOnce(t *testing.T) {
	need(t, "rsync")
	root := fast(t)
	one := newTree(t, "1", map[string]string{"a": "one"})
	p := dial(t, root)
	p.must(Request{Do: Lock})
	p.ship(root, "", deploy.Yin, one)
	if err := os.Chtimes(filepath.Join(root, "yin", "a"), time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	stamps := filepath.Join(root, state, stampsName(deploy.Yin))
	for deadline := time.Now().Add(5 * time.Second); ; { // until the file has been at rest for long enough
		p.epoch++
		if st := p.must(Request{Do: Lock, Prove: true}).Standing; len(st.Sides) != 1 {
			t.Fatalf("standing = %+v", st)
		}
		if b, err := os.ReadFile(stamps); err == nil && string(b) != "{}" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the file is read at each lock")
		}
	}
	if err := os.Remove(stamps); err != nil { // without them all is read
		t.Fatal(err)
	}
	p.epoch++
	if st := p.must(Request{Do: Lock, Prove: true}).Standing; len(st.Sides) != 1 {
		t.Errorf("standing = %+v", st)
	}
}

// TestProveTime says what a proof costs where nobody was at the files.
func TestProveTime(t *testing.T) {
	need(t, "rsync")
	root, dir := fast(t), fast(t)
	files := map[string]string{}
	for i := range 10_000 {
		files[fmt.Sprintf("%03d/%d", i/50, i)] = fmt.Sprint(i)
	}
	put(t, dir, files)
	one := newTree(t, "1", files)
	p := dial(t, root)
	p.must(Request{Do: Lock})
	p.must(prepare(deploy.Yin, one))
	yin := filepath.Join(root, "yin")
	if err := errors.Join(os.Remove(yin), os.Rename(dir, yin)); err != nil {
		t.Fatal(err)
	}
	p.must(seal(deploy.Yin, one))
	p.must(flip("", deploy.Yin, one))
	took := func(req Request) time.Duration {
		p.epoch++
		began := time.Now()
		p.must(req)
		return time.Since(began)
	}
	plain := took(Request{Do: Lock})
	first := took(Request{Do: Lock, Prove: true})
	t.Logf("10,000 files: lock %v, with a proof %v, another %v", plain, first, took(Request{Do: Lock, Prove: true}))
}

// An audit reads what stamps and seals would pass, needs no lock, and changes nothing.
func TestAudit(t *testing.T) {
	need(t, "rsync")
	root := fast(t)
	one := newTree(t, "1", map[string]string{"a": "one", "b": "two"})
	p := dial(t, root)
	p.must(Request{Do: Lock})
	p.ship(root, "", deploy.Yin, one)
	q := dial(t, root)
	audit := seal(deploy.Yin, one)
	audit.Do = Audit
	if resp := q.must(audit); len(resp.Diff) > 0 {
		t.Errorf("drift where there is none: %q", resp.Diff)
	}
	put(t, filepath.Join(root, "yin"), map[string]string{"a": "eno", "c": ""})
	resp := q.must(audit)
	if len(resp.Diff) != 2 || resp.Diff[0] != "a: content differs" || resp.Diff[1] != "c: not in the release" {
		t.Errorf("drift %q", resp.Diff)
	}
	if resp.Standing.Sides[deploy.Yin].Release != "1" {
		t.Errorf("an audit has taken the seal: %+v", resp.Standing)
	}
	if err := os.Chmod(filepath.Join(root, "yin", "a"), 0o644|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if resp := q.must(audit); len(resp.Diff) != 1 || resp.Diff[0] != "a: is setuid: a release holds files, folders and links, with no more than permission bits" {
		t.Errorf("drift %q", resp.Diff)
	}
	q.refused(Request{Do: Audit, Side: deploy.Yin}, Bad, "it does not begin as a packed manifest")
	q.refused(Request{Do: Audit, Side: "x"}, Bad, "neither yin nor yang")
	dial(t, filepath.Join(root, "none")).refused(audit, Differs, "does not exist")
}
