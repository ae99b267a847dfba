package host

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// vigil is kept over sides that were seen to be intact: while the kernel has seen
// nothing done in one since, none of its paths need be looked at again. See inotify(7).
//
// What the kernel does not tell is a write by another machine, so there is no vigil on
// a file system that others may share; one by another hard link, so there is none
// over a file that has two; and one by a file that somebody has kept mapped since
// before the side was sealed. A link that is made later, and written by, is left to
// [Audit]. A vigil ends with its session.
type vigil struct {
	fd    int                   // of inotify; 0 = not asked for yet, -1 = there is none to be had
	sides map[int32]deploy.Side // by watch
	over  map[deploy.Side]seen  // the sides over which it is kept
	most  int                   // watches that it takes: others of this user want some too

	side  deploy.Side // the one that is looked at now
	whole bool        // nothing that is done in it from now on goes unseen
}

// seen is a side as it was when its vigil began.
type seen struct {
	digest string      // of the tree that it holds
	dir    os.FileInfo // its folder
}

// done is all that can be done in a folder, and to it, but reading.
const done = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE |
	unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF

// alone are the magic numbers of file systems that no other machine writes to.
var alone = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true,
	unix.TMPFS_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true, 0x2fc12fc1: true, // ZFS
}

// begin comes before a look at the side, whose folder is top.
func (v *vigil) begin(side deploy.Side, top *os.File) {
	if v.fd == 0 {
		v.sides, v.over = map[int32]deploy.Side{}, map[deploy.Side]seen{}
		var err error
		if v.fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
			v.fd = -1
		}
		v.most = watches() / 4
	}
	v.end(side)
	var st unix.Statfs_t
	v.side, v.whole = side, v.fd > 0 && unix.Fstatfs(int(top.Fd()), &st) == nil && alone[int64(st.Type)]
}

// watch comes before the look at what is in a folder, an open descriptor, and after
// that at the folder above.
func (v *vigil) watch(dir int) {
	if v.whole = v.whole && len(v.sides) < v.most; !v.whole {
		return
	}
	wd, err := unix.InotifyAddWatch(v.fd, fmt.Sprintf("/proc/self/fd/%d", dir), done|unix.IN_ONLYDIR)
	if err != nil {
		v.whole = false
		return
	}
	v.sides[int32(wd)] = v.side
}

// watches is how many a user may have, see inotify(7); where that is not said, as many as
// were usual before Linux 5.11.
func watches() int {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_watches")
	if n, bad := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && bad == nil {
		return n
	}
	return 8192
}

// blind says that something in the side may be changed unseen.
func (v *vigil) blind() { v.whole = false }

// keep keeps the vigil over the side that was looked at, if it can be.
func (v *vigil) keep(side deploy.Side, s seen) {
	if !v.whole {
		v.end(side)
		return
	}
	v.over[side] = s
}

// end ends the vigil over a side: it is about to be written to, or looked at anew.
func (v *vigil) end(side deploy.Side) {
	delete(v.over, side)
	for wd, s := range v.sides {
		if s == side {
			_, _ = unix.InotifyRmWatch(v.fd, uint32(wd)) // it went with its folder, or what it tells is passed over
			delete(v.sides, wd)
		}
	}
}

// quiet reports whether the side, whose folder is dir now, is the tree of digest still.
func (v *vigil) quiet(side deploy.Side, digest string, dir os.FileInfo) bool {
	if v.fd <= 0 || !v.listen() {
		return false
	}
	was, kept := v.over[side]
	return kept && was.digest == digest && os.SameFile(was.dir, dir)
}

// listen takes in what the kernel has seen, and reports whether it was to be heard.
func (v *vigil) listen() bool {
	buf := make([]byte, 16<<10)
	for {
		n, err := unix.Read(v.fd, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return true
		case err != nil || n == 0:
			return false
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			wd, mask, name := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[12:])
			b = b[unix.SizeofInotifyEvent+int(name):]
			if mask&unix.IN_Q_OVERFLOW != 0 {
				clear(v.over)
			} else if side, watched := v.sides[wd]; watched {
				delete(v.over, side)
			}
		}
	}
}

func (v *vigil) close() {
	if v.fd > 0 {
		unix.Close(v.fd)
	}
}
