package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"
)

// backupDir is where copies of the journal at path are looked for.
func backupDir(path string) string { return filepath.Join(filepath.Dir(path), "backup") }

// Backup copies the journal as it is now into dir, checks the copy, and keeps the
// newest keep of them (at least 1). Its place is the folder backup beside the journal,
// where [Open] looks for copies of a journal that it finds damaged.
// Commits go on meanwhile; one that must enlarge the file waits for the copy.
func (s *Store) Backup(dir string, keep int) (path string, err error) {
	s.copies.Lock()
	defer s.copies.Unlock()
	path, err = s.backup(dir)
	if err == nil {
		err = prune(dir, max(keep, 1))
	}
	if err != nil {
		return "", fmt.Errorf("back up journal: %w", err)
	}
	return path, nil
}

func (s *Store) backup(dir string) (path string, err error) {
	if err := makeFolder(dir); err != nil {
		return "", err
	}
	have, err := copies(dir)
	if err != nil {
		return "", err
	}
	number := 1
	if len(have) > 0 {
		number = have[0].number + 1
	}
	path = filepath.Join(dir, copyName(number))
	fresh := path + ".new"
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAny(fresh))
		}
	}()
	if err := s.copyTo(fresh); err != nil {
		return "", err
	}
	if _, err := inspectFile(fresh, bothHeads); err != nil {
		return "", err
	}
	return path, replace(fresh, path)
}

// copyTo writes the journal as it is now to a new file, synced.
func (s *Store) copyTo(path string) error {
	return writeFile(path, func(w io.Writer) error {
		return s.db.View(func(tx *bbolt.Tx) error {
			_, err := tx.WriteTo(w)
			return err
		})
	})
}

// Newest returns the newest good copy in dir; it wraps [fs.ErrNotExist] when there is none.
func Newest(dir string) (path string, err error) {
	have, err := copies(dir)
	if err != nil {
		return "", fmt.Errorf("look for copies: %w", err)
	}
	for _, c := range have {
		path := filepath.Join(dir, c.name)
		if _, err := inspectFile(path, bothHeads); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("look for copies: no good one in %s: %w", dir, fs.ErrNotExist)
}

// newestOrNone is Newest with "" for none.
func newestOrNone(dir string) string {
	path, err := Newest(dir)
	if err != nil {
		return ""
	}
	return path
}

// numbered is a copy's file name and the number in it.
type numbered struct {
	name   string
	number int
}

func copyName(number int) string { return fmt.Sprintf("journal-%06d.db", number) }

// copies lists the copies in dir, newest first. Other files are none of ours.
func copies(dir string) ([]numbered, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []numbered
	for _, e := range entries {
		digits := strings.TrimSuffix(strings.TrimPrefix(e.Name(), "journal-"), ".db")
		if n, err := strconv.Atoi(digits); err == nil && e.Name() == copyName(n) {
			out = append(out, numbered{e.Name(), n})
		}
	}
	slices.SortFunc(out, func(a, b numbered) int { return b.number - a.number })
	return out, err
}

// prune removes all copies in dir but the newest keep, and what a copy that was
// never finished left behind.
func prune(dir string, keep int) error {
	have, err := copies(dir)
	for _, c := range have[min(keep, len(have)):] {
		err = errors.Join(err, removeAny(filepath.Join(dir, c.name)))
	}
	rest, _ := filepath.Glob(filepath.Join(dir, "journal-*.db.new")) // the pattern is good
	for _, path := range rest {
		err = errors.Join(err, removeAny(path))
	}
	return err
}
