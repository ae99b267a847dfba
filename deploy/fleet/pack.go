package fleet

import (
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// packSpare is the room that a pack leaves, in bytes.
const packSpare = 256 << 20

// packMax is the size of a file, in bytes, from which on opening it costs next to nothing.
const packMax = 64 << 10

// pack keeps the contents of a release's small files, one behind the other, while
// hosts are filled: each is read from the archive once, however many hosts ask
// for it, and those that lie together go to a host as one.
type pack struct {
	store *release.Store
	id    string
	spare int64 // room that it leaves on the archive's disk, in bytes: the journal is there

	mu    sync.Mutex
	users int              // the file is there while there are some
	file  *os.File         // it has no name, so nothing is left of it; nil = nobody has asked for anything
	full  bool             // the disk has no room for more of it
	end   int64            // of what is in it
	where map[string]int64 // by sum
	buf   []byte
}

// hold keeps what is packed until release is called.
func (p *pack) hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.users--; p.users == 0 && p.file != nil {
			p.file.Close()
			p.file, p.full, p.end, p.where, p.buf = nil, false, 0, nil, nil
		}
	}
}

// send hands over the contents of the files, one behind the other, and tells of
// each. The caller holds the pack.
func (p *pack) send(files []deploy.Entry, to *intake, told func(bytes int64)) error {
	var from *os.File
	var part span // of it, to be handed over
	for _, e := range files {
		var f *os.File
		var at int64
		if e.Size < packMax {
			var err error
			if f, at, err = p.add(e); err != nil {
				return err
			}
		}
		if f == nil {
			if err := to.pass(from, part); err != nil {
				return err
			}
			part = span{}
			if err := p.sendWhole(e, to); err != nil {
				return err
			}
		} else {
			if at != part.at+part.size || part.size >= handful {
				if err := to.pass(from, part); err != nil {
					return err
				}
				part = span{at: at}
			}
			from, part.size = f, part.size+e.Size
		}
		told(e.Size)
	}
	return to.pass(from, part)
}

// sendWhole hands over a file of the archive.
func (p *pack) sendWhole(e deploy.Entry, to *intake) error {
	f, err := p.open(e)
	if err != nil {
		return err
	}
	defer f.Close()
	return to.pass(f, span{size: e.Size})
}

// add packs a file, if nobody has yet, and returns where it is; nil = there is no room for it.
func (p *pack) add(e deploy.Entry) (*os.File, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, there := p.where[e.Sum]; there {
		return p.file, at, nil
	}
	if p.file == nil {
		f, err := p.store.Scratch()
		if err != nil { // a full disk
			return nil, 0, nil
		}
		p.file, p.where, p.buf = f, map[string]int64{}, make([]byte, packMax)
	}
	if p.full = p.full || !p.room(); p.full {
		return nil, 0, nil
	}
	f, err := p.open(e)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	b := p.buf[:e.Size]
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, 0, err
	}
	if _, err := p.file.WriteAt(b, p.end); err != nil { // a quota
		p.full = true
		return nil, 0, nil
	}
	at := p.end
	p.where[e.Sum] = at
	p.end += e.Size
	return p.file, at, nil
}

// room reports whether the disk has more than what is to be spared.
func (p *pack) room() bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(p.file.Fd()), &st) != nil || int64(st.Bavail)*int64(st.Bsize) > p.spare
}

func (p *pack) open(e deploy.Entry) (*os.File, error) {
	return os.Open(filepath.Join(p.store.Tree(p.id), e.Path))
}
