package deploy

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Manifest is every path of a release in byte order of Path: what proves it.
// It holds no times: a release is what it says, not when it was said. The top
// folder itself is not in it. The zero Manifest is that of an empty folder.
type Manifest struct {
	Entries []Entry
}

// Entry is one path of a release.
type Entry struct {
	Path string // slash-separated, relative, clean, any bytes but NUL
	Type Type
	Perm uint32 // permission bits, 0..0777; 0 for a link
	Size int64  // bytes of a file; 0 for others
	Link string // a link's target, verbatim
	Sum  string // SHA-256 of a file's bytes, 64 hex digits; "" for others
}

// Type is what stands at a path. A release holds these three and nothing else.
type Type string

// The types of an Entry.
const (
	File Type = "file"
	Dir  Type = "dir"
	Link Type = "link"
)

// Digest returns the SHA-256 of the manifest's canonical form, 64 hex digits:
//
//	"pushtrain manifest 1\n", number of entries,
//	then of each entry: Type, Path, Perm, Size, Link, Sum
//
// Numbers are 8 bytes, big-endian. Texts are their length as such a number,
// then their bytes: no path, however it is spelled, reads like two.
func (m Manifest) Digest() string {
	number := binary.BigEndian.AppendUint64
	text := func(b []byte, s string) []byte { return append(number(b, uint64(len(s))), s...) }

	h := sha256.New()
	buf := number([]byte("pushtrain manifest 1\n"), uint64(len(m.Entries)))
	for _, e := range m.Entries {
		buf = text(buf, string(e.Type))
		buf = text(buf, e.Path)
		buf = number(buf, uint64(e.Perm))
		buf = number(buf, uint64(e.Size))
		buf = text(buf, e.Link)
		buf = text(buf, e.Sum)
		h.Write(buf)
		buf = buf[:0]
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil))
}

// Files returns the number of regular files.
func (m Manifest) Files() int {
	n := 0
	for _, e := range m.Entries {
		if e.Type == File {
			n++
		}
	}
	return n
}

// Bytes returns the size of all regular files together.
func (m Manifest) Bytes() int64 {
	var n int64
	for _, e := range m.Entries {
		n += e.Size
	}
	return n
}
