package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// cargo is a release in a folder, as the other end has it.
type cargo struct {
	t    testing.TB
	dir  string
	seal deploy.Seal
	m    deploy.Manifest
	blob []byte
}

// newCargo is the release id of the folder that build makes. Its files have the mtime at.
func newCargo(t testing.TB, id string, at int64, build func(dir string)) cargo {
	t.Helper()
	c := cargo{t: t, dir: t.TempDir()}
	build(c.dir)
	return c.scan(id, at)
}

func (c cargo) scan(id string, at int64) cargo {
	c.t.Helper()
	var err error
	if c.m, err = release.Scan(context.Background(), c.dir); err != nil {
		c.t.Fatal(err)
	}
	c.seal = deploy.Seal{Release: id, Digest: c.m.Digest()}
	c.blob = c.m.Pack(nil)
	for _, e := range c.m.Entries {
		if e.Type == deploy.File {
			c.blob = binary.BigEndian.AppendUint64(c.blob, uint64(time.Unix(at, 0).UnixNano()))
		}
	}
	return c
}

// stream sends a request with its Blob.
func (p *peer) stream(req Request, blob []byte) Response {
	p.t.Helper()
	p.n++
	req.N, req.Epoch, req.Blob = p.n, p.epoch, int64(len(blob))
	line, err := json.Marshal(req)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.tell(slices.Concat(line, []byte("\n"), blob))
}

