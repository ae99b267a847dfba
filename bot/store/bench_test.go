package store

import (
	"path/filepath"
	"runtime"
	"testing"
)

// BenchmarkCommit is one durable record with a snapshot of 4 KiB.
func BenchmarkCommit(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "journal.db"))
	snapshot := map[string][]byte{"queue": make([]byte, 4<<10)}
	for b.Loop() {
		if err := s.Commit([]Record{numberedRecord(1)}, snapshot); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen and BenchmarkRecords work on 50,000 records, about 10 MB.
func BenchmarkOpen(b *testing.B) {
	path := many(b, 50_000)
	for b.Loop() {
		s, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	s := open(b, many(b, 50_000))
	for b.Loop() {
		for _, err := range s.Records(1) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// TestRecordsStream reads 60 MB of records while little of it may be held at a time.
func TestRecordsStream(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const n = 300_000
	s := open(t, many(t, n))
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	highest, next := uint64(0), uint64(1)
	for r, err := range s.Records(1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Seq != next {
			t.Fatalf("record %d, want %d", r.Seq, next)
		}
		if next++; next%50_000 == 0 {
			runtime.ReadMemStats(&now)
			highest = max(highest, now.HeapAlloc)
		}
	}
	if next != n+1 {
		t.Errorf("%d records, want %d", next-1, n)
	}
	if grown := int64(highest) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// many makes a journal of n records and returns its path.
func many(t testing.TB, n uint64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for s.Last() < n {
		recs := make([]Record, 0, 10_000)
		for i := range min(10_000, n-s.Last()) {
			recs = append(recs, numberedRecord(s.Last()+i+1))
		}
		if err := s.Commit(recs, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
