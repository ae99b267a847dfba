package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"os"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// record is what a side held when it was sealed, and how its files looked then.
// The zero record is that of an empty side.
//
// Nothing in it is believed for being there: tree counts where its digest is the
// seal's, and each stamp proves its own file, or does not. So it is not synced:
// one that a crash took, or tore, is none.
type record struct {
	tree   deploy.Manifest
	digest string          // tree's
	stamps []release.Stamp // by the entries of tree; the zero one = there is none
}

// newRecord returns the record of a side that holds tree.
func newRecord(tree deploy.Manifest, digest string, known release.Known) record {
	r := record{tree, digest, make([]release.Stamp, len(tree.Entries))}
	for i, e := range tree.Entries {
		if s := known[e.Path]; s.Sum == e.Sum && s.Size == e.Size {
			r.stamps[i] = s
		}
	}
	return r
}

// known returns the stamps by path.
func (r record) known() release.Known {
	k := make(release.Known, len(r.stamps))
	for i, s := range r.stamps {
		if s != (release.Stamp{}) {
			k[r.tree.Entries[i].Path] = s
		}
	}
	return k
}

// stampBytes are those of a packed stamp: inode, mtime, ctime.
const stampBytes = 3 * 8

// pack is the record as it is kept: the SHA-256 of what follows, the tree's digest,
// the packed tree, then a stamp for each of its files; one of zeros says that there is none.
func (r record) pack() []byte {
	b := make([]byte, sha256.Size, 4<<10)
	b, _ = hex.AppendDecode(b, []byte(r.digest)) // it is hex: see deploy.Manifest.Digest
	b = r.tree.Pack(b)
	for i, e := range r.tree.Entries {
		if e.Type != deploy.File {
			continue
		}
		stamp := r.stamps[i]
		for _, n := range []uint64{stamp.Inode, uint64(stamp.Mtime), uint64(stamp.Ctime)} {
			b = binary.BigEndian.AppendUint64(b, n)
		}
	}
	sum := sha256.Sum256(b[sha256.Size:])
	copy(b, sum[:])
	return b
}

// unpackRecord reads what pack made, and reports whether it is whole.
func unpackRecord(b []byte) (record, bool) {
	if len(b) < 2*sha256.Size {
		return record{}, false
	}
	if sum := sha256.Sum256(b[sha256.Size:]); !bytes.Equal(sum[:], b[:sha256.Size]) {
		return record{}, false
	}
	tree, stamps, err := deploy.Unpack(b[2*sha256.Size:])
	if err != nil || len(stamps) != tree.Files()*stampBytes {
		return record{}, false
	}
	r := record{tree: tree, digest: hex.EncodeToString(b[sha256.Size : 2*sha256.Size]), stamps: make([]release.Stamp, len(tree.Entries))}
	next := func() (n uint64) {
		n, stamps = binary.BigEndian.Uint64(stamps), stamps[8:]
		return n
	}
	for i, e := range tree.Entries {
		if e.Type != deploy.File {
			continue
		}
		s := release.Stamp{Inode: next(), Size: e.Size, Mtime: int64(next()), Ctime: int64(next()), Sum: e.Sum}
		if s.Inode != 0 {
			r.stamps[i] = s
		}
	}
	return r, true
}

// recall returns the record of a side; the zero one where there is none that is whole.
func (s *session) recall(side deploy.Side) (record, bool) {
	f, err := s.root.Open(state + "/" + stampsName(side))
	if err != nil {
		return record{}, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return record{}, false
	}
	if last := s.recalled[side]; last.file.Holds(info) {
		return last.record, true
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return record{}, false
	}
	r, whole := unpackRecord(b)
	if whole {
		s.keep(side, r, info)
	}
	return r, whole
}

// remember keeps the record of a side.
func (s *session) remember(side deploy.Side, r record) error {
	if err := s.swap(stampsName(side), r.pack(), notSynced); err != nil {
		return err
	}
	if info, err := s.root.Lstat(state + "/" + stampsName(side)); err == nil {
		s.keep(side, r, info)
	}
	return nil
}

// recalled is a record that need not be read again while its file is the same.
type recalled struct {
	file   release.Stamp
	record record
}

func (s *session) keep(side deploy.Side, r record, info os.FileInfo) {
	if s.recalled == nil {
		s.recalled = map[deploy.Side]recalled{}
	}
	s.recalled[side] = recalled{release.StampOf(info, "record"), r}
}
