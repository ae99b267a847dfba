package store

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pushtrain/deploy/host/powertest"
)

var everyCut = flag.Bool("power", false, "TestPowerLoss cuts the power at every sync, not at a spread of them")

// powerEnv makes the test binary a child that works on a journal below the folder it names.
const powerEnv = "PUSHTRAIN_STORE_POWER"

// workForPower does what a bot does with its journal, from making it to taking it up
// from a copy, and writes into the file .marks what it was told is done.
func workForPower(dir string) (err error) {
	marks, err := os.Create(filepath.Join(dir, ".marks"))
	if err != nil {
		return err
	}
	defer marks.Close()
	path := filepath.Join(dir, "state", "journal.db")
	backup := backupDir(path)
	s, err := Open(path)
	if err != nil {
		return err
	}
	commit := func(n int) error {
		for range n {
			r := numberedRecord(s.Last() + 1)
			if err := s.Commit([]Record{r}, map[string][]byte{"queue": r.Body}); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(marks, "ack", s.Last()); err != nil {
				return err
			}
		}
		return nil
	}
	for range 3 {
		if err := commit(12); err != nil {
			return err
		}
		copied, err := s.Backup(backup, 2)
		if err != nil {
			return err
		}
		fmt.Fprintln(marks, "copied", filepath.Base(copied))
		if err := commit(12); err != nil {
			return err
		}
		if err := errors.Join(s.ReleaseReserve(), commit(4), s.TakeReserve(), commit(4), s.Close()); err != nil {
			return err
		}
		if s, err = Open(path); err != nil {
			return err
		}
	}
	if err := errors.Join(commit(8), s.Close()); err != nil {
		return err
	}
	from, err := Newest(backup)
	if err != nil {
		return err
	}
	old, err := inspectFile(from, bothHeads)
	if err != nil {
		return err
	}
	fmt.Fprintln(marks, "restoring", old.head.Seq)
	if err := Restore(from, path); err != nil {
		return err
	}
	fmt.Fprintln(marks, "ack", old.head.Seq)
	if s, err = Open(path); err != nil {
		return err
	}
	return errors.Join(commit(8), s.Close())
}

// TestPowerLoss cuts the power of the journal's disk right before and right behind
// its syncs: what was acknowledged is there, with at most the one commit that was
// under way, and all of it is sound.
func TestPowerLoss(t *testing.T) {
	disk := powertest.Mount(t)
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), powerEnv+"="+disk.Dir)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	syncs := disk.Syncs()
	points, step := append(syncs, disk.Points()-1), 1
	if !*everyCut {
		step = 29
	}
	cuts := 0
	for n := 0; n < len(points); n += step {
		for how := range powertest.How(powertest.Hows) {
			cuts++
			name := fmt.Sprintf("point %d of %d, how %d", points[n], disk.Points(), how)
			if err := survives(t, disk, points[n], how); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d cuts at %d syncs: every acknowledged record was there", cuts, len(syncs)/2)
}

// survives cuts the power and opens the journal anew.
func survives(t *testing.T, disk *powertest.Disk, point int, how powertest.How) error {
	dir, err := os.MkdirTemp("/dev/shm", "pushtrain-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	disk.Cut(t, dir, point, how, 1)
	acked, other := uint64(0), uint64(0) // other: what it may be restored to just now
	state := filepath.Join(dir, "state")
	copied := ""
	for _, m := range disk.Marks(point) {
		word, number, _ := strings.Cut(m, " ")
		if word == "copied" {
			copied = filepath.Join(state, "backup", number)
			continue
		}
		other = 0
		to := &acked
		if word == "restoring" {
			to = &other
		}
		if _, err := fmt.Sscan(number, to); err != nil {
			return err
		}
	}
	if copied != "" { // of those that were made before, the newer one may have dropped it
		if _, err := inspectFile(copied, bothHeads); err != nil {
			return err
		}
	}
	s, err := Open(filepath.Join(state, "journal.db"))
	if err != nil {
		return err
	}
	last := s.Last()
	if last != acked && last != acked+1 && (other == 0 || last != other) {
		return errors.Join(fmt.Errorf("%d records after %d were acknowledged", last, acked), s.Close())
	}
	if last > 0 {
		check(t, s, last)
	}
	commit(t, s, 1)
	return s.Close()
}
