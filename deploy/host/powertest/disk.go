package powertest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Disk is a mounted file system that can lose its power.
type Disk struct {
	Dir string // where it is mounted

	mu    sync.Mutex
	log   []op
	last  uint64            // the newest inode's number
	begun map[string]string // lines that are not ended, by the name of a file that is not of the disk
}

// op is one thing that was done.
type op struct {
	kind kind
	node uint64 // the file or folder that it is done to, or that the name stands for

	dir, dir2   uint64 // of a name; of the new one
	name, name2 string
	mode        uint32
	offset      int64
	data        []byte // written; the target of a link; the text of a mark
}

type kind uint8

const (
	made      kind = iota // a file, folder or link got its first name
	named                 // a file got a further name
	unnamed               // a name was removed
	renamed               //
	wrote                 //
	truncated             // to offset
	chmodded              //
	synced                // the file's content or the folder's names
	syncedAll             //
	marked                //
)

// The files at the top that are not of the disk.
const (
	calls = ".calls" // what strace writes; see the package comment
	marks = ".marks" // each line is a mark, for programs that the test does not hear in time
)

// Mount mounts an empty disk until the test ends.
func Mount(t testing.TB) *Disk {
	t.Helper()
	why := ""
	if os.Geteuid() != 0 {
		why = "run the tests as root"
	} else if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		why = "apt-get install fuse3"
	} else {
		f.Close()
	}
	d := &Disk{Dir: t.TempDir(), last: 1}
	if why == "" {
		root := &node{disk: d, id: 1, mode: 0o755, times: [2]time.Time{time.Now(), time.Now()}}
		server, err := fs.Mount(d.Dir, root, &fs.Options{
			MountOptions:      fuse.MountOptions{DirectMountStrict: true, FsName: "powertest", Name: "powertest"},
			RootStableAttr:    &fs.StableAttr{Ino: 1},
			NullPermissions:   true,
			FirstAutomaticIno: 1 << 40,
		})
		if err == nil {
			t.Cleanup(func() {
				if err := errors.Join(abort(d.Dir, t.TempDir()), server.Unmount()); err != nil {
					t.Error(err)
				}
			})
			return d
		}
		why = err.Error()
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("/dev/fuse is not to be had: %s", why)
	}
	t.Skipf("/dev/fuse is not to be had: %s", why)
	return nil
}

// abort ends the connection of the file system at dir: what else runs on this machine
// may have copied the mount into a namespace of its own, which Unmount would wait for.
// The folder ctl is empty.
func abort(dir, ctl string) error {
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return err
	}
	if err := unix.Mount("fusectl", ctl, "fusectl", 0, ""); err != nil {
		return err
	}
	err := os.WriteFile(fmt.Sprintf("%s/%d/abort", ctl, unix.Minor(s.Dev)), []byte("1"), 0o600)
	return errors.Join(err, unix.Unmount(ctl, 0))
}

// Mark notes a text at this point: what was acknowledged, say.
func (d *Disk) Mark(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, op{kind: marked, data: []byte(text)})
}

// Marks returns the texts that were noted before a point, in order. What was written
// to files of that name counts too, line by line.
func (d *Disk) Marks(point int) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, o := range d.log[:point] {
		if o.kind == marked {
			all = append(all, string(o.data))
		}
	}
	return all
}

// Points returns how many points there are to cut the power: before everything that
// was done, and behind all of it.
func (d *Disk) Points() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log) + 1
}

// Syncs returns the points right before and right behind each sync.
func (d *Disk) Syncs() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []int
	for i, o := range d.log {
		if o.kind == synced || o.kind == syncedAll {
			all = append(all, i, i+1)
		}
	}
	return all
}

// add notes what was done; d.mu is held.
func (d *Disk) add(o op) { d.log = append(d.log, o) }

// heard notes what is written to one of the files that are not of the disk, and
// reports whether the file is one; d.mu is held.
func (d *Disk) heard(name string, data []byte) bool {
	if name == "" {
		return false
	}
	if d.begun == nil {
		d.begun = map[string]string{}
	}
	text := d.begun[name] + string(data) // strace writes the end of a call when it has ended
	end := strings.LastIndexByte(text, '\n') + 1
	d.begun[name] = text[end:]
	for line := range strings.Lines(text[:end]) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case name == marks:
			d.add(op{kind: marked, data: []byte(line)})
		case strings.Contains(line, "syncfs") && strings.HasSuffix(line, "= 0"):
			d.add(op{kind: syncedAll})
		}
	}
	return true
}
