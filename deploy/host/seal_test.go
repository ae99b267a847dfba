package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

func TestSealSaysWhatDiffers(t *testing.T) {
	need(t, "rsync")
	root := t.TempDir()
	files := map[string]string{"a": "aaaa", "lib/b": "bbbb"}
	one := newTree(t, "1", files)
	in := func(name string) string { return filepath.Join(root, "yin", name) }
	p := dial(t, root)
	p.must(Request{Do: Lock})
	p.refused(seal(deploy.Yin, one), Differs, "yin does not exist")
	p.must(prepare(deploy.Yin, one))
	for says, spoil := range map[string]func() error{
		"a: missing":              func() error { return os.Remove(in("a")) },
		"c: not in the release":   func() error { return os.WriteFile(in("c"), nil, 0o644) },
		"lib: mode 0700, want":    func() error { return os.Chmod(in("lib"), 0o700) },
		"a: is a fifo":            func() error { _ = os.Remove(in("a")); return syscall.Mkfifo(in("a"), 0o644) },
		"lib: is a link, want a ": func() error { _ = os.RemoveAll(in("lib")); return os.Symlink("/etc", in("lib")) },
		"a: content differs": func() error { // of the same size and mtime: what rsync takes for the same
			info, err := os.Stat(in("a"))
			if err != nil {
				return err
			}
			put(t, root, map[string]string{"yin/a": "AAAA"})
			return os.Chtimes(in("a"), info.ModTime(), info.ModTime())
		},
	} {
		fill(t, root, deploy.Yin, one)
		if st := p.must(seal(deploy.Yin, one)).Standing; st.Sides[deploy.Yin].Digest != one.seal.Digest {
			t.Errorf("%s: standing before = %+v", says, st)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		resp := p.refused(seal(deploy.Yin, one), Differs, says)
		if len(resp.Diff) == 0 || !strings.HasPrefix(resp.Diff[0], says) || len(resp.Standing.Sides) != 0 {
			t.Errorf("%s: Diff = %q, standing %+v", says, resp.Diff, resp.Standing)
		}
		p.refused(flip("", deploy.Yin, one), Unsealed, "")
	}
	fill(t, root, deploy.Yin, one)
	for i := range 30 {
		put(t, root, map[string]string{fmt.Sprintf("yin/more%d", i): ""})
	}
	if resp := p.refused(seal(deploy.Yin, one), Differs, ""); len(resp.Diff) != diffs {
		t.Errorf("Diff = %q", resp.Diff)
	}
}

// What a side held is not read again: the proof is a stamp that lies. Stamps that
// are damaged are none.
func TestSealTrustsStamps(t *testing.T) {
	need(t, "rsync")
	root := t.TempDir()
	one := newTree(t, "1", map[string]string{"a": "aaaa"})
	p := dial(t, root)
	p.must(Request{Do: Lock})
	p.must(prepare(deploy.Yin, one))
	fill(t, root, deploy.Yin, one)
	stamps := filepath.Join(root, state, "yin.stamps")
	rec := record{}
	for deadline := time.Now().Add(10 * time.Second); rec.known()["a"].Sum == ""; { // a is too new at first
		if time.Now().After(deadline) {
			t.Fatalf("no stamp is kept: %+v", rec)
		}
		p.must(seal(deploy.Yin, one))
		b, err := os.ReadFile(stamps)
		if err != nil {
			t.Fatal(err)
		}
		var whole bool
		if rec, whole = unpackRecord(b); !whole {
			t.Fatalf("the record is %q", b)
		}
	}
	put(t, root, map[string]string{"yin/a": "bbbb"})
	p.refused(seal(deploy.Yin, one), Differs, "a: content differs")
	info, err := os.Lstat(filepath.Join(root, "yin", "a"))
	must(t, err)
	rec.stamps[0] = release.StampOf(info, rec.tree.Entries[0].Sum)
	put(t, root, map[string]string{state + "/yin.stamps": string(rec.pack())})
	p.must(seal(deploy.Yin, one))
	p.hangUp() // or nothing was done in the side since
	p = dial(t, root)
	p.must(Request{Do: Lock})
	put(t, root, map[string]string{state + "/yin.stamps": "torn"})
	p.refused(seal(deploy.Yin, one), Differs, "a: content differs")
}

// TestUmask: whatever umask the host has, the web server, another user, gets to the files.
func TestUmask(t *testing.T) {
	need(t, "rsync")
	root := filepath.Join(t.TempDir(), "srv", "web")
	tr := newTree(t, "1", map[string]string{"a": "1"})
	was := syscall.Umask(0o077)
	p := dial(t, root)
	p.must(Request{Do: Lock})
	p.must(prepare(deploy.Yin, tr))
	syscall.Umask(was)
	fill(t, root, deploy.Yin, tr)
	must(t, os.Chmod(filepath.Join(root, "yin"), 0o700)) // as Prepare has made it
	p.must(seal(deploy.Yin, tr))
	for _, dir := range []string{filepath.Dir(root), root, filepath.Join(root, "yin")} {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
}
