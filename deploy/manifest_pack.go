package deploy

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// packed is how each packed manifest begins.
const packed = "pushtrain packed 1\n"

// Pack appends the manifest to b in the form that it travels and is kept in: a
// third of its JSON, and read in a tenth of the time. The manifest must pass Check.
//
//	"pushtrain packed 1\n", number of entries, then of each entry:
//	its type's first letter, Path, Perm, and Size and Sum of a file, or Link of a link
//
// Numbers are varints, texts are their length and their bytes, Sum is its 32 bytes.
func (m Manifest) Pack(b []byte) []byte {
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = append(b, packed...)
	b = binary.AppendUvarint(b, uint64(len(m.Entries)))
	for _, e := range m.Entries {
		b = append(b, e.Type[0])
		text(e.Path)
		b = binary.AppendUvarint(b, uint64(e.Perm))
		switch e.Type {
		case File:
			b = binary.AppendUvarint(b, uint64(e.Size))
			b, _ = hex.AppendDecode(b, []byte(e.Sum)) // it is hex: see Check
		case Link:
			text(e.Link)
		}
	}
	return b
}

// Unpack reads the manifest that b begins with, and returns what follows it. The
// manifest has passed Check. It takes no more memory than a few times that of b.
func Unpack(b []byte) (Manifest, []byte, error) {
	p := parcel{rest: string(b)}
	if p.take(len(packed)) != packed {
		return Manifest{}, nil, errors.New("it does not begin as a packed manifest")
	}
	n := p.number()
	const least = 3 // bytes that an entry takes
	if p.bad || n > uint64(len(p.rest)/least) {
		return Manifest{}, nil, fmt.Errorf("%d entries in %d bytes", n, len(p.rest))
	}
	m := Manifest{Entries: make([]Entry, 0, n)}
	for range n {
		e := Entry{Type: typeOf(p.take(1)), Path: p.text(), Perm: uint32(min(p.number(), 1<<31))}
		switch e.Type {
		case File:
			e.Size = int64(p.number())
			e.Sum = hex.EncodeToString([]byte(p.take(sumBytes)))
		case Link:
			e.Link = p.text()
		}
		if p.bad {
			return Manifest{}, nil, fmt.Errorf("the packed manifest breaks off in entry %d", len(m.Entries))
		}
		m.Entries = append(m.Entries, e)
	}
	if err := m.Check(); err != nil {
		return Manifest{}, nil, err
	}
	return m, b[len(b)-len(p.rest):], nil
}

// sumBytes are the bytes of a Sum.
const sumBytes = 32

// typeOf returns the type that begins with letter, "" = none does.
func typeOf(letter string) Type {
	for _, t := range []Type{File, Dir, Link} {
		if letter != "" && t[0] == letter[0] {
			return t
		}
	}
	return ""
}

// parcel is what is left to read of a packed manifest. Its texts are parts of
// rest: no bytes are copied.
type parcel struct {
	rest string
	bad  bool // something was not there; all that was read since is empty
}

func (p *parcel) take(n int) string {
	if p.bad || n > len(p.rest) {
		p.bad = true
		return ""
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s
}

func (p *parcel) number() uint64 {
	n, size := binary.Uvarint([]byte(p.rest[:min(len(p.rest), binary.MaxVarintLen64)]))
	if p.bad || size <= 0 {
		p.bad = true
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *parcel) text() string {
	n := p.number()
	if n > uint64(len(p.rest)) {
		p.bad = true
		return ""
	}
	return p.take(int(n))
}
