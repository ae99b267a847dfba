package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// Restore puts a copy of the file from in the place of the journal to. What stood
// there stays beside it as to.damaged-N. A file that lost its newest head is good
// enough for from, even to itself: it is taken as the transaction before left it.
//
// It returns a [*Busy] when the journal is in use, and a [*Damaged] when from is no
// good; then nothing was changed.
func Restore(from, to string) error {
	if err := makeFolder(filepath.Dir(to)); err != nil {
		return fmt.Errorf("restore journal: %w", err)
	}
	lock, err := takeLock(to)
	if err != nil {
		return err
	}
	fresh := to + ".new"
	err = copySound(from, fresh)
	if err == nil {
		err = setAside(to)
	}
	if err == nil {
		err = replace(fresh, to)
	}
	if err != nil {
		err = fmt.Errorf("restore journal: %w", errors.Join(err, removeAny(fresh)))
	}
	return errors.Join(err, lock.Close())
}

// copySound makes to a synced and checked copy of the journal from.
func copySound(from, to string) error {
	if _, err := inspectFile(from, oneHead); err != nil {
		return err
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close() // only read
	if err := writeFile(to, func(w io.Writer) error { _, err := io.Copy(w, src); return err }); err != nil {
		return err
	}
	// An empty transaction writes the head that may be lost.
	db, err := openBolt(to)
	if err != nil {
		return err
	}
	err = db.Update(func(*bbolt.Tx) error { return nil })
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	_, err = inspectFile(to, bothHeads)
	return err
}

// setAside gives the file at path, if there is one, a second name that is free.
func setAside(path string) error {
	for n := 1; ; n++ {
		err := os.Link(path, fmt.Sprintf("%s.damaged-%d", path, n))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}