// fillWith has the side filled with c and returns the files that were sent.
func (p *peer) fillWith(side deploy.Side, c cargo) (sent []string) {
	p.t.Helper()
	if resp := p.must(Request{Do: Prepare, Side: side, Seal: c.seal}); !resp.Fill {
		p.t.Fatalf("%s can't be filled: %+v", side, resp)
	}
	resp := p.stream(Request{Do: Fill, Side: side, Seal: c.seal}, c.blob)
	if resp.Err != "" {
		p.t.Fatal(resp.Err)
	}
	var data bytes.Buffer
	for i, e := range c.m.Entries {
		if i/8 < len(resp.Want) && resp.Want[i/8]&(1<<(i%8)) != 0 {
			sent = append(sent, e.Path)
			b, err := os.ReadFile(filepath.Join(c.dir, e.Path))
			if err != nil {
				p.t.Fatal(err)
			}
			data.Write(b)
		}
	}
	if len(sent) > 0 {
		if resp := p.stream(Request{Do: Files, Side: side, Seal: c.seal}, data.Bytes()); resp.Err != "" {
			p.t.Fatal(resp.Err)
		}
	}
	return sent
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// oddNames are file names that only a careful program survives.
var oddNames = []string{"two\nlines", "-rf", "bad\xff\xfeutf8", " blanks ", "back\\slash", ".hidden", "\x01\x7f"}

// From one release to another, over all that can become of a path: the side is
// the release byte for byte, with its times; what stays is not touched, and what
// the live side holds is not sent.
func TestFill(t *testing.T) {
	need(t, "rsync")
	write := func(dir, name, text string, mode os.FileMode) {
		put(t, dir, map[string]string{name: text})
		must(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	a := newCargo(t, "a", 1000, func(dir string) {
		for _, name := range oddNames {
			write(dir, "odd/"+name, "old "+name, 0o644)
			write(dir, "gone/"+name, name, 0o644)
			write(dir, name, "stays", 0o644)
		}
		write(dir, "mode", "mode", 0o644)
		write(dir, "becomes a folder", "file", 0o644)
		write(dir, "becomes a file/x/y", "file", 0o644)
		write(dir, "becomes a link/x", "file", 0o644)
		write(dir, "deep/er/x", "x", 0o600)
		write(dir, "read only/stays/x", "old", 0o444)
		write(dir, "read only/gone/x", "old", 0o444)
		for _, name := range []string{"stays", "gone", ""} {
			must(t, os.Chmod(filepath.Join(dir, "read only", name), 0o555))
		}
		must(t, os.Symlink("mode", filepath.Join(dir, "link")))
		must(t, os.Symlink("mode", filepath.Join(dir, "becomes real")))
		must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o755))
	})
	b := newCargo(t, "b", 2000, func(dir string) {
		for _, name := range oddNames {
			write(dir, "odd/"+name, "new "+name, 0o644)
			write(dir, "new/"+name, name, 0o640)
			write(dir, name, "stays", 0o644)
		}
		write(dir, "mode", "mode", 0o755)
		write(dir, "becomes a folder/x", "file", 0o644)
		write(dir, "becomes a file", "file", 0o644)
		write(dir, "becomes real", "real", 0o644)
		write(dir, "deep/er/x", "x", 0o600)
		write(dir, "read only/stays/x", "new", 0o444)
		must(t, os.Chmod(filepath.Join(dir, "read only/stays"), 0o555))
		must(t, os.Chmod(filepath.Join(dir, "read only"), 0o555))
		write(dir, "live has it", "live", 0o644)
		write(dir, "none", "", 0o666) // more than any umask lets through
		must(t, os.Symlink("deep/er", filepath.Join(dir, "becomes a link")))
		must(t, os.Symlink("nowhere\xff", filepath.Join(dir, "link")))
		must(t, os.Chmod(filepath.Join(dir, "new"), 0o555))
		must(t, os.Chmod(filepath.Join(dir, "deep"), 0o700))
	})
	live := newCargo(t, "live", 1500, func(dir string) { write(dir, "somewhere", "live", 0o600) })
	files := 0
	for _, e := range b.m.Entries { // what stays keeps its time, but for one of them
		if e.Type != deploy.File {
			continue
		}
		if slices.Contains(a.m.Entries, e) && e.Path != ".hidden" {
			at := len(b.blob) - 8*b.m.Files() + 8*files
			binary.BigEndian.PutUint64(b.blob[at:], uint64(time.Unix(1000, 0).UnixNano()))
		}
		files++
	}

	root := fast(t)
	t.Cleanup(func() { // who is not root can't remove what is in a folder that is only read
		for _, dir := range []string{a.dir, b.dir, root} {
			must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					err = os.Chmod(p, 0o700)
				}
				return err
			}))
		}
	})
	p := dial(t, root)
	p.must(Request{Do: Hello})
	p.must(Request{Do: Lock})
	ship := func(from, side deploy.Side, c cargo) []string {
		t.Helper()
		sent := p.fillWith(side, c)
		if st := p.must(Request{Do: Seal, Side: side, Seal: c.seal}).Standing; st.Sides[side].Digest != c.seal.Digest {
			t.Fatalf("standing %+v", st)
		}
		p.must(Request{Do: Flip, From: from, Side: side, Seal: c.seal})
		got, err := release.Scan(t.Context(), filepath.Join(root, string(side)))
		if diff := deploy.Diff(c.m, got, 0); err != nil || len(diff) > 0 {
			t.Fatalf("%s holds another tree: %v, %q", side, err, diff)
		}
		return sent
	}
	if sent := ship("", deploy.Yin, a); len(sent) != a.m.Files() {
		t.Errorf("an empty side was sent %q", sent)
	}
	ship(deploy.Yin, deploy.Yang, live)
	before := inode(t, filepath.Join(root, "yin", "-rf"))
	sent := ship(deploy.Yang, deploy.Yin, b)
	for _, e := range b.m.Entries {
		old := slices.ContainsFunc(a.m.Entries, func(o deploy.Entry) bool { return o.Path == e.Path && o.Sum == e.Sum })
		if want := e.Type == deploy.File && !old && e.Path != "live has it"; slices.Contains(sent, e.Path) != want {
			t.Errorf("%q: sent %v, want %v", e.Path, !want, want)
		}
	}
	if inode(t, filepath.Join(root, "yin", "-rf")) != before {
		t.Error("a file that stays was written")
	}
	times := b.blob[len(b.blob)-8*b.m.Files():]
	for _, e := range b.m.Entries {
		if e.Type != deploy.File {
			continue
		}
		info, err := os.Lstat(filepath.Join(root, "yin", e.Path))
		must(t, err)
		if want := int64(binary.BigEndian.Uint64(times)); info.ModTime().UnixNano() != want {
			t.Errorf("%q has the time %v, want %v", e.Path, info.ModTime(), time.Unix(0, want))
		}
		times = times[8:]
	}
}

