package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// TestVerify: whatever a hand does to the records, and however well it mends the
// sums, the first one that is not as it was written is named.
func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	s := open(t, path)
	var heads []Head
	for range 20 {
		commit(t, s, 1)
		heads = append(heads, s.Head())
	}
	if n, err := s.Verify(t.Context(), slices.Clone(heads)...); n != 20 || err != nil {
		t.Fatalf("the journal itself: %d, %v", n, err)
	}
	body := func(b *bbolt.Bucket, seq uint64) []byte {
		_, body, err := unchain(seqKey(seq), b.Get(seqKey(seq)))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(body)
	}
	link := func(b *bbolt.Bucket, seq uint64) Link {
		l, _, err := unchain(seqKey(seq), b.Get(seqKey(seq)))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	put := func(b *bbolt.Bucket, seq uint64, l Link, body []byte) {
		if err := b.Put(seqKey(seq), seal(seqKey(seq), append(l[:], body...))); err != nil {
			t.Fatal(err)
		}
	}
	relink := func(b *bbolt.Bucket, from, to uint64) {
		l := Link{}
		if from > 1 {
			l = link(b, from-1)
		}
		for seq := from; seq <= to; seq++ {
			says := body(b, seq)
			l = l.next(seqKey(seq), says)
			put(b, seq, l, says)
		}
	}
	drop := func(b *bbolt.Bucket, seq, last uint64) {
		for ; seq < last; seq++ {
			put(b, seq, link(b, seq+1), body(b, seq+1))
		}
		if err := b.Delete(seqKey(last)); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct {
		do   func(b *bbolt.Bucket)
		kept []Head
		want uint64
		says string
	}{
		"changed": {do: func(b *bbolt.Bucket) { put(b, 7, link(b, 7), []byte(`{"kind":"x"}`)) }, want: 7, says: "was changed"},
		"dropped": {do: func(b *bbolt.Bucket) { drop(b, 7, 20) }, want: 7, says: "dropped or moved"},
		"swapped": {do: func(b *bbolt.Bucket) {
			x, y := body(b, 7), body(b, 8)
			put(b, 7, link(b, 7), y)
			put(b, 8, link(b, 8), x)
		}, want: 7},
		"first":           {do: func(b *bbolt.Bucket) { drop(b, 1, 20) }, want: 1},
		"link":            {do: func(b *bbolt.Bucket) { put(b, 7, Link{1}, body(b, 7)) }, want: 7},
		"all links anew":  {do: func(b *bbolt.Bucket) { put(b, 7, Link{}, []byte(`{"kind":"x"}`)); relink(b, 7, 20) }, kept: heads[9:10], want: 10, says: "than a host was told"},
		"changed, kept":   {do: func(b *bbolt.Bucket) { put(b, 7, Link{}, []byte(`{"kind":"x"}`)); relink(b, 7, 20) }, kept: heads[6:9], want: 7},
		"tail cut":        {do: func(b *bbolt.Bucket) { drop(b, 20, 20); drop(b, 19, 19) }, kept: heads[19:], want: 19, says: "ends before it, and a host was told of 20 records"},
		"tail, none kept": {do: func(b *bbolt.Bucket) { drop(b, 20, 20) }},
	} {
		t.Run(what, func(t *testing.T) {
			copied := copyOf(t, path)
			db, err := openBolt(copied)
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bbolt.Tx) error { c.do(tx.Bucket(bucketRecords)); return nil })
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			s := open(t, copied) // the sums are right
			n, err := s.Verify(t.Context(), slices.Clone(c.kept)...)
			var bad *Tampered
			switch {
			case c.want == 0 && err != nil:
				t.Error(err)
			case c.want == 0:
			case !errors.As(err, &bad) || bad.Seq != c.want || n != c.want-1 || !strings.Contains(err.Error(), c.says):
				t.Errorf("Verify() = %d, %v, want record %d: %s", n, err, c.want, c.says)
			}
		})
	}
}

func TestParseHead(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "journal.db"))
	if (s.Head() != Head{}) {
		t.Errorf("Head() = %v of an empty journal", s.Head())
	}
	commit(t, s, 3)
	if h, err := ParseHead(s.Head().String()); err != nil || h != s.Head() {
		t.Errorf("%v, %v, want %v", h, err, s.Head())
	}
	text, err := s.Witness()
	if h, ours := s.ReadWitness(text); err != nil || !ours || h != s.Head() {
		t.Errorf("ReadWitness(%q) = %v, %v; %v", text, h, ours, err)
	}
	other := open(t, filepath.Join(t.TempDir(), "journal.db"))
	if text, err := other.Witness(); text != "" || err != nil {
		t.Errorf("Witness() = %q, %v of an empty journal", text, err)
	}
	if err := other.Commit([]Record{{Kind: "x", Type: "other"}}, nil); err != nil {
		t.Fatal(err)
	}
	if h, ours := other.ReadWitness(text); ours {
		t.Errorf("another journal takes %q as its own: %v", text, h)
	}
	for _, bad := range []string{"", "1", "1:", "1:abcd", "x:" + strings.Repeat("a", 64), "-1:" + strings.Repeat("a", 64)} {
		if h, err := ParseHead(bad); err == nil {
			t.Errorf("ParseHead(%q) = %v", bad, h)
		}
	}
}

// old makes a journal as schema 1 had it.
func old(t testing.TB, n uint64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	s := open(t, path)
	var recs []Record
	for seq := uint64(1); seq <= n; seq++ {
		recs = append(recs, numberedRecord(seq))
	}
	if err := s.Commit(recs, map[string][]byte{"other": []byte("q"), "queue": numberedRecord(n).Body}); err != nil {
		t.Fatal(err)
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketRecords)
		for seq := uint64(1); seq <= n; seq++ {
			key := seqKey(seq)
			_, body, err := unchain(key, b.Get(key))
			if err != nil {
				return err
			}
			if err := b.Put(key, seal(key, bytes.Clone(body))); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keySchema, []byte("1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	return copyOf(t, path)
}

// TestMigrate: a journal of schema 1 is read, keeps all that it holds, and stays beside the new one.
func TestMigrate(t *testing.T) {
	for _, n := range []uint64{0, 1, 25_000} {
		path := old(t, n)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, path)
		check(t, s, n)
		if q, err := s.Snapshot("other"); string(q) != "q" || err != nil {
			t.Errorf("snapshot %q, %v", q, err)
		}
		commit(t, s, 1)
		if m, err := s.Verify(t.Context()); m != n+1 || err != nil {
			t.Errorf("Verify() = %d, %v", m, err)
		}
		if kept, err := os.ReadFile(path + ".schema-1"); err != nil || !bytes.Equal(kept, before) {
			t.Errorf("the old one is not kept as it was: %v", err)
		}
	}
}

// A migration that was cut off is done again; one that would lose an older file is not done.
func TestMigrateAgain(t *testing.T) {
	path := old(t, 3)
	if err := os.WriteFile(path+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, path+".schema-1"); err != nil {
		t.Fatal(err)
	}
	check(t, open(t, path), 3)

	path = old(t, 3)
	if err := os.WriteFile(path+".schema-1", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "from another journal: move it away") {
		t.Errorf("Open: %v", err)
	}
	if err := os.Remove(path + ".schema-1"); err != nil {
		t.Fatal(err)
	}
	check(t, open(t, path), 3)
}
