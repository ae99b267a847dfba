package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// reserveSize is room for some hundred commits: the records that end a rollout.
const reserveSize = 1 << 20

// TakeReserve sets the reserve aside, when it is not there whole. It returns
// [ErrFull] when the disk has no room for it.
func (s *Store) TakeReserve() error {
	path := s.reserve()
	if info, err := os.Stat(path); err == nil && info.Size() == reserveSize {
		return nil
	}
	err := writeFile(path, func(w io.Writer) error {
		// Noise, so that no file system stores it smaller than it is.
		_, err := io.CopyN(w, rand.Reader, reserveSize)
		return err
	})
	if err == nil {
		return nil
	}
	err = errors.Join(err, s.ReleaseReserve())
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("take reserve: %w: %w", ErrFull, err)
	}
	return fmt.Errorf("take reserve: %w", err)
}

// ReleaseReserve gives the reserve back to the disk, so that what ends a rollout can
// still be committed. The caller takes it again when [Store.Free] says that there is room.
func (s *Store) ReleaseReserve() error {
	if err := removeAny(s.reserve()); err != nil {
		return fmt.Errorf("release reserve: %w", err)
	}
	return nil
}

// Free returns how many bytes the journal's disk has left for us; the reserve is not among them.
func (s *Store) Free() (bytes int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(s.path), &st); err != nil {
		return 0, fmt.Errorf("measure free space: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func (s *Store) reserve() string { return s.path + ".reserve" }
