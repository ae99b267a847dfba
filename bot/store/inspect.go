package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
)

// content is what inspect found in a sound journal.
type content struct {
	schema uint64
	head   Head // the newest record; no Link in schema 1
}

// inspectFile reads the journal at path from end to end and returns a [*Damaged]
// (without a Copy) or [ErrNewer] unless all of it is sound. It maps no memory and it ends: no page is
// followed twice. The caller sees to it that nobody writes meanwhile.
func inspectFile(path string, want heads) (content, error) {
	f, err := os.Open(path)
	if err != nil {
		return content{}, fmt.Errorf("open journal: %w", err)
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return content{}, fmt.Errorf("open journal: %w", err)
	}
	if !info.Mode().IsRegular() {
		return content{}, damaged(path, "it is not a regular file")
	}
	found, err := inspect(f, info.Size(), want)
	switch {
	case found.schema > schema:
		return content{}, fmt.Errorf("%s %w (schema %d; this one reads %d): start that version", path, ErrNewer, found.schema, schema)
	case err != nil:
		return content{}, &Damaged{Path: path, What: err.Error()}
	}
	return found, nil
}

// inspect reads a journal of size bytes. With an error it returns what it found so far.
func inspect(f io.ReaderAt, size int64, want heads) (content, error) {
	h, err := readHead(f, size, want)
	if err != nil {
		return content{}, err
	}
	in := &inspector{f: f, head: h, seen: make([]bool, h.pages)}
	if h.pages < 4 {
		return content{}, fmt.Errorf("it has %d pages", h.pages)
	}
	in.seen[0], in.seen[1] = true, true
	err = in.tree(h.root, in.bucket)
	if err == nil {
		err = in.complete()
	}
	if err == nil {
		err = in.freePages()
	}
	return in.found, err
}

// inspector is one reading of a journal.
type inspector struct {
	f     io.ReaderAt
	head  head
	seen  []bool // pages that are part of the tree or a free list, by number
	names []string
	found content
}

// bucket reads one bucket of the root.
func (in *inspector) bucket(e element) error {
	if !e.bucket || len(e.value) < pageHeader {
		return fmt.Errorf("%q is not a bucket", e.key)
	}
	in.names = append(in.names, string(e.key))
	var entry func(element) error
	switch {
	case bytes.Equal(e.key, bucketMeta):
		entry = in.meta
	case bytes.Equal(e.key, bucketRecords):
		entry = in.record
	case bytes.Equal(e.key, bucketSnapshots):
		entry = in.snapshot
	default:
		return fmt.Errorf("it has a bucket %q", e.key)
	}
	if root := binary.NativeEndian.Uint64(e.value); root != 0 {
		return in.tree(root, entry)
	}
	return in.leaf(page(e.value[pageHeader:]), span{}, entry) // a small bucket stands inside its entry
}

// meta reads an entry of the bucket meta, which comes before all others.
func (in *inspector) meta(e element) error {
	n, err := strconv.ParseUint(string(e.value), 10, 32)
	if e.bucket || !bytes.Equal(e.key, keySchema) || err != nil || n == 0 {
		return fmt.Errorf("it has no schema but %q = %q", e.key, e.value)
	}
	in.found.schema = n
	if n > schema {
		return ErrNewer // what follows means something else
	}
	return nil
}

func (in *inspector) record(e element) error {
	next := in.found.head.Seq + 1
	if e.bucket || !bytes.Equal(e.key, seqKey(next)) {
		return fmt.Errorf("record %d is missing", next)
	}
	var link Link
	var err error
	if in.found.schema == 1 {
		_, err = unseal(e.key, e.value)
	} else {
		link, _, err = unchain(e.key, e.value)
	}
	if err != nil {
		return fmt.Errorf("record %d: %w", next, err)
	}
	in.found.head = Head{next, link}
	return nil
}

func (in *inspector) snapshot(e element) error {
	if _, err := unseal(e.key, e.value); err != nil || e.bucket {
		return fmt.Errorf("snapshot %q: %w", e.key, errSum)
	}
	return nil
}

// complete says whether all buckets were there.
func (in *inspector) complete() error {
	if len(in.names) != 3 || in.found.schema == 0 { // in.bucket lets only our three pass, and keys don't repeat
		return fmt.Errorf("it is no pushtrain journal: it has the buckets %q", in.names)
	}
	return nil
}

// freePages reads the list of free pages: it must name each page that the tree does
// not use and none that it uses, or the next commit would write over records.
func (in *inspector) freePages() error {
	p, err := in.page(in.head.free)
	if err != nil {
		return fmt.Errorf("list of free pages: %w", err)
	}
	if p.flags() != freePage {
		return fmt.Errorf("page %d is not the list of free pages", in.head.free)
	}
	ids, count := p[pageHeader:], uint64(p.count())
	if count == 0xFFFF && len(ids) >= 8 { // too many for the field: the first entry is the count
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return fmt.Errorf("list of free pages: %d entries", count)
	}
	for i := range count {
		id := binary.NativeEndian.Uint64(ids[i*8:])
		if id >= in.head.pages || in.seen[id] {
			return fmt.Errorf("page %d is free and in use", id)
		}
		in.seen[id] = true
	}
	for id, seen := range in.seen {
		if !seen {
			return fmt.Errorf("page %d is neither free nor in use", id)
		}
	}
	return nil
}
