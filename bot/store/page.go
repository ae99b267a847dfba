package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// page is a page of a bbolt file with those that overflow from it:
// id (8 bytes), flags (2), count (2), overflow (4), then count elements.
type page []byte

const (
	branchPage = 0x01
	leafPage   = 0x02
	freePage   = 0x10

	bucketElement = 0x01

	elementSize = 16

	// maxDepth is far more levels than a tree of any size has.
	maxDepth = 32
)

func (p page) id() uint64       { return binary.NativeEndian.Uint64(p) }
func (p page) flags() uint16    { return binary.NativeEndian.Uint16(p[8:]) }
func (p page) count() int       { return int(binary.NativeEndian.Uint16(p[10:])) }
func (p page) overflow() uint32 { return binary.NativeEndian.Uint32(p[12:]) }

// element is an entry of a leaf, or of a branch (then it has a child).
type element struct {
	key, value []byte // point into the page
	bucket     bool   // the value is the head of a bucket
	child      uint64
}

// element returns the i-th element; it must have a key, and lie in the page with it and its value.
func (p page) element(i int) (element, error) {
	at := pageHeader + i*elementSize
	if at+elementSize > len(p) {
		return element{}, errors.New("it has more elements than fit")
	}
	b, order := p[at:], binary.NativeEndian
	var e element
	var pos, keySize, valueSize uint64
	if p.flags() == branchPage {
		pos, keySize = uint64(order.Uint32(b)), uint64(order.Uint32(b[4:]))
		e.child = order.Uint64(b[8:])
	} else {
		e.bucket = order.Uint32(b) == bucketElement
		pos, keySize, valueSize = uint64(order.Uint32(b[4:])), uint64(order.Uint32(b[8:])), uint64(order.Uint32(b[12:]))
		if order.Uint32(b)&^bucketElement != 0 {
			return element{}, fmt.Errorf("element %d has flags %x", i, order.Uint32(b))
		}
	}
	if keySize == 0 {
		return element{}, fmt.Errorf("element %d has no key", i)
	}
	if pos < elementSize || pos+keySize+valueSize > uint64(len(b)) {
		return element{}, fmt.Errorf("element %d points out of it", i)
	}
	e.key, e.value = b[pos:pos+keySize], b[pos+keySize:pos+keySize+valueSize]
	return e, nil
}

// span is where the keys of a subtree lie: from <= key < to; nil = no bound.
type span struct{ from, to []byte }

func (s span) holds(key []byte) bool {
	return bytes.Compare(key, s.from) >= 0 && (s.to == nil || bytes.Compare(key, s.to) < 0)
}

// page reads page id with its overflow, once.
func (in *inspector) page(id uint64) (page, error) {
	if id >= in.head.pages {
		return nil, fmt.Errorf("page %d is out of the file", id)
	}
	p := make(page, in.head.pageSize)
	at := int64(id) * in.head.pageSize
	if _, err := io.ReadFull(io.NewSectionReader(in.f, at, int64(len(p))), p); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	over := uint64(p.overflow())
	if p.id() != id || over >= in.head.pages-id {
		return nil, fmt.Errorf("page %d has a bad header", id)
	}
	for n := id; n <= id+over; n++ {
		if in.seen[n] {
			return nil, fmt.Errorf("page %d is used twice", n)
		}
		in.seen[n] = true
	}
	if over > 0 {
		p = make(page, int64(over+1)*in.head.pageSize)
		if _, err := io.ReadFull(io.NewSectionReader(in.f, at, int64(len(p))), p); err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
	}
	return p, nil
}

// tree passes the entries of the tree at page root to entry, in order.
func (in *inspector) tree(root uint64, entry func(element) error) error {
	return in.subtree(root, span{}, 0, entry)
}

func (in *inspector) subtree(id uint64, keys span, depth int, entry func(element) error) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d lies too deep", id)
	}
	p, err := in.page(id)
	if err != nil {
		return err
	}
	switch p.flags() {
	case branchPage:
		err = in.branch(p, keys, depth, entry)
	case leafPage:
		err = in.leaf(p, keys, entry)
	default:
		err = fmt.Errorf("flags %x", p.flags())
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (in *inspector) branch(p page, keys span, depth int, entry func(element) error) error {
	if p.count() == 0 {
		return errors.New("it is a branch without children")
	}
	e, err := p.element(0)
	for i := 0; err == nil && i < p.count(); i++ {
		child := span{e.key, keys.to}
		next := element{}
		if i+1 < p.count() {
			if next, err = p.element(i + 1); err != nil {
				break
			}
			child.to = next.key
		}
		if !keys.holds(e.key) || child.to != nil && bytes.Compare(e.key, child.to) >= 0 {
			return errors.New("its keys are out of order")
		}
		if err = in.subtree(e.child, child, depth+1, entry); err != nil {
			break
		}
		e = next
	}
	return err
}

func (in *inspector) leaf(p page, keys span, entry func(element) error) error {
	if len(p) < pageHeader || p.flags() != leafPage {
		return errors.New("it is not a leaf")
	}
	for i := range p.count() {
		e, err := p.element(i)
		if err != nil {
			return err
		}
		if !keys.holds(e.key) {
			return errors.New("its keys are out of order")
		}
		keys.from = append(e.key[:len(e.key):len(e.key)], 0) // the next key is greater
		if err := entry(e); err != nil {
			return err
		}
	}
	return nil
}
