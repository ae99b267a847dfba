package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// sample returns the bytes of a closed journal with n records: pages of every kind,
// some overflowing, some free.
func sample(t testing.TB, n int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, n)
	if err := s.Commit(nil, map[string][]byte{"big": bytes.Repeat([]byte("big "), 3000)}); err != nil {
		t.Fatal(err)
	}
	var size int64
	if err := s.db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b[:size] // bbolt enlarges its file ahead; what lies there is not part of it
}

// TestFlippedBytes damages one byte after the other, all over the file. Whatever is let through must hold
// every record: then the byte lay where nothing is kept.
func TestFlippedBytes(t *testing.T) {
	const records = 60
	good := sample(t, records)
	if found, err := inspect(bytes.NewReader(good), int64(len(good)), bothHeads); err != nil || found.head.Seq != records {
		t.Fatalf("the sample itself: %+v, %v", found, err)
	}
	const step = 5 // no multiple of what pages and elements are made of
	through := 0
	bad := bytes.Clone(good)
	for i := 0; i < len(bad); i += step {
		bad[i] ^= 1 << (i / step % 8)
		found, err := inspect(bytes.NewReader(bad), int64(len(bad)), bothHeads)
		if err == nil {
			through++
			if found.head.Seq != records {
				t.Fatalf("byte %d: %d records, want %d or an error", i, found.head.Seq, records)
			}
		}
		bad[i] = good[i]
	}
	t.Logf("%d bytes, %d of them matter not", len(bad)/step, through)
}

func TestOpenDamaged(t *testing.T) {
	good := sample(t, 60)
	headless := func(b []byte, page int) []byte { b[page*4096+20]++; return b }
	for _, c := range []struct {
		name string
		bad  func([]byte) []byte
		says string
	}{
		{"empty", func([]byte) []byte { return nil }, "it is empty"},
		{"one byte", func(b []byte) []byte { return b[:1] }, "both heads are unreadable"},
		{"first head only", func(b []byte) []byte { return b[:4096] }, "one of its two heads is unreadable"},
		{"cut short", func(b []byte) []byte { return b[:len(b)-1] }, "it is cut short"},
		{"half", func(b []byte) []byte { return b[:len(b)/2] }, "it is cut short"},
		{"another file", func([]byte) []byte { return bytes.Repeat([]byte("hello "), 4000) }, "no bbolt file"},
		{"zeroed", func(b []byte) []byte { clear(b); return b }, "no bbolt file"},
		{"zeroed but for the heads", func(b []byte) []byte { clear(b[8192:]); return b }, "bad header"},
		{"first head", func(b []byte) []byte { return headless(b, 0) }, "one of its two heads is unreadable"},
		{"second head", func(b []byte) []byte { return headless(b, 1) }, "one of its two heads is unreadable"},
		{"both heads", func(b []byte) []byte { return headless(headless(b, 0), 1) }, "both heads are unreadable"},
		{"a record", func(b []byte) []byte { b[bytes.Index(b, []byte(`{"at"`))+30] ^= 1; return b }, "its sum is wrong"},
		{"tree of one page in a circle", circle, "used twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal.db")
			bad := c.bad(bytes.Clone(good))
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path)
			d, ok := errors.AsType[*Damaged](err)
			if !ok || d.Path != path || !strings.Contains(d.What, c.says) {
				t.Fatalf("Open: %v\nwant a Damaged that says %q", err, c.says)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, bad) {
				t.Errorf("Open changed the damaged file (%v)", err)
			}
		})
	}
	t.Run("folder", func(t *testing.T) {
		path := t.TempDir()
		_, err := Open(path)
		if d, ok := errors.AsType[*Damaged](err); !ok || d.What != "it is not a regular file" {
			t.Fatalf("Open: %v", err)
		}
	})
}

