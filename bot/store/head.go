package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// head is one of the two meta pages with which a bbolt file begins. They are written
// in turns; the one with the higher transaction counts.
type head struct {
	pageSize int64
	root     uint64 // page of the root bucket
	free     uint64 // first page of the list of free pages
	pages    uint64 // pages in use: all page numbers are below
	tx       uint64
}

const (
	pageHeader = 16 // id, flags, count, overflow
	headSize   = 64

	boltMagic   = 0xED0CDAED
	boltVersion = 2

	minPageSize = 1 << 10
	maxPageSize = 1 << 24
)

// heads says how many of the two heads must be sound. Open wants both: what one of
// them lost may be the newest records. A power cut spoils neither, as each fits in a
// disk sector.
type heads int

const (
	oneHead heads = iota + 1
	bothHeads
)

// readHead finds the newest head of the file f of size bytes.
func readHead(f io.ReaderAt, size int64, want heads) (head, error) {
	if size == 0 {
		return head{}, errors.New("it is empty")
	}
	first, err := parseHead(f, 0)
	found := []head{}
	if err == nil {
		found = append(found, first)
	}
	var second head
	var err2 error
	if err == nil {
		second, err2 = parseHead(f, first.pageSize)
	} else {
		second, err2 = searchHead(f)
	}
	if err2 == nil {
		found = append(found, second)
	}
	switch {
	case len(found) == 0:
		return head{}, fmt.Errorf("both heads are unreadable (%w)", err)
	case len(found) < int(want):
		return head{}, fmt.Errorf("one of its two heads is unreadable (%w), so the newest records may be lost", errors.Join(err, err2))
	}
	newest := found[0]
	if len(found) == 2 && found[1].tx > newest.tx {
		newest = found[1]
	}
	if in := newest.pages; in > uint64(size/newest.pageSize) {
		return head{}, fmt.Errorf("it is cut short: %d bytes of %d", size, in*uint64(newest.pageSize))
	}
	return newest, nil
}

// searchHead finds the second head when the first, which tells the page size, is lost.
func searchHead(f io.ReaderAt) (head, error) {
	for size := int64(minPageSize); size <= maxPageSize; size *= 2 {
		if h, err := parseHead(f, size); err == nil && h.pageSize == size {
			return h, nil
		}
	}
	return head{}, errors.New("not found")
}

// parseHead reads the head that begins at offset at.
func parseHead(f io.ReaderAt, at int64) (head, error) {
	var page [pageHeader + headSize]byte
	if _, err := f.ReadAt(page[:], at); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file ends before it")
		}
		return head{}, err
	}
	order := binary.NativeEndian // bbolt's files are in the machine's order
	b := page[pageHeader:]
	digest := fnv.New64a()
	_, _ = digest.Write(b[:56]) // never fails
	h := head{
		pageSize: int64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]),
		free:     order.Uint64(b[32:]),
		pages:    order.Uint64(b[40:]),
		tx:       order.Uint64(b[48:]),
	}
	switch {
	case order.Uint32(b) != boltMagic:
		return head{}, errors.New("it is no bbolt file")
	case order.Uint32(b[4:]) != boltVersion:
		return head{}, fmt.Errorf("bbolt version %d", order.Uint32(b[4:]))
	case order.Uint64(b[56:]) != digest.Sum64():
		return head{}, errors.New("wrong sum")
	case h.pageSize < minPageSize || h.pageSize > maxPageSize || h.pageSize&(h.pageSize-1) != 0:
		return head{}, fmt.Errorf("page size %d", h.pageSize)
	}
	return h, nil
}
