package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// hash reads the job's file into its entry.
func (s *scanner) hash(ctx context.Context, j job, buf []byte) error {
	defer j.file.Close()
	began := time.Now()
	before, err := j.file.Stat()
	if err != nil {
		return err
	}
	var r io.Reader = j.file
	if s.pace != nil {
		r = s.pace.reader(ctx, r)
	}
	sum, err := sumOf(ctx, r, buf)
	if err != nil {
		return fmt.Errorf("%s: %w", clean(j.entry.Path), err)
	}
	after, err := j.file.Stat()
	if err != nil {
		return err
	}
	stamp := stampOf(after)
	if stamp != stampOf(before) || stamp.Size != j.entry.Size {
		return changed(j.entry.Path)
	}
	j.entry.Sum = sum
	if began.Sub(time.Unix(0, stamp.Ctime)) > settled {
		s.keep(j.entry.Path, stamp, sum)
	}
	return nil
}

// sumOf returns the SHA-256 of all that r gives, in hex.
func sumOf(ctx context.Context, r io.Reader, buf []byte) (string, error) {
	h := sha256.New()
	if _, err := io.CopyBuffer(h, reader{ctx, r}, buf); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (s *scanner) keep(p string, stamp Stamp, sum string) {
	stamp.Sum = sum
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamps[p] = stamp
}

// ChangedError is a path that changed under a scan's hands.
type ChangedError struct{ Path string }

func (e *ChangedError) Error() string { return clean(e.Path) + ": changed while it was read" }

func changed(p string) error { return &ChangedError{p} }
