package powertest

import (
	"context"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file, a folder or a symbolic link as programs see it: with all that was
// done to it, synced or not.
type node struct {
	fs.Inode
	disk *Disk
	id   uint64
	own  string // the name of a file that is not of the disk: calls or marks

	// guarded by disk.mu
	mode   uint32
	data   []byte
	target string
	times  [2]time.Time // mtime, ctime
}

// The kernel asks for no more than this.
var (
	_ fs.NodeCreater    = (*node)(nil)
	_ fs.NodeMkdirer    = (*node)(nil)
	_ fs.NodeSymlinker  = (*node)(nil)
	_ fs.NodeLinker     = (*node)(nil)
	_ fs.NodeUnlinker   = (*node)(nil)
	_ fs.NodeRmdirer    = (*node)(nil)
	_ fs.NodeRenamer    = (*node)(nil)
	_ fs.NodeReadlinker = (*node)(nil)
	_ fs.NodeOpener     = (*node)(nil)
	_ fs.NodeReader     = (*node)(nil)
	_ fs.NodeWriter     = (*node)(nil)
	_ fs.NodeFsyncer    = (*node)(nil)
	_ fs.NodeGetattrer  = (*node)(nil)
	_ fs.NodeSetattrer  = (*node)(nil)
	_ fs.NodeStatfser   = (*node)(nil)
)

// touch sets the time of the last change; with written also that of the content.
func (n *node) touch(written bool) {
	n.times[1] = time.Now()
	if written {
		n.times[0] = n.times[1]
	}
}

func (n *node) attr(a *fuse.Attr) {
	a.Ino, a.Mode, a.Size = n.id, n.mode|n.StableAttr().Mode, uint64(len(n.data)+len(n.target))
	a.Nlink = 1
	a.SetTimes(&n.times[0], &n.times[0], &n.times[1])
}

// add makes a child and notes it.
func (n *node) add(ctx context.Context, name string, kind, mode uint32, target string, out *fuse.EntryOut) *fs.Inode {
	d := n.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	c := &node{disk: d, id: d.last, mode: mode & 0o7777, target: target}
	c.touch(true)
	if n.id == 1 && (name == calls || name == marks) {
		c.own = name
	} else {
		d.add(op{kind: made, node: c.id, dir: n.id, name: name, mode: kind | c.mode, data: []byte(target)})
	}
	n.touch(true)
	inode := n.NewPersistentInode(ctx, c, fs.StableAttr{Mode: kind, Ino: c.id})
	out.Attr.Ino, out.Attr.Mode, out.Attr.Size = c.id, kind|c.mode, uint64(len(target))
	out.Attr.SetTimes(&c.times[0], &c.times[0], &c.times[1])
	return inode
}

func (n *node) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return n.add(ctx, name, syscall.S_IFREG, mode, "", out), nil, 0, 0
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.add(ctx, name, syscall.S_IFDIR, mode, "", out), 0
}

func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.add(ctx, name, syscall.S_IFLNK, 0o777, target, out), 0
}

func (n *node) Link(_ context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	c := target.(*node)
	n.disk.add(op{kind: named, node: c.id, dir: n.id, name: name})
	c.touch(false)
	n.touch(true)
	c.attr(&out.Attr)
	return c.EmbeddedInode(), 0
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	c := n.GetChild(name).Operations().(*node)
	n.disk.add(op{kind: unnamed, node: c.id, dir: n.id, name: name})
	c.touch(false)
	n.touch(true)
	return 0
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	if len(n.GetChild(name).Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	return n.Unlink(ctx, name)
}

func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL
	}
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	dir := to.(*node)
	if old := dir.GetChild(newName); old != nil && old.IsDir() && len(old.Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	c := n.GetChild(name).Operations().(*node)
	n.disk.add(op{kind: renamed, node: c.id, dir: n.id, name: name, dir2: dir.id, name2: newName})
	c.touch(false)
	n.touch(true)
	dir.touch(true)
	return 0
}

func (n *node) Readlink(context.Context) ([]byte, syscall.Errno) { return []byte(n.target), 0 }

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_TRUNC != 0 {
		n.disk.mu.Lock()
		defer n.disk.mu.Unlock()
		n.truncate(0)
	}
	return nil, 0, 0
}

func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	return fuse.ReadResultData(dest[:copy(dest, n.data[min(off, int64(len(n.data))):])]), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.disk.heard(n.own, data) {
		return uint32(len(data)), 0
	}
	n.disk.add(op{kind: wrote, node: n.id, offset: off, data: append([]byte(nil), data...)})
	n.data = grown(n.data, off+int64(len(data)))
	copy(n.data[off:], data)
	n.touch(true)
	return uint32(len(data)), 0
}

// grown is data with at least so many bytes.
func grown(data []byte, size int64) []byte {
	if more := size - int64(len(data)); more > 0 {
		return append(data, make([]byte, more)...)
	}
	return data
}

func (n *node) truncate(size int64) {
	if n.own == "" && size != int64(len(n.data)) {
		n.disk.add(op{kind: truncated, node: n.id, offset: size})
	}
	n.data = grown(n.data, size)[:size]
	n.touch(true)
}

func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	n.disk.add(op{kind: synced, node: n.id})
	return 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	n.attr(&out.Attr)
	return 0
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if size, ok := in.GetSize(); ok {
		n.truncate(int64(size))
	}
	if mode, ok := in.GetMode(); ok {
		n.mode = mode & 0o7777
		n.disk.add(op{kind: chmodded, node: n.id, mode: n.mode})
	}
	n.touch(false)
	if at, ok := in.GetMTime(); ok {
		n.times[0] = at
	}
	n.attr(&out.Attr)
	return 0
}

// Statfs tells of room for everything.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Blocks, out.Bfree, out.Bavail, out.Bsize, out.Frsize, out.NameLen = 1<<20, 1<<20, 1<<20, 4096, 4096, 255
	return 0
}
