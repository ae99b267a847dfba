package store

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// need skips the test, or fails it in CI, where nothing may be missing.
func need(t *testing.T, have bool, what string) {
	t.Helper()
	if have {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

// TestCommitIsSynced watches a process commit: before it acknowledges a record, all
// that it wrote to the journal has been fdatasync'ed, the head after the rest.
func TestCommitIsSynced(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "journal.db"))
	if s.db.NoSync || s.db.NoGrowSync || s.db.NoFreelistSync {
		t.Error("the journal is open without sync")
	}
	strace, err := exec.LookPath("strace")
	need(t, err == nil, "the Debian package strace")

	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	child := exec.CommandContext(t.Context(), strace, "-f", "-y", "-qq", "-o", trace,
		"-e", "trace=write,pwrite64,fdatasync", "-e", "signal=none", os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+filepath.Join(dir, "journal.db"))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	seen := make([]byte, 0, 1<<10)
	for buf := make([]byte, 256); !bytes.Contains(seen, []byte("ack 20\n")); {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("after %q: %v", seen, err)
		}
		seen = append(seen, buf[:n]...)
	}
	if err := out.Close(); err != nil { // its next acknowledgement ends it
		t.Fatal(err)
	}
	_ = child.Wait()
	lines, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	wrote := regexp.MustCompile(`pwrite64\(\d+<[^>]*journal\.db>`)
	synced := regexp.MustCompile(`fdatasync\(\d+<[^>]*journal\.db>`)
	acked := regexp.MustCompile(`write\(1<[^>]*>, "ack `)
	steps := ""
	for line := range strings.Lines(string(lines)) {
		switch { // a call that another thread interrupted begins with its arguments, so it counts once
		case wrote.MatchString(line):
			steps += "w"
		case synced.MatchString(line):
			steps += "s"
		case acked.MatchString(line):
			steps += "a"
		}
	}
	commits := strings.Split(steps, "a")
	if len(commits) < 20 {
		t.Fatalf("only %d acknowledged commits in the trace %q", len(commits)-1, steps)
	}
	shape := regexp.MustCompile(`^w+sws$`) // pages, sync, head, sync
	for n, steps := range commits[1:20] {
		if !shape.MatchString(steps) {
			t.Errorf("commit %d was acknowledged after %q; want writes, a sync, the head, a sync", n+2, steps)
		}
	}
}

// TestBrokenDisk lets fdatasync fail in a committing process: it commits no more, and
// what it acknowledged is there, with at most the one commit of unknown outcome.
func TestBrokenDisk(t *testing.T) {
	strace, err := exec.LookPath("strace")
	need(t, err == nil, "the Debian package strace")
	for _, when := range []string{"9+", "12+", "15+", "18+"} { // counted by thread; odd and even: pages and heads
		path := filepath.Join(t.TempDir(), "journal.db")
		child := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", os.DevNull,
			"-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when="+when, os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+path)
		var complaint bytes.Buffer
		child.Stderr = &complaint
		out, err := child.Output()
		if err == nil || !strings.Contains(complaint.String(), "input/output error") {
			t.Fatalf("the child ended with %v: %s", err, &complaint)
		}
		said, ok := strings.CutSuffix(string(out), "refused\n")
		if !ok {
			t.Errorf("a commit after the failed one was not refused: %s", &complaint)
		}
		s := open(t, path)
		acked := uint64(strings.Count(said, "ack "))
		if last := s.Last(); acked == 0 || last < acked || last > acked+1 {
			t.Errorf("%d records after %d were acknowledged", last, acked)
		}
		check(t, s, s.Last())
	}
}

// TestFullDisk fills a small file system: ErrFull leaves the journal sound, and the
// reserve has room for what ends a rollout.
func TestFullDisk(t *testing.T) {
	need(t, os.Geteuid() == 0, "root, to mount a tmpfs")
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m,mode=700"); err != nil {
		need(t, false, "leave to mount a tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "journal.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			_ = s.Close() // the test has failed already
		}
	}()
	before, err := s.Free()
	if err != nil || before < 1<<20 || before > 2<<20 {
		t.Fatalf("Free() = %d, %v; want 3 MiB less the reserve and the journal", before, err)
	}
	full := fill(t, s)
	if full < 10 {
		t.Fatalf("full after %d commits", full)
	}
	check(t, s, full)
	if free, err := s.Free(); err != nil || free > 64<<10 {
		t.Errorf("Free() = %d, %v on a full disk", free, err)
	}
	if err := s.TakeReserve(); err != nil {
		t.Errorf("the reserve is there already: %v", err)
	}

	if err := s.ReleaseReserve(); err != nil {
		t.Fatal(err)
	}
	commit(t, s, 100)
	check(t, s, full+100)
	full = fill(t, s)
	if err := s.TakeReserve(); !errors.Is(err, ErrFull) {
		t.Errorf("TakeReserve on a full disk: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	closed = true

	s, err = Open(path) // a full disk is no reason not to run
	if err != nil {
		t.Fatal(err)
	}
	closed = false
	check(t, s, full)
	if _, err := s.Backup(backupDir(path), 2); err == nil {
		t.Error("Backup finds room on a full disk")
	}
	if left, err := os.ReadDir(backupDir(path)); err != nil || len(left) != 0 {
		t.Errorf("a copy that did not fit left %v, %v", left, err)
	}
	closed = true
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// fill commits until the disk is full and returns how many records there are.
func fill(t *testing.T, s *Store) uint64 {
	t.Helper()
	for range 50_000 {
		r := numberedRecord(s.Last() + 1)
		err := s.Commit([]Record{r}, map[string][]byte{"queue": r.Body})
		if errors.Is(err, ErrFull) {
			return s.Last()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the disk does not get full")
	return 0
}
