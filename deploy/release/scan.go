package release

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"pushtrain/deploy"
)

// RefusedError is a path that no release may hold.
type RefusedError struct {
	Path string
	What string // what stands there: "is a fifo"
}

func (e *RefusedError) Error() string {
	return clean(e.Path) + ": " + e.What + ": a release holds files, folders and links, with no more than permission bits"
}

// Scan returns the manifest of the folder dir as it is now. It follows no link
// but dir itself, hashes as many files at a time as Go runs threads, and refuses
// what a Manifest can't say with a [*RefusedError]. A file that changes under
// its hands is a [*ChangedError].
func Scan(ctx context.Context, dir string) (deploy.Manifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return deploy.Manifest{}, err
	}
	defer root.Close()
	m, _, err := ScanKnown(ctx, root, nil)
	return m, err
}

// ScanKnown is [Scan] of the folder behind root. It takes the sum of a file whose
// stamp is in known and still holds from there, without reading the file, and
// returns the stamps to know next time.
func ScanKnown(ctx context.Context, root *os.Root, known Known) (deploy.Manifest, Known, error) {
	return scan(ctx, root, known, "")
}

// scan is ScanKnown that passes over the name skip at the top; "" = none.
func scan(ctx context.Context, root *os.Root, known Known, skip string) (deploy.Manifest, Known, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &scanner{known: known, skip: skip, jobs: make(chan job), stamps: make(Known)}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			buf := make([]byte, 256<<10)
			for j := range s.jobs {
				if err := s.hash(ctx, j, buf); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := s.walk(ctx, root, "")
	close(s.jobs)
	workers.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return deploy.Manifest{}, nil, err
	}
	return s.manifest(), s.stamps, nil
}

// manifest is what was found.
func (s *scanner) manifest() deploy.Manifest {
	m := deploy.Manifest{Entries: make([]deploy.Entry, len(s.entries))}
	for i, e := range s.entries {
		m.Entries[i] = *e
	}
	slices.SortFunc(m.Entries, func(a, b deploy.Entry) int { return cmp.Compare(a.Path, b.Path) })
	return m
}

// scanner is one scan. Its walk fills entries and feeds the jobs.
type scanner struct {
	known   Known
	skip    string
	jobs    chan job
	entries []*deploy.Entry
	pace    *pace // nil = there are workers; else the walk hashes by itself, at this pace, with buf
	buf     []byte

	mu     sync.Mutex
	stamps Known // guarded by mu
}

// job is a file to hash into its entry.
type job struct {
	entry *deploy.Entry
	file  *os.File
}

// walk adds everything below dir, whose path in the tree is at; "" = the top.
func (s *scanner) walk(ctx context.Context, dir *os.Root, at string) error {
	list, err := names(dir)
	if err != nil {
		return err
	}
	for _, name := range list {
		if at == "" && s.skip != "" && name == s.skip {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := s.add(ctx, dir, name, path.Join(at, name)); err != nil {
			return err
		}
	}
	return nil
}

// names returns what is in the folder dir.
func names(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// add adds what stands at name in dir, and for a folder all below it.
func (s *scanner) add(ctx context.Context, dir *os.Root, name, p string) error {
	info, err := dir.Lstat(name)
	if err != nil {
		return fmt.Errorf("%s: %w", clean(p), err)
	}
	e := &deploy.Entry{Path: p, Perm: uint32(info.Mode().Perm())}
	if what := refused(info.Mode()); what != "" {
		return &RefusedError{Path: p, What: what}
	}
	s.entries = append(s.entries, e)
	switch {
	case info.IsDir():
		e.Type = deploy.Dir
		sub, err := dir.OpenRoot(name)
		if err != nil {
			return fmt.Errorf("%s: %w", clean(p), err)
		}
		defer sub.Close()
		if opened, err := sub.Stat("."); err != nil || !os.SameFile(info, opened) {
			return changed(p)
		}
		return s.walk(ctx, sub, p)
	case info.Mode().IsRegular():
		e.Type, e.Size = deploy.File, info.Size()
		if stamp := stampOf(info); s.known[p].holds(stamp) {
			e.Sum = s.known[p].Sum
			s.keep(p, stamp, e.Sum)
			return nil
		}
		return s.feed(ctx, dir, name, info, e)
	default:
		e.Type, e.Perm = deploy.Link, 0
		e.Link, err = dir.Readlink(name)
		return err
	}
}

// refused says what stands there if no release may hold it.
func refused(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeDevice != 0:
		return "is a device"
	case mode&fs.ModeNamedPipe != 0:
		return "is a fifo"
	case mode&fs.ModeSocket != 0:
		return "is a socket"
	case mode&fs.ModeSetuid != 0:
		return "is setuid"
	case mode&fs.ModeSetgid != 0:
		return "is setgid"
	case mode&fs.ModeSticky != 0:
		return "is sticky"
	case mode.IsRegular(), mode.IsDir(), mode.Type() == fs.ModeSymlink:
		return ""
	}
	return "is neither file, folder nor link"
}

// feed opens the file that info is of and hands it to a worker.
func (s *scanner) feed(ctx context.Context, dir *os.Root, name string, info fs.FileInfo, e *deploy.Entry) error {
	// Not blocking: by now it could be a fifo that nobody writes to.
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", clean(e.Path), err)
	}
	opened, err := f.Stat()
	if err != nil || !os.SameFile(info, opened) {
		f.Close()
		return changed(e.Path)
	}
	if s.pace != nil {
		return s.hash(ctx, job{e, f}, s.buf)
	}
	select {
	case s.jobs <- job{e, f}:
		return nil
	case <-ctx.Done():
		f.Close()
		return context.Cause(ctx)
	}
}
