package release

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"pushtrain/deploy"
)

// archive adds r, whose manifest m is of the built tree, to the archive: whole
// and on disk, or not at all. A damaged release of the same id gives way.
func (s *Store) archive(ctx context.Context, r deploy.Release, m deploy.Manifest, tree *os.Root) error {
	all, err := s.archived()
	if err != nil {
		return err
	}
	fresh := s.path(".new-" + r.ID)
	if err := removeTree(fresh); err != nil {
		return err
	}
	defer removeTree(fresh) // nothing is there any more when all went well
	if err := os.MkdirAll(filepath.Join(fresh, "tree"), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(fresh, "tree"), 0o755); err != nil { // whatever the umask and the parent's bits are
		return err
	}
	p, err := s.placer(ctx, r.ID, all, tree)
	if err != nil {
		return err
	}
	defer p.close()
	if err := fill(ctx, p.into, m, p.place); err != nil {
		return err
	}
	rec := record{Release: r, Seq: 1}
	if len(all) > 0 {
		rec.Seq = all[0].Seq + 1
	}
	for name, v := range map[string]any{"manifest.json": m, "release.json": rec} {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(fresh, name), append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if err := syncTree(fresh); err != nil {
		return err
	}
	if err := s.drop(r.ID); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, s.path(r.ID)); err != nil {
		return err
	}
	dir, err := os.Open(s.path(""))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// placer puts the paths of a new release into the archive.
type placer struct {
	ctx      context.Context
	from     *os.Root // the built tree
	into     *os.Root // the new release's tree
	releases *os.Root // the archive, for links from one release to another
	fresh    string   // the new release's tree in the archive

	last  string                  // the newest release; "" = there is none
	known map[string]deploy.Entry // its entries, by path
	trees []string                // all archived trees, in the archive
	now   time.Time
}

// placer returns the placer of the new release id, whose newest forerunner is the first of all.
func (s *Store) placer(ctx context.Context, id string, all []record, from *os.Root) (*placer, error) {
	releases, err := os.OpenRoot(s.path(""))
	if err != nil {
		return nil, err
	}
	p := &placer{ctx: ctx, from: from, releases: releases, fresh: ".new-" + id + "/tree", now: time.Now()}
	if p.into, err = releases.OpenRoot(p.fresh); err != nil {
		return nil, errors.Join(err, releases.Close())
	}
	for _, r := range all {
		p.trees = append(p.trees, r.ID+"/tree")
		if m, err := s.Manifest(r.ID); err == nil && p.known == nil {
			p.last, p.known = r.ID+"/tree", make(map[string]deploy.Entry)
			for _, e := range m.Entries {
				p.known[e.Path] = e
			}
		}
	}
	return p, nil
}

func (p *placer) close() {
	p.into.Close()
	p.releases.Close()
}

// place puts a file or a link into the new release: the newest release's own
// where it has the same, with its mtime; else a copy, with an mtime that this
// path never had.
func (p *placer) place(e deploy.Entry) error {
	mtime := p.unused(e.Path)
	if p.known[e.Path] == e {
		info, sound := p.sound(e)
		if sound && p.releases.Link(p.last+"/"+e.Path, p.fresh+"/"+e.Path) == nil {
			return nil
		}
		if sound {
			mtime = info.ModTime() // no hard link here: too many, or not on this file system
		}
	}
	return copyFile(p.ctx, p.from, p.into, e, mtime)
}

// sound reports whether the newest release's tree still holds e as its manifest
// says: a damaged file is not handed on.
func (p *placer) sound(e deploy.Entry) (fs.FileInfo, bool) {
	path := p.last + "/" + e.Path
	info, err := p.releases.Lstat(path)
	if err != nil {
		return nil, false
	}
	if e.Type == deploy.Link {
		to, err := p.releases.Readlink(path)
		return info, err == nil && to == e.Link
	}
	if !info.Mode().IsRegular() || refused(info.Mode()) != "" || uint32(info.Mode().Perm()) != e.Perm {
		return nil, false
	}
	f, err := p.releases.Open(path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	sum, err := sumOf(p.ctx, f, make([]byte, 64<<10))
	return info, err == nil && sum == e.Sum
}

// unused returns a whole second at which path was never modified in the
// archive: now, or the first one after the latest of them. It only ever grows,
// for a cache on the web may take an older time for "not modified".
func (p *placer) unused(path string) time.Time {
	t := p.now.Unix()
	for _, tree := range p.trees {
		if info, err := p.releases.Lstat(tree + "/" + path); err == nil {
			t = max(t, info.ModTime().Unix()+1)
		}
	}
	return time.Unix(t, 0)
}