// TestCutAnywhere cuts a journal off behind each of its pages, and within each.
func TestCutAnywhere(t *testing.T) {
	good := sample(t, 60)
	path := filepath.Join(t.TempDir(), "journal.db")
	for size := 0; size < len(good); size += 2048 {
		if err := os.WriteFile(path, good[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if d, ok := errors.AsType[*Damaged](err); !ok || d.Path != path {
			t.Fatalf("Open of %d bytes of %d: %v, want a Damaged", size, len(good), err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != int64(size) {
			t.Fatalf("Open changed the size of the damaged file: %v, %v", info.Size(), err)
		}
	}
}

// circle makes the root of the newest tree a branch whose child is itself, with sums
// that are right: what would keep bbolt busy for ever.
func circle(b []byte) []byte {
	h, err := readHead(bytes.NewReader(b), int64(len(b)), bothHeads)
	if err != nil {
		panic(err)
	}
	p := page(b[int64(h.root)*h.pageSize:])
	order := binary.NativeEndian
	order.PutUint16(p[8:], branchPage)
	order.PutUint16(p[10:], 1)
	order.PutUint32(p[16:], elementSize)
	order.PutUint32(p[20:], 1)
	order.PutUint64(p[24:], h.root)
	for at := range 2 { // both heads lead there
		m := b[int64(at)*h.pageSize+pageHeader:]
		order.PutUint64(m[16:], h.root)
		digest := fnv.New64a()
		_, _ = digest.Write(m[:56])
		order.PutUint64(m[56:], digest.Sum64())
	}
	return b
}

func TestDamagedNamesWhatToRestore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	dir := backupDir(path)
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for range 3 {
		commit(t, s, 5)
		copied, err := s.Backup(dir, 3)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, copied)
	}
	commit(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, made[2], -1) // the newest copy is bad too
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	flip(t, path, -1)
	_, err = Open(path)
	if want := "`pushtrain restore " + made[1] + "`"; err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("Open: %v\nwant it to say %s", err, want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err = Open(path); err == nil || !strings.Contains(err.Error(), made[1]) {
		t.Fatalf("Open of a journal that is gone: %v", err)
	}
	flip(t, made[0], -1)
	sound, err := os.ReadFile(made[1])
	if err != nil {
		t.Fatal(err)
	}
	flip(t, made[1], -1)
	if _, err = Open(path); err == nil || !strings.Contains(err.Error(), "no good copy") {
		t.Fatalf("Open of a journal that is gone and has only bad copies: %v", err)
	}
	if err := os.WriteFile(made[1], sound, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(made[1], path); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	check(t, s, 10)
	commit(t, s, 1)

	// A journal that lost its newest head goes on from itself.
	other := filepath.Join(t.TempDir(), "journal.db")
	h, err := readHead(bytes.NewReader(good), int64(len(good)), bothHeads)
	if err != nil {
		t.Fatal(err)
	}
	good[int64(h.tx%2)*h.pageSize+pageHeader]++
	if err := os.WriteFile(other, good, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(other)
	d, ok := errors.AsType[*Damaged](err)
	if !ok || d.Copy != other {
		t.Fatalf("Open: %v, want a Damaged whose Copy is the file itself", err)
	}
	if err := Restore(d.Copy, other); err != nil {
		t.Fatal(err)
	}
	again := open(t, other)
	check(t, again, 15) // record 16 went with its head
	if kept, err := os.ReadFile(other + ".damaged-1"); err != nil || !bytes.Equal(kept, good) {
		t.Errorf("the damaged journal was not kept as it was: %v", err)
	}
}

// flip damages a record of the journal at path so that it shows in any state of it.
func flip(t *testing.T, path string, times int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte(`"kind":"train"`), []byte(`"kind":"Train"`), times)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreRefusesABadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	bad := copyOf(t, path)
	flip(t, bad, -1)
	if _, ok := errors.AsType[*Damaged](Restore(bad, path)); !ok {
		t.Error("Restore takes a damaged file")
	}
	if err := Restore(filepath.Join(t.TempDir(), "none"), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Restore of no file: %v", err)
	}
	if left, _ := filepath.Glob(path + ".[dn]*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	check(t, open(t, path), 3)
}

func TestBackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	s := open(t, path)
	dir := filepath.Join(t.TempDir(), "copies")
	if _, err := Newest(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Newest of no folder: %v", err)
	}
	var last string
	for n := range 5 {
		commit(t, s, 4)
		copied, err := s.Backup(dir, 2)
		if err != nil {
			t.Fatal(err)
		}
		check(t, open(t, copyOf(t, copied)), uint64(4*(n+1)))
		last = copied
	}
	foreign := filepath.Join(dir, "journal-7.db") // not one of ours: no six digits
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Newest(dir); err != nil || got != last {
		t.Errorf("Newest = %s, %v; want %s", got, err, last)
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "journal-000004.db journal-000005.db journal-7.db" {
		t.Errorf("kept %s", got)
	}
}

// FuzzDamage damages a good journal: it is refused, or it is whole and works.
func FuzzDamage(f *testing.F) {
	const records = 60
	good := sample(f, records)
	for _, at := range []uint32{0, 8, 20, 40, 56, 72, 4096, 4116, 8192, 8200, 8204, 8210, 12288, 16400, 20500, 30000} {
		f.Add(at, byte(1), uint32(0))
		f.Add(at, byte(0x80), at)
		f.Add(at, byte(0), at)
	}
	f.Add(uint32(20500), byte(8), uint32(0)) // the first key of a branch has no bytes: bbolt reads it, and panics when it writes beside it
	f.Fuzz(func(t *testing.T, at uint32, mask byte, cut uint32) {
		bad := bytes.Clone(good)
		bad[int(at)%len(bad)] ^= mask
		bad = bad[:len(bad)-int(cut)%len(bad)]
		path := filepath.Join(t.TempDir(), "journal.db")
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err != nil {
			if _, ok := errors.AsType[*Damaged](err); !ok && !errors.Is(err, ErrNewer) {
				t.Fatalf("neither Damaged nor ErrNewer: %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, bad) {
				t.Fatalf("the damaged file was changed (%v)", err)
			}
			return
		}
		check(t, s, records)
		commit(t, s, 3)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		check(t, open(t, path), records+3)
	})
}
