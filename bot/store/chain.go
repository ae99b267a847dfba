package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
)

// Link ties a record to all records before it. The zero Link is before the first.
type Link [sha256.Size]byte

// next is the link of the record that follows, with its key and what it says.
func (l Link) next(key, body []byte) Link {
	return Link(sha256.Sum256(slices.Concat(l[:], key, body)))
}

// String is the link in hexadecimal digits.
func (l Link) String() string { return hex.EncodeToString(l[:]) }

// Head is the newest record of a journal. Whoever keeps one elsewhere can tell later
// whether the journal still says all that it said then.
type Head struct {
	Seq  uint64 // 0 = there is no record yet
	Link Link
}

// String is "SEQ:LINK".
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Seq, h.Link) }

// ParseHead is the inverse of String.
func ParseHead(text string) (Head, error) {
	var h Head
	var link []byte
	if n, err := fmt.Sscanf(text, "%d:%x", &h.Seq, &link); n != 2 || err != nil || len(link) != len(h.Link) {
		return Head{}, fmt.Errorf("%q is no head of a journal: it is a number, a colon and %d hex digits", text, 2*len(h.Link))
	}
	h.Link = Link(link)
	return h, nil
}

// Head returns the newest record.
func (s *Store) Head() Head { return *s.head.Load() }

// Witness is what a host keeps of the journal: by which record it begins, and its Head.
func (s *Store) Witness() (string, error) {
	head := s.Head()
	if head.Seq == 0 {
		return "", nil
	}
	first, err := s.first()
	return fmt.Sprintf("%x %s", first[:8], head), err
}

// ReadWitness returns the head that a witness tells of; false = it tells of another
// journal, or of none.
func (s *Store) ReadWitness(text string) (Head, bool) {
	begin, rest, _ := strings.Cut(text, " ")
	h, err := ParseHead(rest)
	if err != nil {
		return Head{}, false
	}
	first, err := s.first()
	return h, err == nil && begin == hex.EncodeToString(first[:8])
}

// first is the link of the first record: no two journals have the same one.
func (s *Store) first() (l Link, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		l, _, err = unchain(seqKey(1), tx.Bucket(bucketRecords).Get(seqKey(1)))
		return err
	})
	return l, err
}

// Tampered says which record is the first that is not as it was written.
type Tampered struct {
	Seq  uint64
	What string
}

func (e *Tampered) Error() string {
	return fmt.Sprintf("record %d of the journal is not what was written: %s", e.Seq, e.What)
}

// Verify follows the links from the first record on, and compares heads that were
// kept elsewhere with them. It returns how many records hold, and a [*Tampered] where
// one does not. Commits go on meanwhile.
func (s *Store) Verify(ctx context.Context, kept ...Head) (uint64, error) {
	last := s.Last()
	slices.SortFunc(kept, func(a, b Head) int { return bytes.Compare(seqKey(a.Seq), seqKey(b.Seq)) })
	link, next := Link{}, uint64(1)
	for next <= last {
		err := s.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket(bucketRecords).Cursor()
			k, v := c.Seek(seqKey(next))
			for range 1000 {
				if next > last {
					return nil
				}
				if !bytes.Equal(k, seqKey(next)) {
					return &Tampered{next, "it is missing"}
				}
				own, body, err := unchain(k, v)
				if err != nil {
					return &Tampered{next, err.Error()}
				}
				if link = link.next(k, body); own != link {
					return &Tampered{next, "it was changed, or one before it was dropped or moved"}
				}
				for ; len(kept) > 0 && kept[0].Seq == next; kept = kept[1:] {
					if kept[0].Link != link {
						return &Tampered{next, "it, or one before it, is another than a host was told"}
					}
				}
				next++
				k, v = c.Next()
			}
			return ctx.Err()
		})
		if err != nil {
			return next - 1, err
		}
	}
	for _, h := range kept {
		if h.Seq > last {
			return last, &Tampered{last + 1, fmt.Sprintf("the journal ends before it, and a host was told of %d records", h.Seq)}
		}
	}
	return last, nil
}

var errShort = errors.New("it has no link")

// unchain returns the link of a record, and what it says, which points into value.
func unchain(key, value []byte) (Link, []byte, error) {
	data, err := unseal(key, value)
	if err != nil {
		return Link{}, nil, err
	}
	if len(data) < len(Link{}) {
		return Link{}, nil, errShort
	}
	return Link(data), data[len(Link{}):], nil
}
