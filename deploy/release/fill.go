package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"pushtrain/deploy"
)

// fill makes the folders of m in the empty folder into and calls put for each of
// its files and links, several at a time. Folders get their modes last: they may
// not be writable.
func fill(ctx context.Context, into *os.Root, m deploy.Manifest, put func(deploy.Entry) error) error {
	for _, e := range m.Entries {
		if e.Type == deploy.Dir {
			if err := into.Mkdir(e.Path, 0o700); err != nil {
				return err
			}
		}
	}
	if err := putAll(ctx, m, put); err != nil {
		return err
	}
	for _, e := range slices.Backward(m.Entries) {
		if e.Type == deploy.Dir {
			if err := into.Chmod(e.Path, os.FileMode(e.Perm)); err != nil {
				return err
			}
		}
	}
	return nil
}

// putAll calls put for each file and link of m until one fails.
func putAll(ctx context.Context, m deploy.Manifest, put func(deploy.Entry) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	entries := make(chan deploy.Entry)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for e := range entries {
				if err := put(e); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, e := range m.Entries {
		if e.Type == deploy.Dir {
			continue
		}
		select {
		case entries <- e:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(entries)
	workers.Wait()
	return context.Cause(ctx)
}

// copyFile copies the file or link that e is of, and gives a file its mode and
// mtime. A file that is not what e says any more is an error.
func copyFile(ctx context.Context, from, into *os.Root, e deploy.Entry, mtime time.Time) error {
	if e.Type == deploy.Link {
		return into.Symlink(e.Link, e.Path)
	}
	src, err := from.Open(e.Path)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := into.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer dst.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(dst, h), reader{ctx, src}); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != e.Sum {
		return changed(e.Path)
	}
	if err := dst.Chmod(os.FileMode(e.Perm)); err != nil {
		return err
	}
	if err := dst.Close(); err != nil {
		return err
	}
	return into.Chtimes(e.Path, mtime, mtime)
}

// reader reads r until ctx ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
