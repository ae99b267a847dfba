package powertest

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// How is what becomes of what was not synced when the power goes.
type How uint8

const (
	None  How = iota // nothing of it is there
	All              // all of it is: the program was killed
	Any              // any part of it, in any order
	Names            // any part of what was written, but of the names those of the beginning, in order
)

// Hows is how many there are.
const Hows = 4

// Cut writes to the empty folder dir what the disk holds after its power went at a
// point. The same seed makes the same of what was not synced.
func (d *Disk) Cut(t testing.TB, dir string, point int, how How, seed uint64) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	im := image{of: map[uint64]*stored{1: {mode: syscall.S_IFDIR | 0o755, names: map[string]uint64{}}}, made: map[uint64]op{}}
	for _, o := range d.log[:point] {
		if o.kind == made {
			im.made[o.node] = o
		}
	}
	rng := rand.New(rand.NewPCG(seed, uint64(point)))
	kept := d.kept(point, how, rng)
	for i, o := range d.log[:point] {
		switch kept[i] {
		case whole:
			im.apply(o)
		case torn:
			im.tear(o, rng)
		}
	}
	if err := im.write(1, dir); err != nil {
		t.Fatal(err)
	}
}

// fate is what becomes of one op.
type fate uint8

const (
	lost fate = iota
	torn
	whole
)

// kept decides the fate of each op before a point.
func (d *Disk) kept(point int, how How, rng *rand.Rand) []fate {
	fates := make([]fate, point)
	all := false // everything before is synced
	safe := map[uint64]bool{}
	for i := point - 1; i >= 0; i-- {
		o := d.log[i]
		switch o.kind {
		case syncedAll:
			all = true
		case synced:
			safe[o.node] = true
		}
		if on, on2 := o.on(); all || safe[on] && safe[on2] {
			fates[i] = whole
		}
	}
	named := true // in order, as long as names are kept
	for i, f := range fates {
		if f == whole {
			continue
		}
		o := d.log[i]
		switch {
		case how == All:
			fates[i] = whole
		case how == None:
		case o.isName() && how == Names:
			if named = named && rng.IntN(8) > 0; named {
				fates[i] = whole
			}
		case o.kind == wrote && rng.IntN(3) == 0:
			fates[i] = torn
		case rng.IntN(2) == 0:
			fates[i] = whole
		}
	}
	return fates
}

// on is what must be synced for the op to be safe; both are the same but for renames.
func (o op) on() (uint64, uint64) {
	switch o.kind {
	case made, named, unnamed:
		return o.dir, o.dir
	case renamed:
		return o.dir, o.dir2
	}
	return o.node, o.node
}

func (o op) isName() bool {
	return o.kind == made || o.kind == named || o.kind == unnamed || o.kind == renamed
}

// image is what a disk holds.
type image struct {
	of   map[uint64]*stored // by inode
	made map[uint64]op      // how each began
}

type stored struct {
	mode  uint32
	data  []byte // of a link its target
	names map[string]uint64
}

// at is an inode as it is so far. One that has a name or content is there, also
// where the name that it was made with is lost.
func (im image) at(id uint64) *stored {
	if s := im.of[id]; s != nil {
		return s
	}
	o := im.made[id]
	s := &stored{mode: o.mode}
	switch o.mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		s.names = map[string]uint64{}
	case syscall.S_IFLNK:
		s.data = o.data
	}
	im.of[id] = s
	return s
}

func (im image) apply(o op) {
	switch o.kind {
	case wrote:
		s := im.at(o.node)
		s.data = grown(s.data, o.offset+int64(len(o.data)))
		copy(s.data[o.offset:], o.data)
	case truncated:
		s := im.at(o.node)
		s.data = grown(s.data, o.offset)[:o.offset:o.offset]
	case chmodded:
		s := im.at(o.node)
		s.mode = s.mode&syscall.S_IFMT | o.mode
	case made, named:
		im.name(o.dir, o.name, o.node)
	case unnamed:
		im.unname(o.dir, o.name, o.node)
	case renamed:
		im.name(o.dir2, o.name2, o.node)
		im.unname(o.dir, o.name, o.node)
	}
}

func (im image) name(dir uint64, name string, id uint64) {
	im.at(dir).names[name] = id
	im.at(id)
}

func (im image) unname(dir uint64, name string, id uint64) {
	if d := im.at(dir); d.names[name] == id {
		delete(d.names, name)
	}
}

// tear applies some of the sectors of a write.
func (im image) tear(o op, rng *rand.Rand) {
	for at := 0; at < len(o.data); {
		end := min(len(o.data), at+sector-int((o.offset+int64(at))%sector))
		if rng.IntN(2) == 0 {
			im.apply(op{kind: wrote, node: o.node, offset: o.offset + int64(at), data: o.data[at:end]})
		}
		at = end
	}
}

// write puts what is below an inode into a folder of the real file system.
func (im image) write(id uint64, path string) error {
	for name, child := range im.of[id].names {
		to := filepath.Join(path, name)
		c := im.of[child]
		var err error
		switch c.mode & syscall.S_IFMT {
		case syscall.S_IFDIR:
			if err = os.Mkdir(to, 0o755); err == nil {
				err = im.write(child, to)
			}
		case syscall.S_IFLNK:
			if err := os.Symlink(string(c.data), to); err != nil {
				return err
			}
			continue
		default:
			err = os.WriteFile(to, c.data, 0o600)
		}
		if err == nil {
			err = os.Chmod(to, fs.FileMode(c.mode&0o777))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
