package host

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// filling is a side on its way from what it was sealed with, or from nothing, to
// a release. It lives as long as the session that has marked the side dirty:
// what becomes of the side after that, nobody has seen.
//
// What it writes is not yet proved: Seal looks at the whole side again.
type filling struct {
	side deploy.Side
	seal deploy.Seal // what it is to hold
	was  record      // what it held

	tree   deploy.Manifest // what it is to hold; empty before Fill
	times  []time.Time     // the mtimes of tree's files, by entry
	stamps []release.Stamp // of what it holds already, by entry
	modes  []int           // the folders that are to get their modes
	want   []int           // the entries whose contents Files is to bring
	whole  bool            // all is written
}

// begin returns how the side, which is sealed with seal or not at all, may be
// filled; nil = nobody knows what it holds: that is for rsync.
func (s *session) begin(side deploy.Side, was, seal deploy.Seal) (*filling, error) {
	f := &filling{side: side, seal: seal}
	there, err := s.exists(side)
	if err != nil || !there {
		return f, err
	}
	if was.Digest != "" {
		var whole bool
		if f.was, whole = s.recall(side); whole && f.was.digest == was.Digest {
			return f, nil
		}
	}
	d, err := s.root.Open(string(side))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f.was = record{}
	if _, err := d.Readdirnames(1); !errors.Is(err, io.EOF) {
		return nil, err
	}
	return f, nil
}

// fill makes the side into the release as far as the host can by itself, and
// answers whose contents must be sent. body is the release's packed manifest and
// the mtime of each of its files, 8 bytes of nanoseconds.
func (s *session) fill(ctx context.Context, req Request, body *blob, resp *Response) error {
	f, err := s.filled(req)
	if err != nil {
		return err
	}
	if len(f.tree.Entries) > 0 {
		return refuse(Bad, "%s/%s is being filled already", s.path, f.side)
	}
	tree, times, err := body.manifest(req.Seal)
	if err != nil {
		return err
	}
	if len(times) != 8*tree.Files() {
		return refuse(Bad, "%d bytes of times for %d files", len(times), tree.Files())
	}
	f.tree, f.times = tree, make([]time.Time, len(tree.Entries))
	for i, e := range tree.Entries {
		if e.Type == deploy.File {
			f.times[i] = time.Unix(0, int64(binary.BigEndian.Uint64(times)))
			times = times[8:]
		}
	}
	w, err := s.placer(f.side)
	if err != nil {
		return err
	}
	defer w.close()
	busy := func() error { return s.busy(ctx) }
	missing, err := f.change(w, busy)
	if err != nil {
		return err
	}
	if err := s.copy(f, w, missing, busy); err != nil {
		return err
	}
	if len(f.want) == 0 {
		return f.finish(w, busy)
	}
	resp.Want = make([]byte, (len(tree.Entries)+7)/8)
	for _, i := range f.want {
		resp.Want[i/8] |= 1 << (i % 8)
	}
	return nil
}

// files writes the contents that Fill has asked for: they are body, one behind the other.
func (s *session) files(ctx context.Context, req Request, body *blob) error {
	f, err := s.filled(req)
	if err != nil {
		return err
	}
	if len(f.want) == 0 {
		return refuse(Bad, "files that nobody has asked for")
	}
	w, err := s.placer(f.side)
	if err != nil {
		return err
	}
	defer w.close()
	for _, i := range f.want {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f.put(w, i, body.take); err != nil {
			return err
		}
	}
	if body.left > 0 {
		return refuse(Bad, "more bytes than the files have")
	}
	f.want = nil
	return f.finish(w, func() error { return s.busy(ctx) })
}

// filled returns the filling that a request goes on with.
func (s *session) filled(req Request) (*filling, error) {
	f := s.filling
	if f == nil || f.side != req.Side || f.seal.Digest != req.Seal.Digest {
		return nil, refuse(Doubt, "what %s/%s holds is not known well enough to be filled so", s.path, req.Side)
	}
	if _, err := s.idle(req.Side); err != nil { // the link may have been moved by hand
		return nil, err
	}
	return f, nil
}

