package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// makeFolder creates dir, mode 0700, and what is missing above it, durably.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// WriteFile makes path, mode 0600, hold data and nothing else, durably; what was there
// stays whole until then.
func WriteFile(path string, data []byte) error {
	fresh := path + ".new"
	err := writeFile(fresh, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return errors.Join(err, removeAny(fresh))
	}
	return replace(fresh, path)
}

// replace renames from, whose content is synced, to path, durably.
func replace(from, path string) error {
	if err := os.Rename(from, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder puts on the disk which names dir holds.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// writeFile makes a file, mode 0600, of what fill writes, and puts it on the disk.
func writeFile(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// removeAny removes a file that may be gone already.
func removeAny(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