func inode(t testing.TB, path string) uint64 {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return info.Sys().(*syscall.Stat_t).Ino
}

// two are releases of which the second has one file more and one changed.
func two(t testing.TB) (one, next cargo) {
	one = newCargo(t, "1", 1000, func(dir string) { put(t, dir, map[string]string{"a": "1", "lib/b": "b"}) })
	next = newCargo(t, "2", 2000, func(dir string) { put(t, dir, map[string]string{"a": "2", "lib/b": "b", "c": "ccc"}) })
	return one, next
}

// What is not the release is refused: nothing is sealed, the side is dirty, and
// the session goes on; filling in the middle of nowhere is refused too.
func TestFillRefuses(t *testing.T) {
	need(t, "rsync")
	one, next := two(t)
	out := deploy.Manifest{Entries: []deploy.Entry{{Path: "../x", Type: deploy.Dir}}}
	for name, c := range map[string]struct {
		fill, files []byte
		code        Code
	}{
		"another release":                {fill: one.blob, code: Bad},
		"out of the side":                {fill: out.Pack(nil), code: Bad},
		"cut short":                      {fill: next.blob[:len(next.blob)-1], code: Bad},
		"no manifest":                    {fill: []byte("{}\n{}\n"), code: Bad},
		"nothing":                        {code: Bad},
		"other contents":                 {fill: next.blob, files: []byte("2ccX"), code: Differs},
		"contents cut short":             {fill: next.blob, files: []byte("2cc"), code: Differs},
		"too many contents":              {fill: next.blob, files: []byte("2cccc"), code: Bad},
		"contents that no-one asked for": {files: []byte("2ccc"), code: Bad},
	} {
		t.Run(name, func(t *testing.T) {
			root := fast(t)
			p := dial(t, root)
			p.must(Request{Do: Lock})
			if resp := p.stream(Request{Do: Fill, Side: deploy.Yin, Seal: one.seal}, one.blob); resp.Code != Doubt {
				t.Errorf("without Prepare: %+v", resp)
			}
			p.fillWith(deploy.Yin, one)
			p.must(Request{Do: Seal, Side: deploy.Yin, Seal: one.seal})
			p.must(Request{Do: Prepare, Side: deploy.Yin, Seal: next.seal})
			var resp Response
			if c.fill != nil || c.files == nil {
				resp = p.stream(Request{Do: Fill, Side: deploy.Yin, Seal: next.seal}, c.fill)
			}
			if c.files != nil {
				resp = p.stream(Request{Do: Files, Side: deploy.Yin, Seal: next.seal}, c.files)
			}
			if resp.Code != c.code || len(resp.Standing.Sides) != 0 {
				t.Errorf("%+v, want %s", resp, c.code)
			}
			p.refused(Request{Do: Seal, Side: deploy.Yin, Seal: next.seal}, Bad, "without a manifest")
			if resp := p.stream(Request{Do: Fill, Side: deploy.Yin, Seal: next.seal}, next.blob); resp.Code != Doubt {
				t.Errorf("after it: %+v", resp)
			}
			if p.must(Request{Do: Prepare, Side: deploy.Yin, Seal: next.seal}).Fill {
				t.Error("a side that nobody knows may be filled")
			}
		})
	}
}

