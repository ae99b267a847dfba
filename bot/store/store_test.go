package store

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// childEnv makes the test binary a child that commits to the journal it names.
const childEnv = "PUSHTRAIN_STORE_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := commitForever(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(powerEnv); dir != "" {
		if err := workForPower(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// commitForever commits numbered records until it is killed, or until its budget is
// used up, and prints the number of each that is acknowledged.
func commitForever(path string) error {
	s, err := Open(path)
	if err != nil {
		return err
	}
	for range 10_000 {
		recs := []Record{numberedRecord(s.Last() + 1)}
		if err := s.Commit(recs, map[string][]byte{"queue": recs[0].Body}); err != nil {
			if again := s.Commit(recs, nil); again != err {
				return fmt.Errorf("a commit after %w: %w", err, again)
			}
			fmt.Println("refused")
			return err
		}
		// One write(2), not buffered: what the parent reads was acknowledged.
		if _, err := fmt.Println("ack", recs[0].Seq); err != nil {
			return err
		}
	}
	return s.Close()
}

func numberedRecord(n uint64) Record {
	return Record{
		At:    time.Unix(int64(n), int64(n)).UTC(),
		Kind:  "train",
		Type:  "join",
		Body:  json.RawMessage(fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("<x>", int(n%70)))),
		Facts: json.RawMessage(`["placed"]`),
	}
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// commit appends n numbered records, one commit each, with a snapshot.
func commit(t testing.TB, s *Store, n int) {
	t.Helper()
	for range n {
		r := numberedRecord(s.Last() + 1)
		if err := s.Commit([]Record{r}, map[string][]byte{"queue": r.Body}); err != nil {
			t.Fatal(err)
		}
	}
}

// check fails unless s holds exactly the numbered records 1..n and the snapshot of n.
func check(t testing.TB, s *Store, n uint64) {
	t.Helper()
	if s.Last() != n {
		t.Fatalf("Last() = %d, want %d", s.Last(), n)
	}
	next := uint64(1)
	for r, err := range s.Records(0) {
		if err != nil {
			t.Fatal(err)
		}
		want := numberedRecord(next)
		want.Seq = next
		if !reflect.DeepEqual(r, want) {
			t.Fatalf("record %d:\n got %+v\nwant %+v", next, r, want)
		}
		next++
	}
	if next != n+1 {
		t.Fatalf("%d records, want %d", next-1, n)
	}
	if holds, err := s.Verify(t.Context()); holds != n || err != nil {
		t.Fatalf("Verify() = %d, %v, want %d", holds, err, n)
	}
	snap, err := s.Snapshot("queue")
	if err != nil {
		t.Fatal(err)
	}
	if want := string(numberedRecord(n).Body); n > 0 && string(snap) != want {
		t.Fatalf("snapshot %q, want %q", snap, want)
	}
}

func TestCommitAndReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "journal.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	check(t, s, 0)
	recs := []Record{numberedRecord(1), numberedRecord(2), numberedRecord(3)}
	if err := s.Commit(recs, map[string][]byte{"queue": recs[2].Body, "empty": nil}); err != nil {
		t.Fatal(err)
	}
	if recs[0].Seq != 1 || recs[2].Seq != 3 {
		t.Errorf("Commit numbered the records %d..%d, want 1..3", recs[0].Seq, recs[2].Seq)
	}
	commit(t, s, 40)
	check(t, s, 43)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, path)
	check(t, s, 43)
	commit(t, s, 1)
	check(t, s, 44)
	if snap, err := s.Snapshot("empty"); err != nil || snap == nil || len(snap) != 0 {
		t.Errorf("empty snapshot: %v, %v", snap, err)
	}
	if snap, err := s.Snapshot("never"); err != nil || snap != nil {
		t.Errorf("snapshot that was never committed: %v, %v", snap, err)
	}
	for name, want := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, "journal.db": 0o600, "journal.db.lock": 0o600, "journal.db.reserve": 0o600} {
		info, err := os.Stat(filepath.Join(filepath.Dir(path), name))
		if err != nil || info.Mode() != want {
			t.Errorf("mode of %q: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
}

func TestRecordsFromAndEarlyEnd(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "journal.db"))
	commit(t, s, 30)
	var got []uint64
	for r, err := range s.Records(28) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Seq)
		commit(t, s, 1) // from inside the loop; not part of it
	}
	if fmt.Sprint(got) != "[28 29 30]" {
		t.Errorf("Records(28) = %v, want 28..30", got)
	}
	for range s.Records(99) {
		t.Error("Records(99) yields something")
	}
	for r := range s.Records(1) {
		if r.Seq == 2 {
			break
		}
	}
}

func TestBadRecordChangesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "journal.db"))
	commit(t, s, 2)
	bad := numberedRecord(4)
	bad.Body = json.RawMessage(`{"n":`)
	if err := s.Commit([]Record{numberedRecord(3), bad}, map[string][]byte{"queue": nil}); err == nil {
		t.Fatal("a body that is no JSON was committed")
	}
	check(t, s, 2)
	commit(t, s, 1)
	check(t, s, 3)
}

func TestSecondOpenIsBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	s := open(t, path)
	_, err := Open(path)
	busy, ok := errors.AsType[*Busy](err)
	if !ok || busy.PID != os.Getpid() || !errors.Is(err, ErrBusy) {
		t.Fatalf("second Open: %v, want Busy with pid %d", err, os.Getpid())
	}
	if want := fmt.Sprintf("%s is in use: another pushtrain runs on this state (pid %d)", path, os.Getpid()); busy.Error() != want {
		t.Errorf("says %q, want %q", busy, want)
	}
	if _, ok := errors.AsType[*Busy](Restore(path, path)); !ok {
		t.Error("Restore over a journal in use is not Busy")
	}
	commit(t, s, 1)
}

func TestReplacedWhileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	s := open(t, path)
	commit(t, s, 1)
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and it stays so
		if err := s.Commit([]Record{numberedRecord(2)}, nil); err == nil || errors.Is(err, ErrFull) {
			t.Fatalf("commit to a file that is gone: %v", err)
		}
	}
	if s.Last() != 1 {
		t.Errorf("Last() = %d, want 1", s.Last())
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	s := open(t, path)
	commit(t, s, 1)
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucket([]byte("novelty")); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(keySchema, []byte("3"))
	})
	if err != nil {
		t.Fatal(err)
	}
	copied := copyOf(t, path)
	_, err = Open(copied)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "schema 3; this one reads 2") {
		t.Fatalf("Open: %v, want ErrNewer", err)
	}
}

// copyOf copies a journal that nobody writes to a folder of its own.
func copyOf(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "journal.db")
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestKill kills a committing process at 20 random moments: what it acknowledged is there.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 20 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		acked, enough := uint64(0), 1+random.IntN(60)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if acked, err = strconv.ParseUint(strings.TrimPrefix(lines.Text(), "ack "), 10, 64); err != nil {
				t.Fatal(err)
			}
			if n == enough { // then drain what it still had time to say
				for range random.IntN(200_000) {
				}
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = child.Wait() // it was killed
		s, err := Open(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if last := s.Last(); last < acked || last > acked+1 {
			t.Fatalf("round %d: %d records after %d were acknowledged", round, last, acked)
		}
		check(t, s, s.Last())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
