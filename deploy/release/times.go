package release

import (
	"fmt"
	"os"
	"time"

	"pushtrain/deploy"
)

// Times returns the mtimes that the files of an archived release have there, by
// the entries of its manifest m; that of a folder or link is zero.
func (s *Store) Times(id string, m deploy.Manifest) ([]time.Time, error) {
	tree, err := os.OpenRoot(s.Tree(id))
	if err != nil {
		return nil, fmt.Errorf("release %s: %w", id, err)
	}
	defer tree.Close()
	times := make([]time.Time, len(m.Entries))
	for i, e := range m.Entries {
		if e.Type != deploy.File {
			continue
		}
		info, err := tree.Lstat(e.Path)
		if err != nil {
			return nil, fmt.Errorf("release %s: %w", id, err)
		}
		times[i] = info.ModTime()
	}
	return times, nil
}
