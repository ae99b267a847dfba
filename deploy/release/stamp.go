package release

import (
	"io/fs"
	"syscall"
	"time"
)

// settled is how long a file must have been at rest before its stamp is kept: a
// write within one tick of the file system's clock, 10 ms at most, would leave
// the stamp as it is.
const settled = 100 * time.Millisecond

// Known is what is known of files that were hashed before, by path.
type Known map[string]Stamp

// Stamp tells whether a file was written to since it was hashed. The zero Stamp
// holds of no file.
type Stamp struct {
	Inode uint64
	Size  int64
	Mtime int64 // nanoseconds since 1970, as Ctime
	Ctime int64
	Sum   string // SHA-256, 64 hex digits
}

// StampOf returns the stamp of the file that was hashed to sum and that info is of.
func StampOf(info fs.FileInfo, sum string) Stamp {
	return StampOfStat(info.Sys().(*syscall.Stat_t), sum)
}

// StampOfStat is StampOf for who has no more than st.
func StampOfStat(st *syscall.Stat_t, sum string) Stamp {
	return Stamp{Inode: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Sum: sum}
}

// Holds reports whether the file that info is of is still the one hashed.
func (s Stamp) Holds(info fs.FileInfo) bool { return s.holds(stampOf(info)) }

// stampOf returns the stamp of the file as it is now, without Sum.
func stampOf(info fs.FileInfo) Stamp { return StampOf(info, "") }

// holds reports whether the file, whose stamp is now, is still the one hashed.
func (s Stamp) holds(now Stamp) bool {
	now.Sum = s.Sum
	return s.Sum != "" && s == now
}
