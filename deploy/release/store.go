package release

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// Store is the releases of one stack. Its methods may be called from several
// goroutines; Build, Prune and the making of a checkout by Run wait for one another.
type Store struct {
	dir    string
	src    Source
	keep   int
	mirror mirror

	turn chan struct{} // has room for who writes below dir; see await
}

// record is release.json.
type record struct {
	deploy.Release
	Seq uint64 // place in the order of the archive: 1 = the first release ever
}

var idGrammar = regexp.MustCompile(`^[0-9a-f]{12}$`)

// Open returns the store in dir, which is made if there is none. keep is how
// many of the newest releases Prune leaves; 0 = 10. It does not touch the
// network: a repository that can't be reached is found by Build.
func Open(dir string, src Source, keep int) (*Store, error) {
	s, err := Beside(dir, src, keep)
	if err != nil {
		return nil, err
	}
	for _, d := range []string{s.mirror.dir, s.work(""), s.path("")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	return s, s.sweep()
}

// Beside is Open for who only reads, maybe while another process has the store
// open: nothing is made and nothing removed.
func Beside(dir string, src Source, keep int) (*Store, error) {
	src, err := src.check()
	if err != nil {
		return nil, err
	}
	if keep < 0 {
		return nil, fmt.Errorf("keep %d is less than one release", keep)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	return &Store{dir: dir, src: src, keep: cmp.Or(keep, 10), mirror: mirror{filepath.Join(dir, "repo.git")}, turn: make(chan struct{}, 1)}, nil
}

// await waits until nobody writes below dir: whoever does may wait for a git server. The
// caller ends its turn by over.
func (s *Store) await(ctx context.Context) (over func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// sweep removes what a crash left half made or half removed, and git's locks of
// then: no git of ours is at work yet.
func (s *Store) sweep() error {
	if err := s.mirror.unlock(); err != nil {
		return err
	}
	list, err := os.ReadDir(s.path(""))
	if err != nil {
		return err
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") {
			if err := removeTree(s.path(e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// path returns where the release id is archived.
func (s *Store) path(id string) string { return filepath.Join(s.dir, "releases", id) }

// Scratch returns a new file on the archive's disk. It has no name: it is gone when it is closed.
func (s *Store) Scratch() (*os.File, error) {
	f, err := os.CreateTemp(s.path(""), ".scratch-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// work returns where the release id is checked out.
func (s *Store) work(id string) string {
	return filepath.Join(cmp.Or(s.src.Work, filepath.Join(s.dir, "work")), id)
}

// Tree returns the folder of the archived release: what is sent to hosts. It is
// never written to. For an id that is not archived, the folder does not exist.
func (s *Store) Tree(id string) string { return filepath.Join(s.path(id), "tree") }

// Has reports whether the release is archived. Only Build knows whether its tree is still sound.
func (s *Store) Has(id string) bool {
	_, err := s.load(id)
	return err == nil
}

// Load returns an archived release. For one that is not there the error is fs.ErrNotExist.
func (s *Store) Load(id string) (deploy.Release, error) {
	r, err := s.load(id)
	return r.Release, err
}

func (s *Store) load(id string) (record, error) {
	var r record
	if !idGrammar.MatchString(id) {
		return r, fmt.Errorf("release %q: an id is 12 hex digits", id)
	}
	b, err := os.ReadFile(filepath.Join(s.path(id), "release.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("release %s is not in the archive: %w", id, fs.ErrNotExist)
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil || r.ID != id {
		return record{}, fmt.Errorf("release %s: its release.json is damaged", id)
	}
	return r, nil
}

// Manifest returns what proves an archived release.
func (s *Store) Manifest(id string) (deploy.Manifest, error) {
	r, err := s.load(id)
	if err != nil {
		return deploy.Manifest{}, err
	}
	b, err := os.ReadFile(filepath.Join(s.path(id), "manifest.json"))
	if err != nil {
		return deploy.Manifest{}, fmt.Errorf("release %s: %w", id, err)
	}
	var m deploy.Manifest
	if err := json.Unmarshal(b, &m); err != nil || m.Digest() != r.Digest {
		return deploy.Manifest{}, fmt.Errorf("release %s: its manifest.json is damaged", id)
	}
	return m, nil
}

// proves reports whether the archived tree is still what its manifest says. An
// error is ctx's end; damage of any kind is a no.
func (s *Store) proves(ctx context.Context, id string) (bool, error) {
	want, err := s.Manifest(id)
	if err != nil {
		return false, nil
	}
	got, err := Scan(ctx, s.Tree(id))
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return err == nil && got.Digest() == want.Digest(), nil
}

// archived returns the records of all sound releases, the newest first.
func (s *Store) archived() ([]record, error) {
	list, err := os.ReadDir(s.path(""))
	if err != nil {
		return nil, err
	}
	var all []record
	for _, e := range list {
		if r, err := s.load(e.Name()); err == nil {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b record) int { return cmp.Compare(b.Seq, a.Seq) })
	return all, nil
}

// syncTree makes all that was written to dir's file system last.
func syncTree(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}
