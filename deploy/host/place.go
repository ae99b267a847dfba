package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// source returns the next bytes of what it is a source of: one at least, and most at
// most. They are good until the next call. Its end is [io.EOF].
type source func(most int64) ([]byte, error)

// placer writes into a side. It is for one goroutine.
//
// Its new files are bare descriptors, below that of their folder: an os.File is asked
// whether it can be polled, and the names below an os.Root whether they are links, for
// each of a release's ten thousand files, and both leave work to the collector.
type placer struct {
	dir  folder // the side
	last folder // the one below it that was written to last
	name string // its path; "" = none
	hash hash.Hash
	sum  [sha256.Size]byte
	hex  [2 * sha256.Size]byte
	buf  []byte
}

// folder is a folder of a side, open in two ways.
type folder struct {
	*os.Root
	fd *os.File
}

func (d folder) close() { _ = errors.Join(d.Root.Close(), d.fd.Close()) } // nothing was written by them

// below opens the folder p of root.
func below(root *os.Root, p string) (folder, error) {
	dir, err := root.OpenRoot(p)
	if err != nil {
		return folder{}, err
	}
	fd, err := dir.Open(".")
	if err != nil {
		return folder{}, errors.Join(err, dir.Close())
	}
	return folder{dir, fd}, nil
}

// placer returns the placer of a side, which it makes if there is none.
func (s *session) placer(side deploy.Side) (*placer, error) {
	if err := s.root.Mkdir(string(side), open755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := below(s.root, string(side))
	if err != nil {
		return nil, err
	}
	return &placer{dir: dir, hash: sha256.New(), buf: make([]byte, 128<<10)}, nil
}

// at returns the folder of p, and p's name in it. The folder is good until the next call.
func (w *placer) at(p string) (folder, string, error) {
	dir, name := path.Split(p)
	if dir == "" {
		return w.dir, name, nil
	}
	if w.name == dir {
		return w.last, name, nil
	}
	last, err := below(w.dir.Root, path.Clean(dir))
	if err != nil {
		return folder{}, "", err
	}
	if w.name != "" {
		w.last.close()
	}
	w.last, w.name = last, dir
	return last, name, nil
}

func (w *placer) close() {
	if w.name != "" {
		w.last.close()
	}
	w.dir.close()
}

// put makes the file of an entry, of the bytes that src begins with, and returns its
// stamp. When they are not its contents, no file is left, and it is a *refusal.
func (w *placer) put(e deploy.Entry, mtime time.Time, src source) (release.Stamp, error) {
	dir, name, err := w.at(e.Path)
	if err != nil {
		return release.Stamp{}, err
	}
	fd, err := create(dir, name, e.Perm)
	if err != nil {
		return release.Stamp{}, &fs.PathError{Op: "create", Path: e.Path, Err: err}
	}
	var st syscall.Stat_t
	if err = w.write(fd, e, src); err == nil {
		err = settle(dir, name, fd, e.Perm, mtime, &st)
	}
	if closed := unix.Close(fd); err == nil {
		err = closed
	}
	if _, bare := err.(syscall.Errno); bare {
		err = &fs.PathError{Op: "write", Path: e.Path, Err: err}
	}
	if err != nil {
		return release.Stamp{}, errors.Join(err, dir.Remove(name))
	}
	return release.StampOfStat(&st, e.Sum), nil
}

// create makes a file that was not there, to be written to.
func create(dir folder, name string, perm uint32) (fd int, err error) {
	for {
		fd, err = unix.Openat(int(dir.fd.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, perm)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// write writes the contents of an entry.
func (w *placer) write(fd int, e deploy.Entry, src source) error {
	differs := func() error { return refuse(Differs, "%s: what came is not its contents", oneLine(e.Path)) }
	w.hash.Reset()
	for left := e.Size; left > 0; {
		p, err := src(left)
		if errors.Is(err, io.EOF) {
			return differs()
		}
		if err != nil {
			return err
		}
		left -= int64(len(p))
		w.hash.Write(p)
		for len(p) > 0 {
			n, err := unix.Write(fd, p)
			if err != nil && err != unix.EINTR {
				return err
			}
			p = p[max(0, n):]
		}
	}
	hex.Encode(w.hex[:], w.hash.Sum(w.sum[:0]))
	if string(w.hex[:]) != e.Sum {
		return differs()
	}
	return nil
}

// settle gives a file that is written its time and its mode, and looks what it is then.
func settle(dir folder, name string, fd int, perm uint32, mtime time.Time, st *syscall.Stat_t) error {
	at := unix.NsecToTimespec(mtime.UnixNano())
	if err := unix.UtimesNanoAt(int(dir.fd.Fd()), name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := syscall.Fstat(fd, st); err != nil || st.Mode&0o7777 == perm {
		return err
	}
	if err := unix.Fchmod(fd, perm); err != nil { // the umask
		return err
	}
	return syscall.Fstat(fd, st)
}

// read returns the source of what r reads, which tells of each read that the work goes on.
func (w *placer) read(r io.Reader, busy func() error) source {
	return func(most int64) ([]byte, error) {
		if err := busy(); err != nil {
			return nil, err
		}
		n, err := r.Read(w.buf[:min(most, int64(len(w.buf)))])
		if n > 0 {
			err = nil
		}
		return w.buf[:n], err
	}
}
