package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Prune removes all but the newest releases that Open was told to keep, and all
// checkouts but the newest release's. It never removes those of inUse: what is
// live anywhere, what a rollout ships, what a Run runs in.
func (s *Store) Prune(inUse ...string) error {
	s.turn <- struct{}{} // a bot that ends does this last
	defer func() { <-s.turn }()
	all, err := s.archived()
	if err != nil {
		return err
	}
	var errs []error
	if len(all) > 0 {
		errs = append(errs, s.pruneWork(append([]string{all[0].ID}, inUse...)))
	}
	for _, r := range all[min(s.keep, len(all)):] {
		if !slices.Contains(inUse, r.ID) {
			errs = append(errs, s.drop(r.ID))
		}
	}
	return errors.Join(errs...)
}

// pruneWork removes the checkouts, and their marks, of all releases but ids.
func (s *Store) pruneWork(ids []string) error {
	list, err := os.ReadDir(s.work(""))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range list {
		id := strings.TrimSuffix(e.Name(), built)
		if !slices.Contains(ids, id) {
			errs = append(errs, s.clear(id))
		}
	}
	return errors.Join(errs...)
}

// drop removes a release from the archive: at once for a reader of the archive,
// whatever becomes of the bytes.
func (s *Store) drop(id string) error {
	old := s.path(".old-" + id)
	if err := removeTree(old); err != nil {
		return err
	}
	if err := os.Rename(s.path(id), old); err != nil {
		return err
	}
	return removeTree(old)
}

// removeTree removes dir and all below it, folders that are not writable too.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700) // what could not be done shows in RemoveAll's error
		}
		return nil
	})
	return os.RemoveAll(dir)
}
