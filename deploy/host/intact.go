package host

import (
	"context"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// intact reports whether the side is to the last path what its record says, and no
// file was touched since. It looks at every path once and reads no file: what it
// costs is one call of the kernel for each; and nothing while a vigil is kept over
// the side. Where it does not say yes the side may still be right, and only a look tells.
func (s *session) intact(ctx context.Context, side deploy.Side, r record) bool {
	top, err := s.root.Open(string(side))
	if err != nil {
		return false
	}
	defer top.Close()
	info, err := top.Stat()
	if err != nil {
		return false
	}
	if s.vigil.quiet(side, r.digest, info) {
		return true
	}
	in := map[string][]int{"": nil} // the entries that are in each folder
	dirs := []string{""}            // each behind the one that it is in
	for i, e := range r.tree.Entries {
		dir, _ := path.Split(e.Path)
		in[dir] = append(in[dir], i)
		if e.Type == deploy.Dir {
			dirs = append(dirs, e.Path+"/")
		}
	}
	s.vigil.begin(side, top)
	buf := make([]byte, 32<<10)
	for _, dir := range dirs {
		if ctx.Err() != nil || !s.folder(top, r, dir, in[dir], buf) {
			s.vigil.end(side)
			return false
		}
	}
	s.vigil.keep(side, seen{r.digest, info})
	return true
}

// folder reports whether the folder dir below top, a path with its slash or "" for
// top itself, holds these entries of r and nothing else. It follows no link.
func (s *session) folder(top *os.File, r record, dir string, entries []int, buf []byte) bool {
	fd, err := unix.Openat2(int(top.Fd()), path.Clean(dir), &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	s.vigil.watch(fd)
	for _, i := range entries {
		if e := r.tree.Entries[i]; !s.stands(fd, e.Path[len(dir):], e, r.stamps[i], buf) {
			return false
		}
	}
	names := 0
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil || n == 0 {
			return err == nil && names == len(entries)
		}
		_, count, _ := unix.ParseDirent(buf[:n], -1, nil)
		names += count
	}
}

// stands reports whether what stands at name in the folder fd is the entry, and if
// it is a file, still the one that was stamped.
func (s *session) stands(fd int, name string, e deploy.Entry, stamp release.Stamp, buf []byte) bool {
	var st unix.Stat_t
	if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return false
	}
	switch e.Type {
	case deploy.Dir:
		return st.Mode == unix.S_IFDIR|e.Perm
	case deploy.Link:
		n, err := unix.Readlinkat(fd, name, buf)
		return err == nil && string(buf[:n]) == e.Link
	}
	if st.Nlink > 1 {
		s.vigil.blind()
	}
	return st.Mode == unix.S_IFREG|e.Perm && e.Sum != "" &&
		stamp == release.Stamp{Inode: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Sum: e.Sum}
}