// A hand in the side shows: what it holds is what it was sealed with, or it is not sealed.
func TestFillOverHand(t *testing.T) {
	need(t, "rsync")
	one, next := two(t)
	for name, hand := range map[string]func(yin string){
		"an edit": func(yin string) { put(t, yin, map[string]string{"lib/b": "B"}) },
		"an edit with the old time": func(yin string) {
			put(t, yin, map[string]string{"lib/b": "B"})
			must(t, os.Chtimes(filepath.Join(yin, "lib/b"), time.Unix(1000, 0), time.Unix(1000, 0)))
		},
		"a new file": func(yin string) { put(t, yin, map[string]string{"lib/x": "x"}) },
		"a lost one": func(yin string) { must(t, os.Remove(filepath.Join(yin, "lib/b"))) },
		"a mode":     func(yin string) { must(t, os.Chmod(filepath.Join(yin, "lib"), 0o711)) },
	} {
		t.Run(name, func(t *testing.T) {
			root := fast(t)
			p := dial(t, root)
			p.must(Request{Do: Lock})
			p.fillWith(deploy.Yin, one)
			p.must(Request{Do: Seal, Side: deploy.Yin, Seal: one.seal})
			hand(filepath.Join(root, "yin"))
			p.must(Request{Do: Prepare, Side: deploy.Yin, Seal: next.seal})
			resp := p.stream(Request{Do: Fill, Side: deploy.Yin, Seal: next.seal}, next.blob)
			if resp.Err == "" {
				p.stream(Request{Do: Files, Side: deploy.Yin, Seal: next.seal}, []byte("2ccc"))
				resp = p.ask(Request{Do: Seal, Side: deploy.Yin, Seal: next.seal})
			}
			if resp.Err == "" || len(resp.Standing.Sides) != 0 {
				t.Errorf("sealed: %+v", resp)
			}
		})
	}
}

// A session that ends in the middle leaves a side that is dirty, and that nobody knows.
func TestFillCut(t *testing.T) {
	need(t, "rsync")
	one, next := two(t)
	root := fast(t)
	p := dial(t, root)
	p.must(Request{Do: Lock})
	p.fillWith(deploy.Yin, one)
	p.must(Request{Do: Seal, Side: deploy.Yin, Seal: one.seal})
	p.must(Request{Do: Prepare, Side: deploy.Yin, Seal: next.seal})
	p.stream(Request{Do: Fill, Side: deploy.Yin, Seal: next.seal}, next.blob)
	line, err := json.Marshal(Request{Do: Files, Epoch: 1, Side: deploy.Yin, Seal: next.seal, Blob: 4})
	must(t, err)
	_, err = p.in.Write(append(line, "\n2c"...))
	must(t, err)
	p.in.Close()
	p.out.Scan() // it answers before it ends
	p.hangUp()

	p = dial(t, root)
	resp := p.must(Request{Do: Lock})
	if len(resp.Standing.Sides) != 0 || names(t, filepath.Join(root, "yin")) != "a lib" {
		t.Errorf("standing %+v, files %s", resp.Standing, names(t, filepath.Join(root, "yin")))
	}
	if p.must(Request{Do: Prepare, Side: deploy.Yin, Seal: next.seal}).Fill {
		t.Error("a side that nobody knows may be filled")
	}
	fill(t, root, deploy.Yin, tree{next.seal, map[string]string{"a": "2", "lib/b": "b", "c": "ccc"}})
	if resp := p.stream(Request{Do: Seal, Side: deploy.Yin, Seal: next.seal}, next.blob); resp.Err != "" {
		t.Fatal(resp.Err)
	}
	if rec, whole := (&session{root: open(t, root)}).recall(deploy.Yin); !whole || rec.tree.Digest() != next.seal.Digest {
		t.Errorf("the record of a side that rsync filled is %+v", rec)
	}
}

func open(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

// A record that is damaged anywhere is none.
func TestRecordTorn(t *testing.T) {
	one, _ := two(t)
	b := newRecord(one.m, one.seal.Digest, release.Known{"a": {Inode: 1, Size: 1, Mtime: 2, Ctime: 3, Sum: one.m.Entries[0].Sum}}).pack()
	if rec, whole := unpackRecord(b); !whole || len(rec.known()) != 1 || rec.digest != one.seal.Digest || rec.tree.Digest() != rec.digest {
		t.Fatalf("%+v, %v", rec, whole)
	}
	for i := range b {
		torn := slices.Clone(b)
		torn[i] ^= 1
		if _, whole := unpackRecord(torn); whole {
			t.Errorf("byte %d was changed", i)
		}
		if _, whole := unpackRecord(b[:i]); whole {
			t.Errorf("it ends at byte %d", i)
		}
	}
}
