package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// packed is a pack of an archived release that holds these files, by path.
func packed(t *testing.T, files map[string][]byte) (*pack, map[string]deploy.Entry) {
	t.Helper()
	s, err := release.Open(t.TempDir(), release.Source{Repo: "/none", Branch: "main"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pack{store: s, id: "abc"}
	if err := os.MkdirAll(s.Tree(p.id), 0o755); err != nil {
		t.Fatal(err)
	}
	entries := map[string]deploy.Entry{}
	for path, data := range files {
		if err := os.WriteFile(filepath.Join(s.Tree(p.id), path), data, 0o644); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		entries[path] = deploy.Entry{Path: path, Type: deploy.File, Size: int64(len(data)), Sum: hex.EncodeToString(sum[:])}
	}
	return p, entries
}

// passed is what comes out at the other end when files are sent to a session of
// this machine, or through a pipe.
func passed(t *testing.T, p *pack, files []deploy.Entry, local bool) ([]byte, error) {
	t.Helper()
	var r io.ReadCloser
	var w io.WriteCloser
	r, w = io.Pipe()
	if !local {
		var err error
		if r, w, err = os.Pipe(); err != nil {
			t.Fatal(err)
		}
	}
	defer r.Close()
	came := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(r) // its end is that of w
		came <- b
	}()
	var told int64
	err := p.send(files, &intake{w: w, alive: func() {}}, func(n int64) { told += n })
	w.Close()
	b := <-came
	if err == nil && told != int64(len(b)) {
		t.Errorf("told of %d bytes, %d came", told, len(b))
	}
	return b, err
}

// Whatever is asked for comes, in order, and small files come from the archive once for
// all that are filled at the same time.
func TestPack(t *testing.T) {
	files := map[string][]byte{"none": {}, "one": {1}, "same": {1}}
	for name, size := range map[string]int{"small": 5000, "under": packMax - 1, "large": packMax, "larger": 5*handful + 1} {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		files[name] = b
	}
	p, entries := packed(t, files)
	release := p.hold()
	for _, order := range []string{"small none one", "one small same under", "larger one large large under none", "none", "under small one larger small"} {
		for _, local := range []bool{false, true} {
			var all []deploy.Entry
			var want []byte
			for name := range strings.FieldsSeq(order) {
				all, want = append(all, entries[name]), append(want, files[name]...)
			}
			if got, err := passed(t, p, all, local); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s, local %v: %d bytes, %v; want %d", order, local, len(got), err, len(want))
			}
		}
	}
	if p.end != 5000+packMax-1+1 {
		t.Errorf("%d bytes are packed", p.end)
	}

	also := p.hold()
	release()
	if err := os.RemoveAll(p.store.Tree(p.id)); err != nil {
		t.Fatal(err)
	}
	if got, err := passed(t, p, []deploy.Entry{entries["small"]}, false); err != nil || !bytes.Equal(got, files["small"]) {
		t.Errorf("while another one is filled: %d bytes, %v", len(got), err)
	}
	if _, err := passed(t, p, []deploy.Entry{entries["large"]}, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
	also()
	defer p.hold()()
	if _, err := passed(t, p, []deploy.Entry{entries["small"]}, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("when nobody was being filled any more: %v", err)
	}
}

// Where packing would take room that the journal needs, files come from the archive, each by itself.
func TestPackFull(t *testing.T) {
	files := map[string][]byte{"small": []byte("small"), "large": make([]byte, packMax), "one": {1}}
	p, entries := packed(t, files)
	defer p.hold()()
	if got, err := passed(t, p, []deploy.Entry{entries["small"]}, false); err != nil || string(got) != "small" || p.end != 5 {
		t.Fatalf("%q, %v; %d bytes are packed", got, err, p.end)
	}
	p.spare = math.MaxInt64
	for _, local := range []bool{false, true} {
		got, err := passed(t, p, []deploy.Entry{entries["small"], entries["one"], entries["large"], entries["small"], entries["one"]}, local)
		if want := slices.Concat(files["small"], files["one"], files["large"], files["small"], files["one"]); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if p.end != 5 {
		t.Errorf("%d bytes are packed", p.end)
	}
}

// A file that is shorter than the release says is not made up for.
func TestPackShort(t *testing.T) {
	p, entries := packed(t, map[string][]byte{"small": make([]byte, 100), "large": make([]byte, packMax)})
	defer p.hold()()
	for _, e := range entries {
		e.Size++
		if _, err := passed(t, p, []deploy.Entry{e}, false); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", e.Path, err)
		}
	}
}

// A session that ends, or is ended, while it takes bytes is told from an archive that
// can't be read.
func TestIntakeEnds(t *testing.T) {
	p, entries := packed(t, map[string][]byte{"large": make([]byte, 1<<20)})
	for name, end := range map[string]func(r, w *os.File) error{
		"by its reader": func(r, _ *os.File) error { return r.Close() },
		"by the bot":    func(_, w *os.File) error { return w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			full := make(chan struct{})
			go func() { // it takes some, and no more
				_, _ = io.ReadFull(r, make([]byte, 100<<10))
				close(full)
			}()
			ended := make(chan error, 1)
			to := &intake{w: w, alive: func() {}}
			go func() { ended <- p.send([]deploy.Entry{entries["large"]}, to, func(int64) {}) }()
			<-full
			if err := end(r, w); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err == nil || !to.failed {
					t.Errorf("%v, failed %v", err, to.failed)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("it goes on")
			}
		})
	}
}

// Where the kernel can't pass a file on, it is copied.
func TestIntakeCopies(t *testing.T) {
	p, entries := packed(t, map[string][]byte{"large": bytes.Repeat([]byte("train"), packMax)})
	to, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	from, err := p.open(entries["large"])
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	in := &intake{w: to, alive: func() {}}
	if _, err := in.splice(to, from, span{0, 1}); !errors.Is(err, unix.EINVAL) {
		t.Fatalf("into a file that is no pipe: %v", err)
	}
	if err := in.pass(from, span{3, 12}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(to.Name()); err != nil || string(b) != "intraintrain" {
		t.Errorf("%q, %v", b, err)
	}
}