// change removes what the release has no more, makes its folders and links, and
// gives files that stay their modes and times. It returns the files that have
// other contents than before: they are gone.
func (f *filling) change(w *placer, busy func() error) (missing []int, err error) {
	f.stamps = make([]release.Stamp, len(f.tree.Entries))
	was := f.was.tree.Entries
	from := make([]int, len(f.tree.Entries)) // the place of what stays in was; -1 = it is new
	stays := make([]bool, len(was))
	o := 0 // both are in byte order of Path
	for i, e := range f.tree.Entries {
		for o < len(was) && was[o].Path < e.Path {
			o++
		}
		from[i] = -1
		if o < len(was) && was[o].Path == e.Path && was[o].Type == e.Type && was[o].Sum == e.Sum && was[o].Link == e.Link {
			from[i], stays[o] = o, true
		}
	}
	for _, e := range was { // what is in a folder comes behind it
		if err := busy(); err != nil {
			return nil, err
		}
		if e.Type != deploy.Dir || writable(e) {
			continue
		}
		if err := w.dir.Chmod(e.Path, os.FileMode(e.Perm|0o700)); err != nil {
			return nil, err
		}
	}
	for o, e := range slices.Backward(was) { // what is in a folder comes before it
		if err := busy(); err != nil {
			return nil, err
		}
		if !stays[o] {
			if err := w.dir.RemoveAll(e.Path); err != nil {
				return nil, err
			}
		}
	}
	for i, e := range f.tree.Entries {
		if err := busy(); err != nil {
			return nil, err
		}
		o := from[i]
		switch {
		case o >= 0 && e.Type == deploy.File:
			err = f.retouch(w, i, o)
		case e.Type == deploy.Dir:
			if o < 0 {
				err = w.dir.Mkdir(e.Path, 0o700) // its mode comes last: it may not be writable
			}
			if o < 0 || was[o].Perm != e.Perm || !writable(e) {
				f.modes = append(f.modes, i)
			}
		case o >= 0:
		case e.Type == deploy.Link:
			err = w.dir.Symlink(e.Link, e.Path)
		default:
			missing = append(missing, i)
		}
		if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// writable reports whether a folder lets its owner change what is in it.
func writable(e deploy.Entry) bool { return e.Perm&0o300 == 0o300 }

// retouch gives the file of entry i, which was entry o and whose contents stay, its mode and its time. It stays known
// if nobody has touched it since it was known.
func (f *filling) retouch(w *placer, i, o int) error {
	e, old, stamp := f.tree.Entries[i], f.was.tree.Entries[o], f.was.stamps[o]
	if stamp.Sum != "" && old.Perm == e.Perm && stamp.Mtime == f.times[i].UnixNano() {
		f.stamps[i] = stamp
		return nil
	}
	dir, name, err := w.at(e.Path)
	if err != nil {
		return err
	}
	info, err := dir.Lstat(name)
	if err != nil {
		return err
	}
	same := stamp.Holds(info)
	if info.Mode().Perm() != os.FileMode(e.Perm) {
		if err := dir.Chmod(name, os.FileMode(e.Perm)); err != nil {
			return err
		}
	}
	if !info.ModTime().Equal(f.times[i]) {
		if err := dir.Chtimes(name, f.times[i], f.times[i]); err != nil {
			return err
		}
	}
	if !same {
		return nil
	}
	if info, err = dir.Lstat(name); err == nil {
		f.stamps[i] = release.StampOf(info, e.Sum)
	}
	return err
}

// copy writes the missing files that the other side holds, wherever it does; the
// others are left in want.
func (s *session) copy(f *filling, w *placer, missing []int, busy func() error) error {
	from := map[string]string{} // by sum
	other, err := s.root.OpenRoot(string(f.side.Other()))
	if err == nil {
		defer other.Close()
		rec, _ := s.recall(f.side.Other())
		for _, e := range rec.tree.Entries {
			if e.Type == deploy.File {
				from[e.Sum] = e.Path
			}
		}
	}
	for _, i := range missing {
		if err := busy(); err != nil {
			return err
		}
		p, there := from[f.tree.Entries[i].Sum]
		if !there {
			f.want = append(f.want, i)
			continue
		}
		src, err := other.OpenFile(p, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			f.want = append(f.want, i) // a hand was there
			continue
		}
		err = f.put(w, i, w.read(src, busy))
		src.Close()
		var odd *refusal
		if errors.As(err, &odd) {
			f.want = append(f.want, i) // likewise
		} else if err != nil {
			return err
		}
	}
	return nil
}

// put makes the file of an entry, see [placer.put].
func (f *filling) put(w *placer, i int, src source) (err error) {
	f.stamps[i], err = w.put(f.tree.Entries[i], f.times[i], src)
	return err
}

// finish gives the folders their modes: what is below them is written.
func (f *filling) finish(w *placer, busy func() error) error {
	for _, i := range slices.Backward(f.modes) {
		if err := busy(); err != nil {
			return err
		}
		if err := w.dir.Chmod(f.tree.Entries[i].Path, os.FileMode(f.tree.Entries[i].Perm)); err != nil {
			return err
		}
	}
	f.whole = true
	return nil
}
